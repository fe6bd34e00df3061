//! References and real implementations behind one another, as processes.

use std::path::Path;
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
    let peer = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/peers/dify-python");
    let python = format!("{peer}/build/venv/bin/python");
    if !Path::new(&python).exists() {
        return println!("not run: the Dify Python SDK is not set up (fixtures/peers/dify-python/README.md)");
    }
    echoes(&daemon("tool/echo", r#"{"text": "hi"}"#, &[&python, &format!("{peer}/main.py")]));
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
}
