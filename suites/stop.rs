//! Ctrl-C: what was judged stays, the reports are written, no process is left.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

fn program() -> String {
    assert_cmd::cargo::cargo_bin("plugfest").display().to_string()
}

/// Whether a process whose command line mentions this runs.
fn runs(mark: &str) -> bool {
    let entries = std::fs::read_dir("/proc").expect("/proc").flatten();
    entries.map(|entry| std::fs::read(entry.path().join("cmdline")).unwrap_or_default()).any(|line| {
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        line.starts_with(mark)
    })
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::yield_now();
    }
}

/// Answers as the reference does twice, and then never again.
fn subject(folder: &Path, mark: &str) -> String {
    let count = folder.join("count").display().to_string();
    format!(
        "echo x >> {count}; if [ $(wc -l < {count}) -gt 2 ]; then trap '' TERM INT; {mark}; fi; exec {} mock arcaflow plugin \"$@\"",
        program()
    )
}

fn interrupted(signal: &str, mark: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let script = subject(folder.path(), mark);
    let child = Command::new(program())
        .current_dir(folder.path())
        .args(["run", "arcaflow", "plugin", "start/", "stream/", "--jobs", "1"])
        .args(["--report", "jsonl=run.jsonl", "--report", "junit=run.xml", "--report", "html=run.html"])
        .args(["--", "sh", "-c", &script, "sh"])
        .env("CI", "true")
        .env("TMPDIR", folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    until("the third case begins", || runs(mark));
    let begun = Instant::now();
    // `timeout` signals the program and then its group: that is one request to stop.
    let twice = format!("kill {signal} {0}; kill {signal} {0}", child.id());
    assert!(Command::new("sh").args(["-c", &twice]).status().expect("a shell").success());
    let output = child.wait_with_output().expect("it ends");
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert_eq!(output.status.code(), Some(3), "{out}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("stopped by a signal"));
    assert!(!runs(mark));
    let last = out.trim_end().lines().last().unwrap_or_default();
    assert!(last.starts_with("2 passed, 0 failed, ") && !last.ends_with(" 0 skipped"), "{out}");
    let text = std::fs::read_to_string(folder.path().join("run.jsonl")).expect("the report");
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let verdicts = events.iter().filter_map(|event| event["verdict"].as_str());
    let verdicts: Vec<&str> = verdicts.filter(|verdict| *verdict != "not-applicable").collect();
    assert_eq!(verdicts[..3], ["pass", "pass", "not-run"], "{out}");
    assert_eq!(events.last().expect("a line")["event"], "run-finished");
    let xml = std::fs::read_to_string(folder.path().join("run.xml")).expect("the report");
    assert!(xml.trim_end().ends_with("</testsuites>"), "{xml}");
    let html = std::fs::read_to_string(folder.path().join("run.html")).expect("the report");
    assert!(html.trim_end().ends_with("</html>"));
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .expect("the folder")
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with("plugfest-"))
        .collect();
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn an_interrupted_run_tells_what_it_has_and_leaves_nothing() {
    interrupted("-INT", "sleep 5678.25");
}

#[test]
fn a_terminated_run_does_too() {
    interrupted("-TERM", "sleep 5679.25");
}

/// The run waits for a reader that never reads, as somebody may who pressed Ctrl-C once in vain.
#[test]
fn a_second_signal_ends_everything_at_once() {
    let mark = "sleep 5680.25";
    let folder = tempfile::tempdir().expect("a folder");
    let (_unread, mut full) = std::io::pipe().expect("a pipe");
    full.write_all(&[0; 1 << 16]).expect("as much as a pipe holds");
    let mut child = Command::new(program())
        .current_dir(folder.path())
        .args(["run", "arcaflow", "plugin", "start/", "stream/", "--jobs", "1"])
        .args(["--", "sh", "-c", &subject(folder.path(), mark), "sh"])
        .env("CI", "true")
        .env("TMPDIR", folder.path())
        .stdout(full)
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut told = BufReader::new(child.stderr.take().expect("its stderr")).lines();
    until("the third case begins", || runs(mark));
    let id = child.id().to_string();
    let interrupt = || Command::new("kill").args(["-INT", &id]).status().expect("kill").success();
    assert!(interrupt());
    let first = told.next().expect("a line").expect("text");
    assert!(first.starts_with("stopping; a second signal"), "{first}");
    until("it ends", || interrupt() && child.try_wait().expect("a child").is_some());
    let rest: Vec<String> = told.map_while(Result::ok).collect();
    assert_eq!(child.wait().expect("it ends").code(), Some(3), "{rest:?}");
    assert!(rest.last().is_some_and(|last| last.starts_with("stopped at once")), "{rest:?}");
    assert!(!runs(mark));
    let names =
        std::fs::read_dir(folder.path()).expect("the folder").flatten().map(|entry| entry.file_name());
    let left: Vec<_> = names.filter(|name| name.to_string_lossy().starts_with("plugfest-")).collect();
    assert!(left.is_empty(), "{left:?}");
}
