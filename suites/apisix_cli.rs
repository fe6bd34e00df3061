//! What people see when a runner cannot be reached: a clear message and the right exit status.

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
