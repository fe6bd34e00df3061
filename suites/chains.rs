//! References and real implementations behind one another, as processes.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const PLUGFEST: &str = env!("CARGO_BIN_EXE_plugfest");

/// The fake Dify daemon invokes a tool of a plugin command.
fn daemon(invoke: &str, params: &str, plugin: &[&str]) -> Output {
    let words = ["mock", "dify-session", "daemon", "--invoke", invoke, "--params", params, "--"];
    Command::new(PLUGFEST).args(words).args(plugin).output().expect("plugfest starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn echoes(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let chunk: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one chunk");
    assert_eq!(chunk["message"]["text"], "hi");
}

#[test]
fn dify_daemon_and_reference_plugin() {
    echoes(&daemon("tool/echo", r#"{"text": "hi"}"#, &[PLUGFEST, "mock", "dify-session", "plugin"]));
}

#[test]
fn dify_daemon_and_the_python_sdk() {
    let Some(python) = set_up("dify-python", "venv/bin/python") else { return };
    echoes(&daemon("tool/echo", r#"{"text": "hi"}"#, &[&python, &peer("dify-python/main.py")]));
}

#[test]
fn the_python_sdk_calls_back_into_dify_daemon() {
    let Some(python) = set_up("dify-python", "venv/bin/python") else { return };
    let params = r#"{"op": "storage-set", "key": "k", "value": "größe"}"#;
    let output = daemon("tool/back", params, &[&python, &peer("dify-python/main.py")]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("\"set\""), "{}", text(&output.stdout));
}

/// The fake daemon waits for a plugin to connect, starts this command so that it does, and invokes a tool.
fn debug_daemon(invoke: &str, params: &str, plugin: &[&str]) -> Output {
    let words = ["mock", "dify-session", "daemon", "--debug", "--invoke", invoke, "--params", params, "--"];
    Command::new(PLUGFEST).args(words).args(plugin).output().expect("plugfest starts")
}

#[test]
fn dify_debug_daemon_and_reference_plugin() {
    echoes(&debug_daemon("tool/echo", r#"{"text": "hi"}"#, &[PLUGFEST, "mock", "dify-session", "plugin"]));
}

#[test]
fn dify_debug_daemon_and_the_python_sdk() {
    let Some(python) = set_up("dify-python", "venv/bin/python") else { return };
    let plugin = [&*python, &peer("dify-python/main.py")];
    echoes(&debug_daemon("tool/echo", r#"{"text": "hi"}"#, &plugin));
    let params = r#"{"op": "storage-set", "key": "k", "value": "größe"}"#;
    let output = debug_daemon("tool/back", params, &plugin);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("\"set\""), "{}", text(&output.stdout));
}

/// Without a command it says how to connect; one plugin shows another key and gives up, another is invoked.
#[test]
fn dify_debug_daemon_waits_for_a_plugin_with_its_key() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;
    let words = ["mock", "dify-session", "daemon", "--key", "k1", "--invoke", "tool/echo", "--params"];
    let mut daemon = Command::new(PLUGFEST)
        .args(words)
        .arg(r#"{"text": "hi"}"#)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("plugfest starts");
    let mut told = String::new();
    let mut stderr = BufReader::new(daemon.stderr.take().expect("piped"));
    stderr.read_line(&mut told).expect("a line");
    let at =
        told.split("REMOTE_INSTALL_URL=").nth(1).and_then(|rest| rest.split(' ').next()).expect("an address");
    assert!(told.contains("REMOTE_INSTALL_KEY=k1"), "{told}");
    let plugin = |key: &str| {
        let words = ["mock", "dify-session", "plugin", "--connect", at, "--key", key];
        Command::new(PLUGFEST).args(words).stderr(Stdio::null()).spawn().expect("plugfest starts")
    };
    let (mut stranger, mut known) = (plugin("k2"), plugin("k1"));
    let output = daemon.wait_with_output().expect("it ends");
    stranger.kill().expect("it runs still, or has ended");
    known.kill().expect("it runs still, or has ended");
    stranger.wait().expect("it has ended");
    known.wait().expect("it has ended");
    echoes(&output);
}

/// The same over HTTP: the daemon starts the plugin as a server and takes its calls back as requests.
fn serverless_daemon(invoke: &str, params: &str, plugin: &[&str]) -> Output {
    let words =
        ["mock", "dify-session", "daemon", "--serverless", "--invoke", invoke, "--params", params, "--"];
    Command::new(PLUGFEST).args(words).args(plugin).output().expect("plugfest starts")
}

#[test]
fn serverless_dify_daemon_and_reference_plugin() {
    let plugin = [PLUGFEST, "mock", "dify-session", "plugin"];
    echoes(&serverless_daemon("tool/echo", r#"{"text": "hi"}"#, &plugin));
    let stored =
        serverless_daemon("tool/back", r#"{"op": "storage-set", "key": "k", "value": "hi"}"#, &plugin);
    assert!(text(&stored.stdout).contains("\"set\""), "{}", text(&stored.stderr));
    let failed = serverless_daemon("tool/echo", "{}", &["false"]);
    assert_eq!(failed.status.code(), Some(1), "{}", text(&failed.stderr));
    let missing = serverless_daemon("tool/echo", "{}", &["no-such-command-here"]);
    assert_eq!(missing.status.code(), Some(3), "{}", text(&missing.stderr));
}

#[test]
fn serverless_dify_daemon_and_the_python_sdk() {
    let Some(python) = set_up("dify-python", "venv/bin/python") else { return };
    let plugin = [python.as_str(), &peer("dify-python/main.py")];
    echoes(&serverless_daemon("tool/echo", r#"{"text": "hi"}"#, &plugin));
    let params = r#"{"op": "storage-set", "key": "k", "value": "größe"}"#;
    let stored = serverless_daemon("tool/back", params, &plugin);
    assert_eq!(stored.status.code(), Some(0), "{}", text(&stored.stderr));
    assert!(text(&stored.stdout).contains("\"set\""), "{}", text(&stored.stdout));
}

fn peer(path: &str) -> String {
    format!("{}/fixtures/peers/{path}", env!("CARGO_MANIFEST_DIR"))
}

/// A program of a peer; where it is not set up, the test names it and does not run.
fn set_up(name: &str, program: &str) -> Option<String> {
    let path = peer(&format!("{name}/build/{program}"));
    if Path::new(&path).exists() {
        return Some(path);
    }
    println!("not-run: the peer {name} is not set up (fixtures/peers/{name}/README.md)");
    None
}

const ECHO: &str = r#"{"type": "tool", "action": "invoke_tool", "request": {"provider": "plugfest", "tool": "echo", "credentials": {}, "tool_parameters": {"text": "hi"}}}"#;

/// The package of the conformance plugin, as `plugfest package` makes it.
fn package(folder: &Path) -> PathBuf {
    let file = folder.join("good.difypkg");
    let words = ["package", &peer("dify-python"), "--output"];
    let output = Command::new(PLUGFEST).args(words).arg(&file).output().expect("plugfest starts");
    assert!(output.status.success(), "{}", text(&output.stderr));
    file
}

/// The JSON client asks a JSON server, which serves a plugin in this mode. Nothing may be left of what was unpacked.
#[track_caller]
fn client(mode: &str, package: &Path, plugin: &[&str]) -> Output {
    let words =
        ["mock", "dify-json", "client", "--request", ECHO, "--", PLUGFEST, "mock", "dify-json", "server"];
    let temporary = tempfile::tempdir().expect("a folder");
    let output = Command::new(PLUGFEST)
        .args(words)
        .arg(package)
        .args(["-m", mode])
        .args(plugin)
        .env("TMPDIR", temporary.path())
        .output()
        .expect("plugfest starts");
    let left: Vec<_> = std::fs::read_dir(temporary.path()).expect("the folder").flatten().collect();
    assert!(left.is_empty(), "{mode}: {left:?}\n{}", text(&output.stderr));
    output
}

#[track_caller]
fn client_got_hi(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(
        text(&output.stdout).contains(r#""text": "hi""#) || text(&output.stdout).contains(r#""text":"hi""#)
    );
}

#[test]
fn json_client_and_json_server_with_the_built_in_plugin() {
    let folder = tempfile::tempdir().expect("a folder");
    let package = package(folder.path());
    for mode in ["stdio", "tcp"] {
        client_got_hi(&client(mode, &package, &["--builtin"]));
    }
}

#[test]
fn json_client_json_server_and_the_package_of_the_python_sdk() {
    let Some(python) = set_up("dify-python", "venv/bin/python") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let package = package(folder.path());
    for mode in ["stdio", "tcp"] {
        client_got_hi(&client(mode, &package, &["--python", &python]));
    }
}

/// The engine runs a step of a plugin command.
fn engine(step: &str, input: &str, plugin: &[&str]) -> Output {
    let words = ["mock", "arcaflow", "engine", "--step", step, "--input", input, "--"];
    Command::new(PLUGFEST).args(words).args(plugin).output().expect("plugfest starts")
}

#[test]
fn arcaflow_engine_and_the_go_sdk() {
    let Some(plugin) = set_up("arcaflow-go", "plugin") else { return };
    let output = engine("echo", r#"{"message": "hi"}"#, &[&plugin, "--atp"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains(r#""output_id": "success""#), "{}", text(&output.stdout));
    let refused = engine("echo", r#"{"message": {}}"#, &[&plugin, "--atp"]);
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused.stdout));
}

/// One engine for every dialect: it waits for a hello that comes unasked, asks where none comes, and speaks as the hello
/// says; `--trace` shows each message.
#[test]
fn arcaflow_engine_negotiates_with_each_dialect() {
    for (profile, how, shown) in [
        ("v3", "waits for a null", &["-> null", "<- {\"version\": 3", "-> {\"id\": 1", "-> {\"id\": 4"][..]),
        (
            "v1",
            "waits for a null",
            &["-> null", "<- {\"version\": 1", "-> {\"id\": \"echo\"", "<- {\"output_id\""],
        ),
        (
            "document",
            "says hello unasked",
            &["<- {\"version\": 1", "-> {\"id\": \"echo\"", "<- {\"status\": \"started\"}"],
        ),
    ] {
        let plugin = [PLUGFEST, "mock", "arcaflow", "plugin", "--profile", profile];
        let words =
            ["mock", "arcaflow", "engine", "--profile", "auto", "--trace", "--step", "echo", "--input"];
        let input = [r#"{"message": "hi"}"#, "--"];
        let atp = if profile == "document" { &[][..] } else { &["--atp"] };
        let output = Command::new(PLUGFEST)
            .args(words)
            .args(input)
            .args(plugin)
            .args(atp)
            .output()
            .expect("plugfest starts");
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{profile}: {told}");
        assert!(text(&output.stdout).contains(r#""output_data": {"message": "hi"}"#), "{profile}: {told}");
        assert!(told.contains(&format!("auto: the plugin {how}")), "{profile}: {told}");
        let mut lines = told.lines();
        for part in shown {
            assert!(lines.any(|line| line.starts_with(part)), "{profile}: {part} is missing in\n{told}");
        }
        assert_eq!(told.contains("null"), profile != "document", "{profile}: {told}");
    }
}

/// What mocks/README.md shows works as it stands there.
#[test]
fn what_the_readme_shows() {
    let readme = include_str!("../mocks/README.md");
    let folder = tempfile::tempdir().expect("a folder");
    package(folder.path());
    let plugfest = Path::new(PLUGFEST).parent().expect("a folder").display().to_string();
    let path = format!("{plugfest}:{}", std::env::var("PATH").unwrap_or_default());
    let mut blocks = readme.split("```sh\n").skip(1).filter_map(|rest| rest.split_once("\n```"));
    let commands: Vec<&str> =
        blocks.by_ref().flat_map(|(block, _)| block.lines()).filter(|line| !line.is_empty()).collect();
    assert!(commands.len() >= 4, "{commands:?}");
    for command in commands {
        let output = Command::new("sh")
            .args(["-c", command])
            .env("PATH", &path)
            .current_dir(folder.path())
            .output()
            .expect("a shell");
        assert_eq!(output.status.code(), Some(0), "{command}\n{}", text(&output.stderr));
        let told = text(&output.stdout);
        assert!(told.contains("hi") || told.contains("calls per second"), "{command}\n{told}");
    }
}

fn plugfest(words: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(PLUGFEST).args(words).output().expect("plugfest starts");
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

#[track_caller]
fn refused(words: &[&str], status: i32, says: &str) {
    let (code, told) = plugfest(words);
    assert_eq!(code, Some(status), "{words:?}: {told}");
    assert!(told.contains(says), "{words:?}: {told}");
}

#[test]
fn dify_daemon_with_bad_input() {
    let plugin = [PLUGFEST, "mock", "dify-session", "plugin"];
    for (invoke, params, plugin, status, says) in [
        ("tool/echo", "{", &plugin[..], 2, "--params is no JSON"),
        ("echo", "{}", &plugin, 2, "write tool/NAME"),
        ("tool/echo", "{}", &[], 2, "the command of the plugin is missing"),
        ("tool/ghost", "{}", &plugin, 1, "unknown tool `ghost`"),
        ("tool/echo", "{}", &["false"], 1, "the plugin failed to start"),
        ("tool/echo", "{}", &["no-such-command-here"], 3, "no-such-command-here"),
    ] {
        let output = daemon(invoke, params, plugin);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{invoke} {params}: {stderr}");
        assert!(stderr.contains(says), "{invoke} {params}: {stderr}");
    }
    for (plugin, status, says) in [
        (&["false"], 1, "the plugin did not register: it ended with status 1"),
        (&["no-such-command-here"], 3, "no-such-command-here"),
    ] {
        let output = debug_daemon("tool/echo", "{}", plugin);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{stderr}");
        assert!(stderr.contains(says), "{stderr}");
    }
    let nobody = ["mock", "dify-session", "plugin", "--connect", "127.0.0.1:1"];
    refused(&nobody, 2, "needs both --connect HOST:PORT and --key KEY");
}

#[test]
fn json_server_and_client_with_bad_input() {
    let folder = tempfile::tempdir().expect("a folder");
    let text_file = folder.path().join("notes.difypkg");
    std::fs::write(&text_file, "this is no zip").expect("written");
    let text_file = text_file.display().to_string();
    refused(&["mock", "dify-json", "server", &text_file, "--builtin"], 1, "decode plugin file error");
    refused(&["mock", "dify-json", "server", "/no/such.difypkg", "--builtin"], 1, "read plugin file error");
    refused(&["mock", "dify-json", "client", "--request", "{", "--", "true"], 2, "--request");
    refused(&["mock", "dify-json", "client", "--request", ECHO], 2, "");

    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = taken.local_addr().expect("an address").to_string();
    let package = package(folder.path()).display().to_string();
    let words = ["mock", "dify-json", "server", &package, "--builtin", "-m", "tcp", "--listen", &at];
    refused(&words, 3, &at);
}

/// A driver that prints nonsense, ends early or cannot be started is our trouble to tell, and no verdict on the daemon.
#[test]
fn drivers_that_are_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let subject = folder.path().join("subject.toml");
    for (driver, says) in [
        (r#"["sh", "-c", "echo nonsense; cat >/dev/null"]"#, "the driver must write JSON lines"),
        (r#"["sh", "-c", "exit 4"]"#, "the driver ended early"),
        (r#"["no-such-driver-here"]"#, "no-such-driver-here"),
    ] {
        let lines = format!("suite = \"dify-session\"\nrole = \"daemon\"\ndriver = {driver}\n");
        std::fs::write(&subject, lines).expect("written");
        let path = subject.display().to_string();
        refused(&["run", "dify-session", "daemon", "daemon-invoke/echo", "--subject", &path], 3, says);
    }
}

/// A driver whose operation is open when the case has failed ends as it is told to: only the subject is at fault.
#[test]
fn a_driver_that_ends_after_a_finding_did_not_end_early() {
    let folder = tempfile::tempdir().expect("a folder");
    let subject = folder.path().join("subject.toml");
    let driver = r#"["sh", "-c", "read line; cat >/dev/null"]"#;
    let timing = "[timing]\nstart = \"200ms\"\nreply = \"200ms\"\n";
    let lines = format!("suite = \"dify-session\"\nrole = \"daemon\"\ndriver = {driver}\n{timing}");
    std::fs::write(&subject, lines).expect("written");
    let path = subject.display().to_string();
    refused(&["run", "--subject", &path, "daemon-invoke/echo"], 1, "nothing that fits came");
}

/// A daemon that stops a plugin without a heartbeat, and never asks for its exit status.
const NEVER_WAITS: &str = r#"
import json, subprocess, sys, time
for line in sys.stdin:
    asked = json.loads(line)
    answer = {"id": asked["id"], "ready": True}
    if asked["op"] == "start":
        plugin = subprocess.Popen(asked["peer"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        time.sleep(1.2)
        plugin.kill()
        answer = {"id": asked["id"], "error": "no heartbeat"}
    print(json.dumps(answer), flush=True)
"#;

#[test]
fn a_plugin_that_is_not_reaped_is_found() {
    if Command::new("python3").arg("--version").output().is_err() {
        return println!("not-run: there is no python3");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (subject, driver) = (folder.path().join("subject.toml"), folder.path().join("driver.py"));
    std::fs::write(&driver, NEVER_WAITS).expect("written");
    let lines = format!(
        "suite = \"dify-session\"\nrole = \"daemon\"\ndriver = [\"python3\", {driver:?}]\ncapabilities = [\"settings\"]\n"
    );
    std::fs::write(&subject, lines).expect("written");
    let path = subject.display().to_string();
    let words = ["run", "dify-session", "daemon", "daemon-start/no-heartbeat[silent]", "--subject", &path];
    refused(&words, 1, "broken at reaped: at /zombie: wanted false, got true");
}

/// A subject without a driver, whose operation is a command, is judged like any other.
#[test]
fn an_engine_that_runs_once_passes_every_case() {
    let folder = tempfile::tempdir().expect("a folder");
    let subject = folder.path().join("subject.toml");
    let command = ["mock", "arcaflow", "engine", "--step", "{step}", "--input", "{input}", "--", "{peer}"];
    let lines = format!(
        "suite = \"arcaflow\"\nrole = \"engine\"\n[op.run]\ncommand = {:?}\n",
        [&[PLUGFEST][..], &command].concat()
    );
    std::fs::write(&subject, lines).expect("written");
    let (code, told) = plugfest(&["run", "--subject", &subject.display().to_string()]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains(" passed, 0 failed"), "{told}");
}
