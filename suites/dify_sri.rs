//! What the references of the Dify SRI do as programs: scripts that fail, launches that are real, input that is wrong.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use plugfest::corpus::Corpus;
use plugfest::mocks;
use plugfest::mocks::dify_sri::scripts;
use plugfest::plan::{Plan, Selection};
use plugfest::report::{About, Human, Reporter};
use plugfest::runner::{self, Options, RunEvent, Vehicle};
use plugfest::sim::Faults;

#[path = "dify_sri_driver.rs"]
mod driver;
#[path = "dify_sri_secrets.rs"]
mod secrets;
#[path = "dify_sri_wrong.rs"]
mod wrong;

/// How long nothing comes until the peer counts as silent.
const SILENCE: Duration = Duration::from_millis(250);
/// How long the first byte of a long answer may take.
const FIRST: Duration = Duration::from_millis(1500);
/// A heartbeat of the script `drip`.
const BEAT: &[u8] = b"e\r\n: still here\n\n\r\n";
/// How much of a long answer is shown.
const SHOWN: usize = 700;

/// A reference that serves until it is dropped.
struct Served {
    child: Child,
    url: String,
}

impl Served {
    fn start(args: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_plugfest"))
            .args(["mock", "dify-sri", "runtime", "--port", "0"])
            .args(args)
            .stdout(Stdio::piped())
            .spawn()
            .expect("it runs");
        let url = first_line(&mut child);
        Self { child, url }
    }

    fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address()).expect("it listens");
        stream.set_read_timeout(Some(SILENCE)).expect("a time-out");
        stream.set_write_timeout(Some(SILENCE)).expect("a time-out");
        stream
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

/// What a client sees until the end, or until nothing more comes.
fn seen(stream: &mut TcpStream) -> (Vec<u8>, &'static str) {
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 1 << 16];
    let begun = Instant::now();
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return (bytes, "closed"),
            Ok(length) => bytes.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error)
                if error.kind() == ErrorKind::WouldBlock && bytes.is_empty() && begun.elapsed() < FIRST => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return (bytes, "open");
            }
            Err(_) => return (bytes, "reset"),
        }
        if begun.elapsed() > Duration::from_secs(1) && bytes.ends_with(BEAT) {
            return (bytes, "still beating");
        }
    }
}

/// Bytes as text; the middle of a long one is its length.
fn shown(bytes: &[u8], address: &str) -> String {
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string().replace("\\n", "\\n\n").replace("\\\"", "\"");
    let text = match bytes.len() {
        0..=SHOWN => text(bytes),
        length => {
            let (start, end) = (text(&bytes[..SHOWN / 2]), text(&bytes[length - 80..]));
            format!("{start}..\n({length} bytes)\n..{end}")
        }
    };
    text.replace(address, "HERE")
}

const LAUNCH: &str = "POST /v1/launch HTTP/1.1\r\nHost: h\r\nAuthorization: k\r\n\
                      Content-Type: multipart/form-data; boundary=bb\r\nContent-Length: LENGTH\r\n\r\n";
const FORM: &str =
    "--bb\r\nContent-Disposition: form-data; name=\"context\"; filename=\"a\"\r\n\r\nzip\r\n--bb--\r\n";

/// The requests that show a script's fault, and what they were answered with.
fn exchange(script: &str, served: &Served) -> String {
    let mut stream = served.connect();
    let launch = LAUNCH.replace("LENGTH", &FORM.len().to_string()) + FORM;
    let instances = "GET /v1/runner/instances?filename=x HTTP/1.1\r\nHost: h\r\nAuthorization: k\r\n\r\n";
    let ping = "POST /ping HTTP/1.1\r\nHost: h\r\nAuthorization: k\r\nContent-Length: 0\r\n\r\n";
    let mut told = String::new();
    let requests: Vec<String> = match script.split(['[', '-']).next() {
        Some("instance" | "instances" | "connection") => vec![instances.into()],
        Some("ping") => vec![ping.into(), ping.into()],
        Some("early") => vec![LAUNCH.replace("LENGTH", "1000000") + FORM],
        Some("upload") => {
            vec![LAUNCH.replace("LENGTH", "67108864") + FORM + &"a".repeat((64 << 20) - FORM.len())]
        }
        _ => vec![launch],
    };
    for request in requests {
        if stream.write_all(request.as_bytes()).is_err() {
            told += "(the upload is not taken)\n";
        }
        let (mut bytes, how) = seen(&mut stream);
        if let Some(at) = bytes.windows(BEAT.len()).position(|window| window == BEAT) {
            let again = bytes.split_off(at + BEAT.len());
            bytes.extend(if again.starts_with(BEAT) { b"(again and again)".as_slice() } else { &again });
        }
        told += &format!("{}\n({how})\n", shown(&bytes, served.address()));
    }
    told
}

#[test]
fn every_script_shows_its_fault_on_the_wire() {
    let mut names = Vec::new();
    for (name, _) in scripts() {
        match name.strip_suffix(']').and_then(|rest| rest.split_once('[')) {
            Some((name, rows)) => names.extend(rows.split('|').map(|row| format!("{name}[{row}]"))),
            None => names.push(name),
        }
    }
    let run = |name: &String| {
        let served = Served::start(&["--script", name]);
        format!("== {name}\n{}", exchange(name, &served))
    };
    let parts: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = names
            .chunks(names.len().div_ceil(8))
            .map(|chunk| scope.spawn(move || chunk.iter().map(run).collect::<Vec<_>>()))
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/reports/snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("dify-sri__scripts", parts.join("\n")));
}

#[test]
fn scripts_are_listed_in_help() {
    let told = plugfest(&["mock", "dify-sri", "runtime", "--help"]);
    for (name, _) in scripts() {
        assert!(told.out.contains(&name), "{name}");
    }
}

/// What a command line gave.
struct Told {
    status: i32,
    out: String,
    err: String,
}

fn plugfest(args: &[&str]) -> Told {
    let output = Command::new(env!("CARGO_BIN_EXE_plugfest"))
        .env("NO_COLOR", "1")
        .env("CI", "true")
        .args(args)
        .output()
        .expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Told { status: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
}

fn root(path: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path).display().to_string()
}

/// The commands of a page that show a launch without a cloud.
fn commands(page: &str) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(root(page)).expect("it is there");
    let blocks = text.split("```").skip(1).step_by(2);
    let block = blocks.into_iter().find(|block| block.contains("daemon launch")).expect("the commands");
    let words = |line: &str| line.split_whitespace().skip(1).map(str::to_owned).collect();
    block.lines().filter(|line| line.starts_with("plugfest ")).map(words).collect()
}

/// The first line of what a command shows, once it serves.
fn first_line(child: &mut Child) -> String {
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("its address");
    line.trim().to_owned()
}

#[test]
fn the_commands_of_the_readme_launch_and_call_the_real_plugin() {
    let pages = ["README.md", "suites/dify-sri/README.md"].map(commands);
    assert_eq!(pages[0], pages[1], "both pages show the same");
    if !Path::new(&root("fixtures/peers/dify-python/build/venv/bin/python")).exists() {
        return println!("not-run: fixtures/peers/dify-python is not set up");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let package = folder.path().join("good.difypkg").display().to_string();
    for profile in ["document", "go-daemon"] {
        let [pack, serve, launch] = &pages[0][..] else { panic!("three commands: {:?}", pages[0]) };
        let here = |words: &[String], url: &str| -> Command {
            let word = |word: &String| {
                let word = word.replace("http://127.0.0.1:8080", url).replace("good.difypkg", &package);
                if word == "8080" { "0".to_owned() } else { word }
            };
            let mut command = Command::new(env!("CARGO_BIN_EXE_plugfest"));
            command.current_dir(root("")).args(words.iter().map(word));
            command
        };
        assert!(here(pack, "").status().expect("it runs").success());
        let mut child = here(serve, "").stdout(Stdio::piped()).spawn().expect("it runs");
        let url = first_line(&mut child);
        let served = Served { child, url };
        let output = here(launch, &served.url).args(["--profile", profile]).output().expect("it runs");
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
        for line in ["ping: pong", "build/success", "run/success endpoint=http://127.0.0.1:", "installed "] {
            assert!(told.contains(line), "{line}: {told}");
        }
        assert!(told.lines().last().is_some_and(|line| line.contains("\"hello\"")), "{told}");
    }
}

#[test]
fn a_requirement_that_is_not_there_fails_the_build() {
    let folder = tempfile::tempdir().expect("a folder");
    let plugin = folder.path().join("plugin");
    for file in ["manifest.yaml", "provider/plugfest.yaml", "_assets/icon.svg"] {
        let path = plugin.join(file);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::copy(root(&format!("fixtures/peers/dify-python/{file}")), path).expect("a copy");
    }
    std::fs::write(plugin.join("requirements.txt"), "plugfest-no-such-package==0.0.0\n").expect("a file");
    let path = folder.path().join("p.difypkg").display().to_string();
    let told = plugfest(&["package", &plugin.display().to_string(), "-o", &path]);
    assert_eq!(told.status, 0, "{}", told.err);
    let served = Served::start(&["--api-key", "k", "--python", "python3"]);
    let told =
        plugfest(&["mock", "dify-sri", "daemon", "launch", &path, "--url", &served.url, "--api-key", "k"]);
    assert_eq!(told.status, 1, "{}", told.out);
    assert!(told.err.contains("plugfest-no-such-package==0.0.0 is not installed"), "{}", told.err);
}

#[test]
fn a_scenario_of_the_suite_is_a_script() {
    let served = Served::start(&["--script", &root("suites/dify-sri/failure/no-end.toml")]);
    let told = exchange("no-end", &served);
    assert!(told.contains("\"Stage\": \"run\", \"State\": \"success\""), "{told}");
    assert!(!told.contains("\"Stage\": \"end\""), "{told}");
}

/// What a person reads when a mutant breaks this case, from the simulator, so that it is the same every time.
fn block(role: &str, mutant: &str, case: &str) -> String {
    let suite = Corpus::embedded().suite("dify-sri").expect("it is shipped");
    let reference = mocks::reference("dify-sri", role).expect("it is bundled");
    let subject = mocks::subject(reference, "plugfest", Some(mutant));
    let selection =
        Selection { profile: "document".into(), prefixes: vec![case.into()], ..Selection::default() };
    let plan = Plan::build(&suite, &subject, &selection).expect("it can be planned");
    let folder = tempfile::tempdir().expect("a folder");
    let options = Options {
        vehicle: Vehicle::Simulator(Faults::default()),
        ignore_needs: true,
        folder: folder.path().into(),
        every_exchange: false,
        stop: Arc::default(),
    };
    let vehicle = "simulator";
    let about =
        About { suite: &suite, subject: &subject, profile: "document", vehicle, again: "", decides: true };
    let mut bytes = Vec::new();
    let mut human = Human::new(&mut bytes);
    runner::run(&suite, &plan, &options, 1, &mut |event| {
        if matches!(event, RunEvent::Finished(_)) {
            human.on(about, &event);
        }
    });
    drop(human);
    let text = anstream::adapter::strip_str(&String::from_utf8_lossy(&bytes)).to_string();
    text.lines().filter(|line| !line.contains("transcript: ")).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_block_of_a_broken_stage_tells_all_of_it() {
    let blocks = [
        block("runtime", "success-after-failure", "launch/failed-build"),
        block("daemon", "success-after-failure", "failure/stays-failed"),
        block("runtime", "event-over-two-lines", "launch/good"),
    ];
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/reports/snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("dify-sri__block", blocks.join("\n\n")));
}
