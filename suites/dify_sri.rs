//! What the references of the Dify SRI do as programs: scripts that fail, launches that are real, input that is wrong.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use plugfest::mocks::dify_sri::scripts;

/// How long nothing comes until the peer counts as silent.
const SILENCE: Duration = Duration::from_millis(250);
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
        let mut url = String::new();
        let out = child.stdout.take().expect("its output");
        BufReader::new(out).read_line(&mut url).expect("its address");
        Self { child, url: url.trim().to_owned() }
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

/// Packs the conformance plugin of the real SDK.
fn package(folder: &tempfile::TempDir) -> String {
    let path = folder.path().join("good.difypkg").display().to_string();
    let told = plugfest(&["package", &root("fixtures/peers/dify-python"), "-o", &path]);
    assert_eq!(told.status, 0, "{}", told.err);
    path
}

fn root(path: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path).display().to_string()
}

#[test]
fn the_real_plugin_is_launched_and_called() {
    let python = root("fixtures/peers/dify-python/build/venv/bin/python");
    if !Path::new(&python).exists() {
        return println!("not-run: fixtures/peers/dify-python is not set up");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let package = package(&folder);
    for profile in ["document", "go-daemon"] {
        let served = Served::start(&["--api-key", "k", "--python", &python]);
        let words = ["mock", "dify-sri", "daemon", "launch", &package, "--url", &served.url];
        let told = plugfest(&[&words[..], &["--api-key", "k", "--profile", profile]].concat());
        assert_eq!(told.status, 0, "{}{}", told.out, told.err);
        for line in ["ping: pong", "build/success", "run/success endpoint=http://127.0.0.1:", "installed "] {
            assert!(told.out.contains(line), "{line}: {}", told.out);
        }
        assert!(told.out.lines().last().is_some_and(|line| line.contains("\"hello\"")), "{}", told.out);
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

/// The daemon's command line with these words after `launch`.
fn launch(words: &[&str]) -> Told {
    plugfest(&[&["mock", "dify-sri", "daemon", "launch"], words].concat())
}

#[test]
fn a_launch_that_cannot_begin_says_why() {
    let told = launch(&["p", "--url", "nonsense", "--api-key", "k"]);
    assert!(told.status == 2 && told.err.contains("\"nonsense\" is no http URL"), "{}", told.err);
    let told = launch(&["p", "--url", "http://127.0.0.1:1"]);
    assert!(told.status == 2 && told.err.contains("--api-key is missing"), "{}", told.err);
    let told = launch(&["p", "--url", "http://127.0.0.1:1", "--api-key", "k"]);
    assert!(told.status == 1 && told.err.contains("Connection refused"), "{}", told.err);
}

#[test]
fn a_wrong_key_and_what_is_no_package_are_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("no.difypkg");
    std::fs::write(&path, "this is no zip archive\n").expect("a file");
    let path = path.display().to_string();
    let served = Served::start(&["--api-key", "k"]);
    let told = launch(&[&path, "--url", &served.url, "--api-key", "wrong"]);
    assert!(told.status == 1 && told.err.contains("status 401"), "{}", told.err);
    let told = launch(&[&path, "--url", &served.url, "--api-key", "k"]);
    assert!(told.status == 1 && told.err.contains("status 400"), "{}", told.err);
    let told = launch(&["/nonexistent.difypkg", "--url", &served.url, "--api-key", "k"]);
    assert!(told.status == 1 && told.err.contains("/nonexistent.difypkg"), "{}", told.err);
}

#[test]
fn a_peer_that_speaks_tls_is_no_runtime() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(b"\x15\x03\x01\x00\x02\x02\x46");
    });
    let told = launch(&["p", "--url", &url, "--api-key", "k"]);
    server.join().expect("no panic");
    assert!(told.status == 1 && told.err.starts_with("ping: "), "{} {}", told.status, told.err);
}

#[test]
fn a_script_with_an_error_shows_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s.toml");
    std::fs::write(&path, "role = \"daemon\"\n[[stp]]\n").expect("a file");
    let runtime = |script: &str| plugfest(&["mock", "dify-sri", "runtime", "--script", script]);
    let told = runtime(&path.display().to_string());
    assert_eq!(told.status, 2, "{}", told.err);
    assert!(told.err.contains("s.toml:2:3") && told.err.contains("did you mean `step`?"), "{}", told.err);
    let told = runtime("stal");
    assert!(told.status == 2 && told.err.contains("did you mean `stall`?"), "{}", told.err);
    let told = runtime("failed[never]");
    assert!(told.status == 2 && told.err.contains("healthz, start, build, run, end"), "{}", told.err);
}

#[test]
fn a_scenario_of_the_suite_is_a_script() {
    let served = Served::start(&["--script", &root("suites/dify-sri/failure/no-end.toml")]);
    let told = exchange("no-end", &served);
    assert!(told.contains("\"Stage\": \"run\", \"State\": \"success\""), "{told}");
    assert!(!told.contains("\"Stage\": \"end\""), "{told}");
}
