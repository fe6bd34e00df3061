//! Bad input and bad subjects, as a user meets them: a clear message, the right exit status, nothing left behind.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use assert_cmd::Command;

/// What a command line gave.
struct Told {
    status: i32,
    out: String,
    err: String,
}

fn plugfest(args: &[&str]) -> Told {
    plugfest_in(&[], args)
}

/// The same with more in its environment.
fn plugfest_in(more: &[(&str, &OsStr)], args: &[&str]) -> Told {
    let output = Command::cargo_bin("plugfest")
        .expect("the binary is built")
        .envs(more.iter().copied())
        .env("NO_COLOR", "1")
        .env("CI", "true")
        .args(args)
        .timeout(std::time::Duration::from_secs(60))
        .output()
        .expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Told { status: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
}

/// Runs one case against a shell script.
fn against(script: &str) -> Told {
    plugfest(&[
        "run",
        "arcaflow",
        "plugin",
        "work/echo",
        "hello/",
        "--time-scale",
        "0.1",
        "--",
        "sh",
        "-c",
        script,
        "sh",
    ])
}

fn against_one(script: &str) -> Told {
    plugfest(&[
        "run",
        "arcaflow",
        "plugin",
        "hello/once",
        "--time-scale",
        "0.1",
        "--",
        "sh",
        "-c",
        script,
        "sh",
    ])
}

/// The last line, as other programs read it.
fn closing(told: &Told) -> &str {
    told.out.trim_end().lines().last().unwrap_or_default()
}

/// Processes whose command line mentions this.
fn left_behind(mark: &str) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").expect("/proc").flatten();
    let lines = entries.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse::<u32>().ok()?;
        let line = std::fs::read(entry.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        (pid != std::process::id() && line.contains(mark)).then_some(line)
    });
    lines.collect()
}

fn script(folder: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, text).expect("a file");
    path
}

#[test]
fn a_command_that_does_not_exist_is_inconclusive() {
    let told = plugfest(&["run", "arcaflow", "plugin", "hello/", "--", "/nonexistent/plugin"]);
    assert_eq!(told.status, 3, "{}", told.out);
    assert!(told.out.contains("command not found: /nonexistent/plugin"), "{}", told.out);
    assert_eq!(closing(&told), "0 passed, 1 failed, 0 skipped");
}

#[test]
fn a_command_that_cannot_be_executed_is_inconclusive() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = script(&folder, "plugin", "#!/bin/sh\n");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("permissions");
    let told = plugfest(&["run", "arcaflow", "plugin", "hello/", "--", &path.display().to_string()]);
    assert_eq!(told.status, 3, "{}", told.out);
    assert!(told.out.contains("command is not executable"), "{}", told.out);
}

/// Runs with a standard output that takes nothing.
fn into_nowhere(args: &[&str]) -> Told {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a device that is full");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_plugfest"))
        .args(args)
        .env("CI", "true")
        .stdout(full)
        .output()
        .expect("it runs");
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    Told { status: output.status.code().unwrap_or(-1), out: String::new(), err }
}

#[test]
fn an_output_that_takes_nothing_is_an_error_and_costs_no_report() {
    let folder = tempfile::tempdir().expect("a folder");
    let junit = folder.path().join("report.xml").display().to_string();
    let report = format!("junit={junit}");
    let run = ["run", "arcaflow", "plugin", "hello/", "--vehicle", "simulator", "--report", &report];
    let commands: [&[&str]; 6] = [
        &["list"],
        &["explain", "ARCA3-WORK-01"],
        &["check", "--schema"],
        &["completions", "bash"],
        &["mock"],
        &run,
    ];
    for args in commands {
        let told = into_nowhere(args);
        assert_eq!(told.status, 2, "{args:?}: {}", told.err);
        assert!(told.err.starts_with("error: the output cannot be written: "), "{args:?}: {}", told.err);
    }
    let told = std::fs::read_to_string(junit).expect("the report is written all the same");
    assert!(told.contains("</testsuites>"), "{told}");
}

#[test]
fn a_reader_that_leaves_does_not_change_the_verdict() {
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_plugfest"))
        .args(["run", "arcaflow", "plugin", "hello/", "--vehicle", "simulator"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("it starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn an_environment_that_is_no_text_reaches_references_and_relays() {
    let odd = OsStr::from_bytes(b"\xff\xfe");
    let told = plugfest_in(
        &[("PLUGFEST_TEST_ODD", odd)],
        &["run", "arcaflow", "engine", "engine-work/early-result"],
    );
    assert_eq!(
        (told.status, closing(&told)),
        (0, "2 passed, 0 failed, 0 skipped"),
        "{}{}",
        told.out,
        told.err
    );
}

#[test]
fn a_subject_that_ends_at_once_is_broken_and_its_words_are_shown() {
    let told = against_one("echo 'no module named plugin' >&2; exit 4");
    assert_eq!(told.status, 1, "{}", told.out);
    assert!(told.out.contains("ended at once with status 4"), "{}", told.out);
    assert!(told.out.contains("no module named plugin"), "{}", told.out);
}

#[test]
fn a_subject_that_prints_text_is_broken_and_its_bytes_are_shown() {
    let told = against_one("echo Hello; sleep 30");
    assert_eq!(told.status, 1, "{}", told.out);
    assert!(told.out.contains("FAIL hello/once-and-complete"), "{}", told.out);
}

#[test]
fn a_subject_that_never_answers_ends_by_its_deadline() {
    let told = against("exec sleep 1234.5");
    assert_eq!(told.status, 1, "{}", told.out);
    assert!(told.out.contains("nothing that fits came within"), "{}", told.out);
    assert_eq!(left_behind("sleep 1234.5"), Vec::<String>::new());
}

#[test]
fn a_subject_that_ignores_everything_is_killed() {
    let told = against_one("trap '' TERM INT HUP; while :; do sleep 4321.5; done");
    assert_eq!(told.status, 1, "{}", told.out);
    assert_eq!(left_behind("sleep 4321.5"), Vec::<String>::new());
}

#[test]
fn what_a_subject_leaves_running_is_ended() {
    for script in [
        "sleep 2345.5 & exit 1",
        "setsid sleep 2345.5 & exit 1",
        "setsid env -i sleep 2345.5 & exit 1",
        "(setsid env -i sh -c 'trap \"\" TERM; sleep 2345.5; sleep 2345.5' &); exec sleep 2345.5",
    ] {
        let told = against_one(script);
        assert_eq!(told.status, 1, "{}", told.out);
        assert_eq!(left_behind("sleep 2345.5"), Vec::<String>::new(), "{script}");
    }
}

#[test]
fn what_ran_before_us_is_not_ended() {
    let me = assert_cmd::cargo::cargo_bin("plugfest").display().to_string();
    let script =
        format!("sleep 2346.5 >/dev/null 2>&1 & echo $!; exec {me} run arcaflow plugin hello/once -- true");
    let output = Command::new("sh").args(["-c", &script]).env("CI", "true").output().expect("it runs");
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    let pid = out.lines().next().expect("a number").to_owned();
    Command::new("kill").arg(&pid).assert().success();
}

#[test]
fn what_a_subject_leaves_in_its_temporary_folder_goes_with_the_case() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = "mkdir -p $TMPDIR/a/b; echo x > $TMPDIR/a/b/c; mkfifo $TMPDIR/f; exit 1";
    Command::cargo_bin("plugfest")
        .expect("the binary is built")
        .env("TMPDIR", folder.path())
        .args(["run", "arcaflow", "plugin", "hello/once", "--", "sh", "-c", script])
        .assert()
        .code(1);
    let left = files_below(folder.path());
    assert!(left.len() == 1 && left[0].ends_with("r0/c0.jsonl"), "the transcript alone: {left:?}");
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path());
    paths.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

#[test]
fn a_flood_on_stdout_ends() {
    let told = against_one("exec cat /dev/zero");
    assert_eq!(told.status, 1, "{}", told.out);
    assert_eq!(closing(&told), "0 passed, 1 failed, 0 skipped");
}

#[test]
fn a_flood_on_stderr_ends() {
    let told = against_one("exec yes >&2");
    assert_eq!(told.status, 1, "{}", told.out);
}

#[test]
fn names_that_do_not_exist_are_explained() {
    let told = plugfest(&["run", "arcflow", "plugin", "--", "true"]);
    assert_eq!(told.status, 2);
    assert!(told.err.contains("did you mean `arcaflow`?"), "{}", told.err);
    let told = plugfest(&["run", "arcaflow", "plugn", "--", "true"]);
    assert!(told.status == 2 && told.err.contains("did you mean `plugin`?"), "{}", told.err);
    let told = plugfest(&["run", "arcaflow", "plugin", "--profile", "v9", "--", "true"]);
    assert!(told.status == 2 && told.err.contains("known: v3, v1, document"), "{}", told.err);
    let told = plugfest(&["run", "arcaflow", "plugin", "nothing/", "--", "true"]);
    assert!(
        told.status == 2 && told.err.contains("no case of arcaflow plugin begins with nothing/"),
        "{}",
        told.err
    );
    let told = plugfest(&["run", "arcaflow", "plugin", "hello/", "nothing/", "--", "true"]);
    assert!(told.status == 2 && told.err.contains("begins with nothing/"), "{}", told.err);
    let told = plugfest(&["run", "dify-sri", "runtime", "ping/", "--", "true"]);
    assert!(told.status == 2 && told.err.contains("the subject's command has no {port}"), "{}", told.err);
    let told = plugfest(&["explain", "arca-hello-01"]);
    assert!(told.status == 2 && told.err.contains("did you mean `ARCA-HELLO-01`?"), "{}", told.err);
    let told = plugfest(&["run", "--subject", "/nonexistent.toml"]);
    assert!(told.status == 2 && told.err.contains("/nonexistent.toml: cannot be read"), "{}", told.err);
    let told = plugfest(&["run", "arcaflow", "plugin", "--report", "jsonl=/nonexistent/x", "--", "true"]);
    assert!(told.status == 2 && told.err.contains("cannot be written"), "{}", told.err);
}

#[test]
fn beside_a_subjects_file_prefixes_are_enough() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = "suite = \"arcaflow\"\nrole = \"plugin\"\ncommand = [\"false\"]\n";
    let file = script(&folder, "subject.toml", text).display().to_string();
    for words in [&["hello/once"][..], &["arcaflow", "plugin", "hello/once"]] {
        let told = plugfest(&[&["run", "--subject", &file], words].concat());
        assert_eq!(closing(&told), "0 passed, 1 failed, 0 skipped", "{}{}", told.out, told.err);
    }
    let told = plugfest(&["run", "--subject", &file, "arcaflow", "engine"]);
    let says = "the subject's file says `plugin`, the command line `arcaflow engine`";
    assert!(told.status == 2 && told.err.contains(says), "{}", told.err);
}

#[test]
fn a_case_is_run_again_as_a_shell_reads_it() {
    let told = against_one("echo 'two  words' >&2; exit 4");
    assert!(told.out.contains(" -- sh -c \"echo 'two  words' >&2; exit 4\" sh"), "{}", told.out);
}

/// What our environment holds is ours: programs that the subject starts tell only what it gave them.
#[test]
fn an_environment_that_is_passed_on_is_not_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let page = folder.path().join("run.html");
    let report = format!("html={}", page.display());
    let case = ["run", "arcaflow", "engine", "engine-work/early-result", "--vehicle", "process"];
    let more = [("PLUGFEST_TEST_SECRET", OsStr::new("swordfish-1"))];
    let told = plugfest_in(&more, &[&case[..], &["--report", &report]].concat());
    assert_eq!(told.status, 0, "{}", told.err);
    let page = std::fs::read_to_string(page).expect("the report");
    assert!(page.contains("$opened(") && !page.contains("swordfish"), "{}", page.len());
}

#[test]
fn a_suite_of_ones_own_that_cannot_run_yet_is_never_green() {
    let folder = tempfile::tempdir().expect("a folder");
    let suites = folder.path().display().to_string();
    let sound = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/broken-suites/sound");
    std::fs::create_dir(folder.path().join("mine")).expect("a folder");
    for name in ["suite.toml", "requirements.toml", "rules.toml"] {
        std::fs::copy(sound.join(name), folder.path().join("mine").join(name)).expect("a copy");
    }
    let without_scenario = plugfest(&["run", "--suites", &suites, "mine", "plugin", "--", "cat"]);
    assert_eq!(without_scenario.status, 2, "{}", without_scenario.out);
    assert!(without_scenario.err.contains("mine plugin has no scenario yet"), "{}", without_scenario.err);
    let without_subject = plugfest(&["run", "--suites", &suites, "mine"]);
    assert_eq!(without_subject.status, 2, "{}", without_subject.out);
    assert!(without_subject.err.contains("mine has no bundled reference"), "{}", without_subject.err);
}

#[test]
fn a_subject_file_with_mistakes_shows_them_all() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = script(
        &folder,
        "s.toml",
        "suite = \"arcaflow\"\nrol = \"plugin\"\ncommand = [\"true\"]\ncapabilites = []\n",
    );
    let told = plugfest(&["run", "--subject", &path.display().to_string()]);
    assert_eq!(told.status, 2);
    for part in
        ["`role` is missing", "unknown key `rol`", "did you mean `role`?", "unknown key `capabilites`", ":4:"]
    {
        assert!(told.err.contains(part), "{part}: {}", told.err);
    }
}

#[test]
fn the_jsonl_report_is_what_other_programs_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run.jsonl");
    let report = format!("jsonl={}", path.display());
    let me = assert_cmd::cargo::cargo_bin("plugfest").display().to_string();
    let told = plugfest(&[
        "run",
        "arcaflow",
        "plugin",
        "work/echo",
        "--report",
        &report,
        "--",
        &me,
        "mock",
        "arcaflow",
        "plugin",
        "--mutant",
        "run-id-becomes-empty",
    ]);
    assert_eq!(told.status, 1, "{}", told.out);
    let text = std::fs::read_to_string(path).expect("the report");
    let events: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let names: Vec<&str> = events.iter().filter_map(|event| event["event"].as_str()).collect();
    assert_eq!(names, ["run-started", "case-started", "case-finished", "run-finished"]);
    assert_eq!(events[2]["verdict"], "fail");
    assert_eq!(events[2]["findings"][0]["requirement"], "ARCA3-WORK-01");
    assert_eq!(events[2]["findings"][0]["path"], "/run_id");
    assert_eq!(events[3]["exit"], 1);
    assert_eq!(events[3]["counts"]["fail"], 1);
}

#[test]
fn what_to_mend_first_is_what_must_hold() {
    let me = assert_cmd::cargo::cargo_bin("plugfest").display().to_string();
    let words =
        ["run", "arcaflow", "plugin", "work/echo", "signals/after", "--", &me, "mock", "arcaflow", "plugin"];
    let told = plugfest(&[&words[..], &["--mutant", "run-id-becomes-empty"]].concat());
    assert_eq!(told.status, 1, "{}", told.out);
    assert!(told.out.contains("mend first: ARCA3-WORK-01 "), "{}", told.out);
    assert!(told.out.contains("then: ARCA3-SIG-03 "), "a SHOULD comes after: {}", told.out);
}

#[test]
fn a_stored_run_is_judged_the_same() {
    let me = assert_cmd::cargo::cargo_bin("plugfest").display().to_string();
    let told = plugfest(&[
        "run",
        "arcaflow",
        "plugin",
        "work/echo",
        "--",
        &me,
        "mock",
        "arcaflow",
        "plugin",
        "--mutant",
        "run-id-becomes-empty",
    ]);
    let path = told
        .out
        .lines()
        .find_map(|line| line.trim().strip_prefix("transcript: "))
        .expect("a transcript")
        .to_owned();
    let judged = plugfest(&["judge", &path]);
    assert_eq!(judged.status, 1, "{}{}", judged.out, judged.err);
    assert!(judged.out.contains("MUST ARCA3-WORK-01 broken at expect#2: at /run_id"), "{}", judged.out);
    let text = std::fs::read_to_string(&path).expect("the transcript");
    let folder = tempfile::tempdir().expect("a folder");
    let cut = script(&folder, "cut.jsonl", &text[..text.len() - 20]);
    let judged = plugfest(&["judge", &cut.display().to_string()]);
    assert!(judged.status == 2 && judged.err.contains("is cut or damaged"), "{}", judged.err);
    let other = script(&folder, "other.jsonl", &text.replacen("\"format\":1", "\"format\":9", 1));
    let judged = plugfest(&["judge", &other.display().to_string()]);
    assert!(judged.status == 2 && judged.err.contains("format version 9"), "{}", judged.err);
    let run = std::path::Path::new(&path).parent().expect("a folder");
    std::fs::remove_dir_all(run).expect("the run's folder");
}
