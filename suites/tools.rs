//! The tool around the runs, as a user meets it: files it writes, runs again, baselines, profiles side by side.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Stdio;

use assert_cmd::Command;

fn plugfest(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let output = Command::cargo_bin("plugfest")
        .expect("the binary is built")
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .env("CI", "true")
        .args(args)
        .timeout(std::time::Duration::from_secs(120))
        .output()
        .expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

/// A plugin that says hello in text, and nothing else.
const TALKS: [&str; 4] = ["--", "sh", "-c", "echo Hello"];

fn run(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let words: Vec<&str> = ["run", "arcaflow", "plugin"].iter().chain(args).chain(&TALKS).copied().collect();
    plugfest(folder, &words)
}

fn last(out: &str) -> &str {
    out.trim_end().lines().last().unwrap_or_default()
}

#[test]
fn init_writes_a_subject_that_runs_and_never_overwrites_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let (status, _, err) =
        plugfest(folder.path(), &["init", "arcaflow", "plugin", "--", "sh", "-c", "exit 3"]);
    assert_eq!(status, 0, "{err}");
    let (status, out, _) =
        plugfest(folder.path(), &["run", "--subject", "subject.toml", "arcaflow", "plugin", "hello/once"]);
    assert_eq!(status, 1, "{out}");
    assert!(out.contains("ended at once with status 3"), "{out}");
    let (status, _, err) = plugfest(folder.path(), &["init", "arcaflow", "plugin"]);
    assert_eq!(status, 2);
    assert!(err.contains("subject.toml is there already"), "{err}");
    let (status, _, err) = plugfest(folder.path(), &["init", "arcaflow", "plugins"]);
    assert_eq!(status, 2);
    assert!(err.contains("did you mean `plugin`?"), "{err}");
}

#[test]
fn ejected_suites_run_beside_the_shipped_ones_until_they_say_something_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let (status, _, err) = plugfest(folder.path(), &["eject", "mine", "arcaflow"]);
    assert_eq!(status, 0, "{err}");
    let select = ["run", "arcaflow", "plugin", "hello/once", "--vehicle", "simulator", "--suites", "mine"];
    let (status, out, err) = plugfest(folder.path(), &select);
    assert_eq!((status, last(&out)), (0, "1 passed, 0 failed, 0 skipped"), "{err}");
    let scenario = folder.path().join("mine/arcaflow/hello/once-and-complete.toml");
    let text = std::fs::read_to_string(&scenario).expect("ejected");
    std::fs::write(&scenario, format!("{text}\n# changed\n")).expect("a change");
    let (status, _, err) = plugfest(folder.path(), &select);
    assert_eq!(status, 2);
    assert!(err.contains("has the id of suites/arcaflow/hello/once-and-complete.toml"), "{err}");
    std::fs::rename(&scenario, scenario.with_file_name("once-and-mine.toml")).expect("renamed");
    let (status, out, err) = plugfest(folder.path(), &select);
    assert_eq!((status, last(&out)), (0, "2 passed, 0 failed, 0 skipped"), "{err}");
    let (status, _, err) = plugfest(folder.path(), &["eject", "mine", "arcaflow"]);
    assert_eq!(status, 2);
    assert!(err.contains("is there already"), "{err}");
}

#[test]
fn a_requirement_of_the_user_must_have_an_id_of_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("mine/arcaflow/requirements.toml");
    std::fs::create_dir_all(file.parent().expect("a parent")).expect("folders");
    let text = "[ARCA3-START-02]\nrole = \"plugin\"\nlevel = \"must\"\nprofiles = [\"v3\"]\nrule = \"mine\"\nsource = [{ document = \"mine\", section = \"1\" }]\nintroduced = \"0.1.0\"\n";
    std::fs::write(&file, text).expect("a file");
    let (status, _, err) = plugfest(folder.path(), &["check", "mine"]);
    assert_eq!(status, 2, "{err}");
    assert!(err.contains("the suite has a requirement `ARCA3-START-02`"), "{err}");
    assert!(err.contains("requirements.toml:1"), "{err}");
    assert!(err.contains("prefix of your own"), "{err}");
}

/// Checks a folder with these files; what is told.
fn checked(files: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    for (path, text) in files {
        let path = folder.path().join("mine").join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        std::fs::write(path, text).expect("a file");
    }
    let (status, out, err) = plugfest(folder.path(), &["check", "mine"]);
    assert_eq!(status, 2, "{out}{err}");
    let (status, _, of_run) =
        plugfest(folder.path(), &["run", "arcaflow", "plugin", "--suites", "mine", "--", "true"]);
    assert_eq!((status, of_run), (2, err.clone()), "a run says the same");
    err
}

#[test]
fn scenarios_where_no_suite_is_would_never_run() {
    let scenario = "role = \"plugin\"\n[[step]]\nexpect = '''null'''\n";
    let told =
        checked(&[("stray.toml", scenario), ("arcaflw/mine/x.toml", scenario), ("subject.toml", "a = 1")]);
    assert!(told.contains("mine/stray.toml: lies in no suite: put it at SUITE/SECTION/NAME.toml"), "{told}");
    assert!(told.contains("there is no suite `arcaflw`, did you mean `arcaflow`?"), "{told}");
    assert!(!told.contains("subject.toml"), "{told}");
}

#[test]
fn rules_and_requirements_of_the_user_that_bind_nobody_are_told() {
    let told = checked(&[
        (
            "arcaflow/rules.toml",
            "[[rule]]\nid = \"mine\"\nrole = \"plugn\"\nprofiles = [\"v9\"]\nmodes = [\"x\"]\ncovers = \"ACME-2\"\nforbid = '''null'''\n",
        ),
        (
            "arcaflow/requirements.toml",
            "[ACME-1]\nrole = \"engin\"\nlevel = \"must\"\nprofiles = [\"v8\"]\nrule = \"r\"\nsource = { document = \"d\", section = \"1\" }\nintroduced = \"0.1\"\n",
        ),
    ]);
    for part in [
        "unknown role `plugn`",
        "unknown profile `v9`",
        "unknown mode `x`",
        "unknown requirement `ACME-2`",
        "did you mean `ACME-1`?",
        "unknown role `engin`",
        "unknown profile `v8`",
        "requirements.toml:4:",
        "rules.toml:6:",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let told = checked(&[(
        "arcaflow/requirements.toml",
        "[ACME-1]\nrole = \"plugin\"\nlevel = \"must\"\nrule = \"r\"\nsource = { document = \"d\", section = \"1\" }\nintroduced = \"0.1\"\n",
    )]);
    assert!(told.contains("`profiles` is missing"), "{told}");
    let told = checked(&[(
        "arcaflow/rules.toml",
        "[[rule]]\nid = \"a\"\nrole = \"plugin\"\ncovers = \"ARCA3-WORK-01\"\nforbid = '''$nope'''\n",
    )]);
    assert!(told.contains("no matcher `$nope`") && !told.contains("unknown key"), "{told}");
}

#[test]
fn what_one_file_has_wrong_hides_nothing_of_another() {
    let told = checked(&[
        ("arcaflow/mine/a.toml", "role = \"plugin\"\nsumary = \"x\"\n[[step]]\nexpect = '''null'''\n"),
        ("arcaflow/mine/b.toml", "role = \"plugin\"\n[[step]]\non = \"mian\"\nexpect = '''null'''\n"),
    ]);
    assert!(told.contains("unknown key `sumary`") && told.contains("unknown lane `mian`"), "{told}");
}

#[test]
fn a_run_can_be_repeated_where_it_was_bad() {
    let folder = tempfile::tempdir().expect("a folder");
    let (status, out, _) = run(folder.path(), &["hello/once", "work/echo", "--report", "jsonl=run.jsonl"]);
    assert_eq!(status, 1, "{out}");
    let (status, out, err) = run(folder.path(), &["--rerun", "run.jsonl"]);
    assert_eq!((status, last(&out)), (1, "0 passed, 1 failed, 0 skipped"), "{err}");
    let both = ["--rerun", "run.jsonl", "--report", "jsonl=run.jsonl"];
    let (status, out, err) = run(folder.path(), &both);
    assert_eq!(
        (status, last(&out)),
        (1, "0 passed, 1 failed, 0 skipped"),
        "read before it is written: {err}"
    );
    let text = std::fs::read_to_string(folder.path().join("run.jsonl")).expect("the report");
    std::fs::write(folder.path().join("cut.jsonl"), &text[..text.len() - 30]).expect("a file");
    let (status, _, err) = run(folder.path(), &["--rerun", "cut.jsonl"]);
    assert_eq!(status, 2);
    assert!(err.contains("cut off"), "{err}");
}

#[test]
fn a_baseline_is_written_and_counts_once_it_has_reasons() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("b.toml");
    let (status, out, err) = run(folder.path(), &["hello/once", "--baseline", "b.toml", "--baseline-update"]);
    assert_eq!(status, 1, "{err}");
    assert!(out.contains("b.toml: 1 entries added, 0 removed: give each a reason"), "{out}");
    std::fs::remove_file(&file).expect("the baseline");
    let twice = ["hello/once", "--baseline", "b.toml", "--baseline-update", "--repeat", "2"];
    let (_, out, err) = run(folder.path(), &twice);
    assert!(out.contains("b.toml: 1 entries added, 0 removed"), "a repeated finding is one: {out}{err}");
    let (status, _, err) = run(folder.path(), &["hello/once", "--baseline", "b.toml"]);
    assert_eq!(status, 2);
    assert!(err.contains("`reason` is missing"), "{err}");
    let text = std::fs::read_to_string(&file).expect("the baseline");
    let text = text
        .replace("reason = \"\"", "reason = \"text\" # why")
        .replace("source = \"\"", "source = \"here\"");
    std::fs::write(&file, format!("# Ours.\n{text}")).expect("a file");
    let (status, out, _) = run(folder.path(), &["hello/once", "--baseline", "b.toml"]);
    assert_eq!((status, last(&out)), (0, "1 passed, 0 failed, 0 skipped"), "{out}");
    let mended =
        ["run", "arcaflow", "plugin", "hello/once", "--vehicle", "simulator", "--baseline", "b.toml"];
    let (status, out, _) = plugfest(folder.path(), &mended);
    assert_eq!((status, last(&out)), (1, "1 passed, 1 failed, 0 skipped"), "{out}");
    assert!(out.contains("unexpected pass: "), "{out}");
    let mended: Vec<&str> = mended.into_iter().chain(["--baseline-update"]).collect();
    let (_, out, _) = plugfest(folder.path(), &mended);
    assert!(out.contains("0 entries added, 1 removed"), "{out}");
    assert!(!std::fs::read_to_string(&file).expect("the baseline").contains("[[accept]]"));
    let (status, _, err) = run(folder.path(), &["hello/once", "--baseline-update"]);
    assert_eq!(status, 2);
    assert!(err.contains("name the file with --baseline"), "{err}");
}

#[test]
fn profiles_stand_side_by_side_and_the_own_one_decides() {
    let folder = tempfile::tempdir().expect("a folder");
    let (status, out, err) =
        plugfest(folder.path(), &["run", "arcaflow", "plugin", "--profile", "all", "--vehicle", "simulator"]);
    assert_eq!(status, 0, "{err}");
    let heads: Vec<&str> = out.lines().filter(|line| line.contains("v3*")).collect();
    assert_eq!(heads.len(), 1, "{out}");
    assert_eq!(heads[0].split_whitespace().collect::<Vec<_>>(), ["v3*", "v1", "document"]);
}

#[test]
fn a_mode_that_runs_nothing_is_wrong_input() {
    let folder = tempfile::tempdir().expect("a folder");
    let mode = |mode| plugfest(folder.path(), &["run", "dify-session", "plugin", "--mode", mode]);
    let (status, _, err) = mode("locale");
    assert_eq!(status, 2);
    assert!(err.contains("did you mean `local`?"), "{err}");
}

#[test]
fn shards_of_bazel_count() {
    let folder = tempfile::tempdir().expect("a folder");
    let status_file = folder.path().join("shards");
    let count = |index: &str| {
        let output = Command::cargo_bin("plugfest")
            .expect("the binary is built")
            .env("TEST_TOTAL_SHARDS", "2")
            .env("TEST_SHARD_INDEX", index)
            .env("TEST_SHARD_STATUS_FILE", &status_file)
            .args(["run", "arcaflow", "plugin", "--vehicle", "simulator"])
            .output()
            .expect("it runs");
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        last(&out).split(' ').filter_map(|word| word.parse::<usize>().ok()).sum::<usize>()
    };
    let (first, second) = (count("0"), count("1"));
    assert!(first > 0 && second > 0 && first.abs_diff(second) <= 1, "{first} {second}");
    assert!(status_file.exists());
}

#[test]
fn every_shell_gets_completions() {
    let folder = tempfile::tempdir().expect("a folder");
    for shell in ["bash", "zsh", "fish"] {
        let (status, out, _) = plugfest(folder.path(), &["completions", shell]);
        assert_eq!(status, 0);
        assert!(out.contains("plugfest") && out.contains("baseline-update"), "{out}");
    }
}

#[test]
fn explain_names_who_breaks_a_rule() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_, out, _) = plugfest(folder.path(), &["explain", "ARCA3-SIG-02"]);
    assert!(out.contains("known to break it: arcaflow-python: "), "{out}");
    let (_, out, _) = plugfest(folder.path(), &["explain", "APISIX-FB-05"]);
    assert!(out.contains("judged by nothing: what MAY be is right either way"), "{out}");
}

#[test]
fn wrong_input_is_told_before_anything_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir_all(folder.path().join("empty")).expect("a folder");
    let twice = "suite = \"arcaflow\"\nrole = \"plugin\"\ncommand = [\"true\"]\nsuite = \"apisix\"\n";
    std::fs::write(folder.path().join("twice.toml"), twice).expect("a file");
    let two = "[[subject]]\nsuite = \"arcaflow\"\nrole = \"plugin\"\ncommand = [\"true\"]\n\n[[subject]]\nsuite = \"apisix\"\n";
    std::fs::write(folder.path().join("two.toml"), two).expect("a file");
    std::fs::write(folder.path().join("bytes.toml"), [b'x', 0xff]).expect("a file");
    for (words, told) in [
        (&["arcaflow", "plugin", "--suites", "nowhere"][..], "nowhere: cannot be read"),
        (
            &["arcaflow", "plugin", "--suites", "empty"],
            "empty: holds no scenario: put them at SUITE/SECTION/NAME.toml",
        ),
        (&["arcaflow", "plugin", "--report", "yaml=x"], "no report format `yaml`, did you mean `html`?"),
        (&["arcaflow", "plugin", "--report", "html=empty"], "empty cannot be written"),
        (&["arcaflow", "plugin", "--report", "html"], "write FORMAT=PATH"),
        (
            &["arcaflow", "plugin", "--report", "html=r", "--report", "junit=r"],
            "r is the place of another report",
        ),
        (&["arcaflow", "plugin", "--header", "foo"], "--header foo: write NAME: VALUE"),
        (&["arcaflow", "plugin", "--vehicle", "simulater"], "invalid value 'simulater'"),
        (&["arcaflow", "plugin", "nothing-like-it"], "begins with nothing-like-it"),
        (&["arcaflow", "plugin", "--rerun", "nowhere"], "--rerun nowhere"),
        (&["arcaflow", "plugin", "--baseline", "nowhere"], "nowhere: cannot be read"),
        (&["arcaflow", "plugin", "--shard", "5/4"], "write I/N with 1 <= I <= N"),
        (&["--subject", "twice.toml"], "duplicate key"),
        (&["--subject", "two.toml"], "a file describes one subject"),
        (&["--subject", "two.toml", "--subject", "twice.toml"], "cannot be used multiple times"),
        (&["--subject", "bytes.toml"], "bytes.toml: cannot be read"),
    ] {
        let marker = folder.path().join("ran").display().to_string();
        let mut all = vec!["run"];
        all.extend(words);
        if words.contains(&"--header") {
            let (status, _, err) = plugfest(folder.path(), &all);
            assert!(status == 2 && err.contains(told), "for our references too: {err}");
        }
        if !words.contains(&"--subject") {
            all.extend(["--", "touch", &marker]);
        }
        let (status, out, err) = plugfest(folder.path(), &all);
        assert_eq!(status, 2, "{words:?}: {out}{err}");
        assert!(err.contains(told), "{words:?}: {err}");
        assert!(!Path::new(&marker).exists(), "{words:?} ran");
    }
}

#[test]
fn reports_say_that_nobody_speaks_the_document_s_version_of_arcaflow() {
    let folder = tempfile::tempdir().expect("a folder");
    for (role, case) in [("plugin", "task/acknowledged"), ("engine", "engine-task/to-output")] {
        let words = ["run", "arcaflow", role, case, "--vehicle", "simulator", "--report", "markdown=run.md"];
        for (profile, told) in [("document", true), ("v3", false)] {
            let (_, out, err) = plugfest(folder.path(), &[&words[..], &["--profile", profile]].concat());
            let report = std::fs::read_to_string(folder.path().join("run.md")).expect("a report");
            for text in [&out, &report] {
                assert_eq!(
                    text.contains("No deployed program speaks"),
                    told,
                    "{role} {profile}: {text} {err}"
                );
            }
        }
    }
}

/// What somebody has who was given the program and nothing else: no checkout, no environment.
#[test]
fn the_program_alone_is_the_whole_tool() {
    let folder = tempfile::tempdir().expect("a folder");
    let alone = folder.path().join("alone");
    // Not by us: a child that another test starts would keep the copy open for writing for a moment, and it could not run.
    Command::new("cp").arg(assert_cmd::cargo::cargo_bin!("plugfest")).arg(&alone).assert().success();
    let does = |words: &[&str], says: &str| {
        let mut command = Command::new(&alone);
        let command = command.current_dir(folder.path()).env_clear().args(words);
        let output = command.timeout(std::time::Duration::from_secs(60)).output().expect("it runs");
        let told =
            [output.stdout, output.stderr].map(|part| String::from_utf8_lossy(&part).into_owned()).concat();
        assert!(output.status.success() && told.contains(says), "{words:?} (wanted {says}): {told}");
    };
    does(&["list"], "arcaflow plugin hello/once");
    does(&["explain", "ARCA3-WORK-03"], "proved by the mutant");
    does(&["mock"], "dify-sri daemon");
    does(&["completions", "bash"], "plugfest");
    // The references are this very program, the engine's plugin comes to us through its relay.
    for (suite, role, case) in [
        ("arcaflow", "plugin", "hello/once"),
        ("arcaflow", "engine", "engine-hello/"),
        ("apisix", "runner", "call/noop"),
    ] {
        does(
            &["run", suite, role, case, "--report", "jsonl=run.jsonl", "--report", "html=run.html"],
            " 0 failed,",
        );
    }
    let itself = alone.display().to_string();
    does(&["init", "arcaflow", "plugin", "--", &itself, "mock", "arcaflow", "plugin"], "wrote subject.toml");
    does(&["run", "--subject", "subject.toml", "arcaflow", "plugin", "hello/once"], "1 passed, 0 failed");
    does(&["eject", "mine"], "files in mine");
    does(&["check", "mine"], "nothing wrong");
    does(&["run", "arcaflow", "plugin", "hello/once", "--suites", "mine"], "2 passed, 0 failed");
    std::fs::create_dir_all(folder.path().join("plugin")).expect("a folder");
    std::fs::write(folder.path().join("plugin/manifest.yaml"), "version: 0.0.1\n").expect("a manifest");
    does(&["package", "plugin", "-o", "plugin.difypkg"], "plugfest@plugin@0.0.1");
}

/// A relay that runs, and its harness, which the test plays.
struct Relay {
    process: std::process::Child,
    harness: UnixStream,
    hello: serde_json::Value,
}

impl Relay {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("s");
        let listener = UnixListener::bind(&socket).expect("the folder is ours");
        let process = std::process::Command::new(env!("CARGO_BIN_EXE_plugfest"))
            .arg("relay")
            .arg(&socket)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let (harness, _) = listener.accept().expect("it connects");
        let mut relay = Self { process, harness, hello: serde_json::Value::Null };
        relay.hello = serde_json::from_slice(&relay.told(0)).expect("it is JSON");
        relay
    }

    /// Tells it something.
    fn tell(&mut self, frame: &[u8]) {
        self.harness.write_all(frame).expect("it listens");
    }

    /// The bytes of its next frame, which is of this kind.
    fn told(&mut self, kind: u8) -> Vec<u8> {
        let mut head = [0; 5];
        self.harness.read_exact(&mut head).expect("a frame");
        assert_eq!(head[0], kind);
        let mut bytes = vec![0; u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize];
        self.harness.read_exact(&mut bytes).expect("a frame");
        bytes
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = self.hello["pid"].as_u64().and_then(|pid| i32::try_from(pid).ok()).expect("a process");
        let pid = rustix::process::Pid::from_raw(pid).expect("it is no 0");
        rustix::process::kill_process(pid, signal).expect("it runs");
    }

    /// The harness leaves, then the input comes.
    fn left(mut self, input: &[u8]) -> std::process::Output {
        drop(self.harness);
        let _ = self.process.stdin.take().expect("it was piped").write_all(input);
        self.process.wait_with_output().expect("it ends")
    }
}

/// A frame between a relay and its harness: what, length, bytes.
fn frame(kind: u8, bytes: &[u8]) -> Vec<u8> {
    [&[kind][..], &u32::try_from(bytes.len()).expect("it is short").to_be_bytes(), bytes].concat()
}

#[test]
fn a_relay_still_does_what_a_harness_left_behind() {
    for input in [&b""[..], &[b'x'; 300_000]] {
        let mut relay = Relay::start();
        relay.tell(&[frame(1, b"last words"), frame(4, b"why"), frame(5, &7_i32.to_be_bytes())].concat());
        let output = relay.left(input);
        let told = (output.status.code(), output.stdout.as_slice(), output.stderr.as_slice());
        assert_eq!(told, (Some(7), &b"last words"[..], &b"why"[..]));
    }
}

#[test]
fn a_relay_without_a_harness_ends_without_a_word() {
    let mut relay = Relay::start();
    relay.tell(&frame(1, b"half")[..3]);
    let output = relay.left(b"x");
    assert_eq!((output.status.code(), output.stdout.len(), output.stderr.len()), (Some(1), 0, 0));
}

#[test]
fn a_relay_tells_who_it_is_and_which_signals_it_gets() {
    use rustix::process::Signal;
    let mut relay = Relay::start();
    assert_eq!(relay.hello["argv"][1], "relay");
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        relay.signal(signal);
        assert_eq!(relay.told(3), [u8::try_from(signal.as_raw()).expect("it is small")]);
    }
    relay.tell(&frame(5, &0_i32.to_be_bytes()));
    assert_eq!(relay.left(b"").status.code(), Some(0));
}

/// While it writes what nobody reads, input comes, and behind it a signal.
#[test]
fn a_relay_tells_what_it_read_before_the_signal_behind_it() {
    const LONGEST: usize = 1 << 20;
    let mut relay = Relay::start();
    relay.tell(&frame(1, &[b'o'; LONGEST]));
    relay.process.stdin.as_mut().expect("it was piped").write_all(b"before").expect("a pipe holds it");
    relay.signal(rustix::process::Signal::TERM);
    let mut written = vec![0; LONGEST];
    relay.process.stdout.as_mut().expect("it was piped").read_exact(&mut written).expect("all of it");
    assert_eq!((relay.told(1), relay.told(3)), (b"before".to_vec(), vec![15]));
    drop(relay.process.stdin.take());
    assert_eq!(relay.told(2), b"");
    relay.tell(&frame(5, &0_i32.to_be_bytes()));
    assert_eq!(relay.process.wait().expect("it ends").code(), Some(0));
}
