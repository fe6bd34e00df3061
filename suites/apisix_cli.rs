//! What people see when a runner cannot be reached: a clear message and the right exit status.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Output;

use assert_cmd::Command;

/// Runs one case against a command.
fn run(command: &[&str]) -> (i32, String) {
    let output = Command::cargo_bin("plugfest")
        .expect("the binary is built")
        .args(["run", "apisix", "runner", "conf/without-key", "--time-scale", "0.05", "--"])
        .args(command)
        .output()
        .expect("it runs");
    told(&output)
}

fn told(output: &Output) -> (i32, String) {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&text).into_owned())
}

/// A shell that does something with the path it was given, then stays.
fn shell(script: &str) -> (i32, String) {
    run(&["sh", "-c", &format!("p=${{APISIX_LISTEN_ADDRESS#unix:}}; {script}; exec sleep 20")])
}

#[test]
fn nobody_listens() {
    let (status, text) = shell(":");
    assert_eq!(status, 1, "{text}");
    assert!(text.contains("APISIX-ADDR-01") && text.contains("cannot connect to"), "{text}");
}

#[test]
fn the_path_is_taken_by_a_file() {
    let (status, text) = shell("echo > $p");
    assert_eq!(status, 1, "{text}");
    assert!(text.contains("a file that is no socket"), "{text}");
}

#[test]
fn a_runner_that_exits_at_once() {
    let (status, text) = run(&["sh", "-c", "echo no config >&2; exit 4"]);
    assert_eq!(status, 1, "{text}");
    assert!(text.contains("status 4") && text.contains("no config"), "{text}");
}

#[test]
fn a_command_that_does_not_exist() {
    let (status, text) = run(&["./no-such-runner"]);
    assert_eq!(status, 3, "{text}");
    assert!(text.contains("command not found: ./no-such-runner"), "{text}");
}

#[test]
fn the_reference_says_what_is_wrong_with_its_address() {
    let mock = |address: &str| {
        let mut command = Command::cargo_bin("plugfest").expect("the binary is built");
        command.args(["mock", "apisix", "runner"]).env("APISIX_LISTEN_ADDRESS", address);
        told(&command.output().expect("it runs"))
    };
    let (status, text) = mock(&format!("unix:/tmp/{}", "x".repeat(200)));
    assert!(status == 1 && text.contains("at most 107 bytes"), "{status} {text}");
    let file = tempfile::NamedTempFile::new().expect("a file");
    let (status, text) = mock(&format!("unix:{}", file.path().display()));
    assert!(status == 1 && text.contains("a file that is no socket"), "{status} {text}");
    let (status, text) = mock("/tmp/x");
    assert!(status == 1 && text.contains("must be unix:PATH"), "{status} {text}");
}

#[test]
fn the_gateway_says_why_it_reaches_no_runner() {
    let call = |socket: &str| {
        let mut command = Command::cargo_bin("plugfest").expect("the binary is built");
        command.args([
            "mock",
            "apisix",
            "gateway",
            "--socket",
            socket,
            "--conf",
            "noop={}",
            "--request",
            "GET /",
        ]);
        told(&command.output().expect("it runs"))
    };
    let (status, text) = call(&"x".repeat(200));
    assert!(status == 2 && text.contains("at most 107 bytes"), "{status} {text}");
    let (status, text) = call("no-such-folder/socket");
    assert!(status == 3 && text.contains("nobody listens there"), "{status} {text}");
    let file = tempfile::NamedTempFile::new().expect("a file");
    let (status, text) = call(&file.path().display().to_string());
    assert!(status == 3 && text.contains("a file that is no socket"), "{status} {text}");
}

/// `plugfest mock apisix gateway` with a plugin that changes the path.
fn gateway(folder: &Path, words: &[&str]) -> (i32, String) {
    let mut command = Command::cargo_bin("plugfest").expect("the binary is built");
    command.current_dir(folder).args(["mock", "apisix", "gateway", "--socket", "r.sock"]).args(words);
    told(&command.output().expect("it runs"))
}

#[test]
fn a_runner_is_started_called_and_stopped() {
    let folder = tempfile::tempdir().expect("a folder");
    let runner = env!("CARGO_BIN_EXE_plugfest");
    let by_hand = ["--conf", "rewrite={\"path\": \"/new\"}", "--request", "GET /old?y=1", "--"];
    let (status, text) =
        gateway(folder.path(), &[&by_hand[..], &[runner, "mock", "apisix", "runner"]].concat());
    assert!(status == 0 && text.contains("GET /new?y=1 HTTP/1.1"), "{status} {text}");
    let (status, text) = gateway(folder.path(), &[&by_hand[..], &["false"]].concat());
    assert!(status == 3 && text.contains("the runner ended before it was called"), "{status} {text}");
    let (status, text) = gateway(folder.path(), &[&by_hand[..], &["./no-such-runner"]].concat());
    assert!(status == 3 && text.contains("no-such-runner"), "{status} {text}");
    assert!(!folder.path().join("r.sock").exists(), "the runner was stopped in order");
}

#[test]
fn load_is_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let runner = ["--", env!("CARGO_BIN_EXE_plugfest"), "mock", "apisix", "runner"];
    let load = |words: &[&str], runner: &[&str]| gateway(folder.path(), &[words, runner].concat());
    let (status, text) =
        load(&["--load", "500", "--connections", "4", "--conf", "noop={}", "--json"], &runner);
    let told: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(
        (status, &told["calls"], &told["failed"], &told["connections"]),
        (0, &500.into(), &0.into(), &4.into())
    );
    assert!(told["calls_per_second"].as_f64() > Some(0.0) && told["latency_us"]["p99"].as_f64() > Some(0.0));
    let (status, text) = load(&["--load", "5", "--conf", "throw={}"], &runner);
    assert!(status == 1 && text.contains("5 calls failed"), "{status} {text}");
    let (status, text) = load(&["--load", "5", "--conf", "ask={\"vars\": [\"x\"]}"], &runner);
    assert!(status == 1 && text.contains("the runner asks"), "{status} {text}");
    let (status, text) = load(&["--load", "5"], &["--", "false"]);
    assert!(status == 3 && text.contains("ended before it listened"), "{status} {text}");
    let (status, text) = load(&["--load", "5"], &[]);
    assert!(status == 3 && text.contains("nobody listens there"), "{status} {text}");
    let (status, text) = load(&["--load", "0"], &[]);
    assert!(status == 2 && text.contains("--load is a number from 1"), "{status} {text}");
}

/// `plugfest` for who may not do everything: root becomes a user who owns nothing.
fn plainly(folder: &Path) -> std::process::Command {
    std::fs::set_permissions(folder, Permissions::from_mode(0o755)).expect("others may enter");
    if !rustix::process::geteuid().is_root() {
        return std::process::Command::new(env!("CARGO_BIN_EXE_plugfest"));
    }
    let copy = folder.join("plugfest");
    // Not by us: a child that another test starts would keep the copy open for writing for a moment, and it could not run.
    Command::new("cp").arg(env!("CARGO_BIN_EXE_plugfest")).arg(&copy).assert().success();
    let mut command = std::process::Command::new(copy);
    command.uid(65534).gid(65534).env("TMPDIR", "/tmp").env("HOME", "/");
    command
}

#[test]
fn a_socket_that_may_not_be_written_to() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("r.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("it listens");
    std::fs::set_permissions(&socket, Permissions::from_mode(0o000)).expect("closed");
    let socket = socket.display().to_string();
    let says = "this user may not write to the socket";
    let call = ["mock", "apisix", "gateway", "--socket", &socket, "--request", "GET /"];
    let load = ["mock", "apisix", "gateway", "--socket", &socket, "--load", "3"];
    let attach = format!("unix:{socket}");
    let run = ["run", "apisix", "runner", "conf/without-key", "--attach", &attach];
    for words in [&call[..], &load, &run] {
        let output = plainly(folder.path()).args(words).current_dir(folder.path()).output().expect("it runs");
        let (status, text) = told(&output);
        assert!(status == 3 && text.contains(says), "{words:?}: {status} {text}");
    }
    let closed = folder.path().join("closed");
    std::fs::create_dir(&closed).expect("made");
    std::fs::set_permissions(&closed, Permissions::from_mode(0o500)).expect("closed");
    let mut runner = plainly(folder.path());
    runner.args(["mock", "apisix", "runner"]).current_dir(folder.path());
    let output = runner.env("APISIX_LISTEN_ADDRESS", "unix:closed/r.sock").output().expect("it runs");
    let (status, text) = told(&output);
    assert!(status == 1 && text.contains("Permission denied"), "{status} {text}");
}

#[test]
fn a_folder_whose_path_is_too_long_for_sockets() {
    let folder = tempfile::tempdir().expect("a folder");
    let deep = folder.path().join("x".repeat(120));
    std::fs::create_dir(&deep).expect("made");
    for (role, case) in [("runner", "conf/without-key"), ("gateway", "gateway/rewrite")] {
        let output = Command::cargo_bin("plugfest")
            .expect("the binary is built")
            .env("TMPDIR", &deep)
            .args(["run", "apisix", role, case, "--", "sleep", "20"])
            .output()
            .expect("it runs");
        let (status, text) = told(&output);
        assert!(status == 3 && text.contains("at most 107 bytes"), "{role}: {status} {text}");
    }
}

/// A runner that notes each of its starts, and the verdicts of cases against it.
fn counted(folder: &Path, mutant: &str, cases: &[&str]) -> (usize, BTreeMap<String, String>) {
    let (starts, report) = (folder.join("starts"), folder.join("run.jsonl"));
    let _ = std::fs::remove_file(&starts);
    let own = env!("CARGO_BIN_EXE_plugfest");
    let script = format!("echo x >> {}; exec {own} mock apisix runner {mutant}", starts.display());
    let output = Command::cargo_bin("plugfest")
        .expect("the binary is built")
        .args(["run", "apisix", "runner", "--time-scale", "0.4", "--jobs", "4", "--report"])
        .arg(format!("jsonl={}", report.display()))
        .args(cases)
        .args(["--", "sh", "-c", &script])
        .output()
        .expect("it runs");
    let text = std::fs::read_to_string(&report).unwrap_or_else(|_| panic!("{}", told(&output).1));
    let event = |line: &str| serde_json::from_str::<serde_json::Value>(line).expect("JSON");
    let events = text.lines().map(event).filter(|event| event["event"] == "case-finished");
    let played = events.filter(|event| event["verdict"] != "not-applicable");
    let word = |event: &serde_json::Value, key: &str| event[key].as_str().unwrap_or_default().to_owned();
    let verdicts = played.map(|event| (word(&event, "case"), word(&event, "verdict"))).collect();
    (std::fs::read_to_string(&starts).unwrap_or_default().lines().count(), verdicts)
}

#[test]
fn cases_share_a_process_each_over_connections_of_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let (starts, verdicts) = counted(folder.path(), "", &["frame/", "buffer/"]);
    assert!(verdicts.len() > 20 && verdicts.values().all(|verdict| verdict == "pass"), "{verdicts:?}");
    let cut_off = verdicts.keys().filter(|case| case.starts_with("frame/cut-off")).count();
    assert_eq!(starts, 1 + cut_off, "who is looked at after a while has one of its own");
    let (starts, verdicts) = counted(folder.path(), "", &["life/terminated", "frame/empty"]);
    let own = verdicts.keys().filter(|case| case.starts_with("life/")).count();
    assert!(own > 1 && verdicts.len() > own + 1, "{verdicts:?}");
    assert_eq!(starts, own + 1, "who ends the process has one of its own");
}

#[test]
fn a_crash_in_one_case_costs_no_other_its_verdict() {
    let folder = tempfile::tempdir().expect("a folder");
    let mutant = "--mutant unknown-type-ends-runner";
    let (starts, together) = counted(folder.path(), mutant, &["frame/"]);
    let alone = together.keys().flat_map(|case| {
        let (starts, verdicts) = counted(folder.path(), mutant, &[case]);
        assert_eq!(starts, 1, "{case}");
        verdicts
    });
    let alone: BTreeMap<String, String> = alone.collect();
    assert_eq!(together, alone);
    let failed = together.values().filter(|verdict| *verdict == "fail").count();
    assert!(failed > 0 && failed < together.len() && starts > 1, "{starts}: {together:?}");
}

/// What suites/apisix/README.md tells authors to run, with our own references in the place of theirs.
#[test]
fn what_the_readme_shows() {
    let readme = include_str!("apisix/README.md");
    let folder = tempfile::tempdir().expect("a folder");
    let own = env!("CARGO_BIN_EXE_plugfest");
    let commands: Vec<&str> = readme
        .split("```sh\n")
        .skip(1)
        .filter_map(|rest| rest.split_once("\n```"))
        .flat_map(|(block, _)| block.lines())
        .collect();
    assert!(commands.len() >= 6, "{commands:?}");
    let first_page = include_str!("../README.md").lines().filter_map(|line| {
        let command = line.starts_with("plugfest ") && line.contains(" apisix ");
        line.split("   ").next().filter(|_| command)
    });
    let first_page: Vec<&str> = first_page.collect();
    assert!(first_page.len() >= 3, "{first_page:?}");
    for command in commands.into_iter().chain(first_page) {
        let command = command
            .replace("./my-runner", "path/to/runner")
            .replace("./my-gateway", "path/to/gateway")
            .replace("path/to/runner", &format!("{own} mock apisix runner"))
            .replace(
                "path/to/gateway {port} {upstream} {socket}",
                &format!("{own} mock apisix gateway --listen {{port}} --upstream {{upstream}} --socket {{socket}} --conf rewrite={{}}"),
            )
            .replace("plugfest run apisix runner --", "plugfest run apisix runner conf/ --")
            .replace("plugfest run apisix gateway --", "plugfest run apisix gateway gateway/rewrite gateway/stop --")
            .replace("/tmp/r.sock", "r.sock")
            .replacen("plugfest", own, 1);
        let output = std::process::Command::new("sh")
            .args(["-c", &command])
            .current_dir(folder.path())
            .output()
            .expect("a shell");
        let (status, text) = told(&output);
        assert_eq!(status, 0, "{command}\n{text}");
    }
}
