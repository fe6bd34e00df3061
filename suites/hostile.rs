//! Subjects that flood, lie about lengths, open a thousand connections or write what terminals and browsers obey: the
//! run ends by its deadlines, in little memory, and every other case has its verdict.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What a run gave, and the most memory that it had.
struct Told {
    status: i32,
    out: String,
    err: String,
    peak_kib: u64,
    taken: Duration,
}

/// The most that a run may have, whatever the subject does.
const MEMORY_KIB: u64 = 256 << 10;

fn program() -> String {
    assert_cmd::cargo::cargo_bin("plugfest").display().to_string()
}

/// Runs a command line to its end.
fn run(words: &[&str]) -> Told {
    let begun = Instant::now();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).env("NO_COLOR", "1").env("CI", "true").stdin(Stdio::null());
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let status = format!("/proc/{}/status", child.id());
    let waiting = std::thread::spawn(move || child.wait_with_output().expect("it ends"));
    let mut peak_kib = 0;
    while !waiting.is_finished() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak_kib =
            peak_kib.max(line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0));
        std::thread::park_timeout(Duration::from_millis(2));
    }
    let output = waiting.join().expect("no panic");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Told {
        status: output.status.code().unwrap_or(-1),
        out: text(&output.stdout),
        err: text(&output.stderr),
        peak_kib,
        taken: begun.elapsed(),
    }
}

fn plugfest(words: &[&str]) -> Told {
    let program = program();
    run(&[&[program.as_str(), "run"], words].concat())
}

/// The run was judged to its end, in bounds.
fn in_bounds(told: &Told, what: &str) {
    assert!([1, 3].contains(&told.status), "{what}: {} {}{}", told.status, told.out, told.err);
    assert!(told.peak_kib > 0 && told.peak_kib < MEMORY_KIB, "{what}: {} KiB", told.peak_kib);
    assert!(told.taken < Duration::from_secs(60), "{what}: {:?}", told.taken);
    assert!(!told.out.contains("a defect of plugfest"), "{what}: {}", told.out);
    assert!(last(told).ends_with(" skipped"), "{what}: {}{}", told.out, told.err);
}

fn last(told: &Told) -> &str {
    told.out.trim_end().lines().last().unwrap_or_default()
}

fn nothing_left(mark: &str) {
    let entries = std::fs::read_dir("/proc").expect("/proc").flatten();
    for entry in entries {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        assert!(!line.starts_with(mark), "left behind: {line}");
    }
}

/// A subject that is the reference, but does this at its first start.
fn once(folder: &Path, first: &str) -> String {
    let mark = folder.join("started").display().to_string();
    format!("if mkdir {mark} 2>/dev/null; then {first}; fi; exec {} mock arcaflow plugin \"$@\"", program())
}

#[test]
fn a_flood_of_a_gibibyte_costs_its_own_case_only() {
    for (stream, redirect) in [("standard output", ""), ("standard error", ">&2")] {
        let folder = tempfile::tempdir().expect("a folder");
        let script =
            once(folder.path(), &format!("head -c 1073741824 /dev/zero {redirect}; exec sleep 6543.25"));
        let told = plugfest(&[
            "arcaflow",
            "plugin",
            "messages/without-a-head",
            "messages/unknown-id",
            "--jobs",
            "1",
            "--",
            "sh",
            "-c",
            &script,
            "sh",
        ]);
        in_bounds(&told, stream);
        let passed: usize =
            last(&told).split(' ').next().and_then(|word| word.parse().ok()).expect("a count");
        assert!(passed >= 2 && last(&told).contains(", 1 failed,"), "{stream}: {}", told.out);
    }
    nothing_left("sleep 6543.25");
}

#[test]
fn a_line_without_an_end_is_a_flood() {
    let endless = "head -c 1073741824 /dev/zero | tr '\\0' a; exec sleep 6544.25";
    let folder = tempfile::tempdir().expect("a folder");
    for (suite, role, id, shard) in
        [("dify-json", "server", "call/echo", "1/1"), ("dify-session", "plugin", "", "1/25")]
    {
        let package = if suite == "dify-json" { ", \"{package}\"" } else { "" };
        let text = format!(
            "suite = {suite:?}\nrole = {role:?}\ncapabilities = [\"conformance-plugin\"]\ncommand = [\"sh\", \"-c\", {endless:?}, \"sh\"{package}]\n"
        );
        let file = subject(folder.path(), &text);
        let told = plugfest(&["--subject", &file, suite, role, id, "--shard", shard, "--time-scale", "0.3"]);
        in_bounds(&told, suite);
        assert!(told.out.contains("flood"), "{suite}: {}", told.out);
    }
    nothing_left("sleep 6544.25");
}

#[test]
fn claimed_lengths_are_not_believed_in_cbor() {
    for (what, head) in [("bytes", "133"), ("text", "173"), ("list", "233"), ("map", "273")] {
        let script =
            format!("printf '\\{head}\\020\\000\\000\\000\\000\\000\\000\\000a'; exec sleep 6545.25");
        let told = plugfest(&[
            "arcaflow",
            "plugin",
            "hello/once",
            "--time-scale",
            "0.2",
            "--",
            "sh",
            "-c",
            &script,
            "sh",
        ]);
        in_bounds(&told, what);
        assert!(told.peak_kib < MEMORY_KIB / 4, "{what}: {} KiB", told.peak_kib);
    }
    nothing_left("sleep 6545.25");
}

#[test]
fn silence_and_deaf_ears_end_by_their_deadlines() {
    for (what, script) in [
        ("silence", "exec sleep 6548.25"),
        ("deaf to signals", "trap '' TERM INT HUP; while :; do sleep 6548.25; done"),
    ] {
        let words =
            ["arcaflow", "plugin", "hello/once", "work/unknown", "--time-scale", "0.1", "--", "sh", "-c"];
        in_bounds(&plugfest(&[&words[..], &[script, "sh"]].concat()), what);
    }
    nothing_left("sleep 6548.25");
}

/// Answers whatever comes on a port with this, and keeps the connection.
fn answering(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = listener.local_addr().expect("an address").to_string();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(answer);
            if !answer.is_empty() {
                kept.push(stream);
            }
        }
    });
    at
}

#[test]
fn claimed_lengths_are_not_believed_in_http() {
    for (what, answer) in [
        ("length", &b"HTTP/1.1 200 OK\r\nContent-Length: 1152921504606846976\r\n\r\npong"[..]),
        ("beyond 64 bits", b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\npong"),
        ("chunk", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1000000000000000\r\npong"),
        ("head without an end", b"HTTP/1.1 200 OK\r\nX: aaaaaaaa"),
    ] {
        let at = answering(answer);
        let told = plugfest(&["dify-sri", "runtime", "ping/", "--attach", &at, "--time-scale", "0.1"]);
        in_bounds(&told, what);
        assert!(told.peak_kib < MEMORY_KIB / 4, "{what}: {} KiB", told.peak_kib);
    }
}

#[test]
fn an_event_without_an_end_is_a_flood() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = listener.local_addr().expect("an address").to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || endless(stream));
        }
    });
    let folder = tempfile::tempdir().expect("a folder");
    let text = format!(
        "suite = \"dify-sri\"\nrole = \"runtime\"\nattach = {at:?}\napi_key = \"no-secret\"\ncapabilities = [\"builds\"]\n"
    );
    let file = subject(folder.path(), &text);
    let told = plugfest(&["--subject", &file, "dify-sri", "runtime", "launch/good", "--time-scale", "0.3"]);
    in_bounds(&told, "an event");
    assert!(told.out.contains("flood"), "{}", told.out);
}

/// Reads while something comes, and answers with one line of a gibibyte.
fn endless(mut stream: std::net::TcpStream) {
    let mut request = [0; 1 << 16];
    let _ = stream.set_read_timeout(Some(Duration::from_millis(100)));
    while stream.read(&mut request).is_ok_and(|length| length > 0) {}
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n6\r\ndata: \r\n";
    let chunk = [&b"10000\r\n"[..], &[b'a'; 1 << 16], b"\r\n"].concat();
    let mut sent = stream.write_all(head.as_bytes());
    for _ in 0..1 << 14 {
        sent = sent.and_then(|()| stream.write_all(&chunk));
    }
}

#[test]
fn a_server_that_closes_at_once_is_broken_and_the_run_goes_on() {
    let at = answering(b"");
    let told = plugfest(&["dify-sri", "runtime", "ping/", "--attach", &at, "--time-scale", "0.1"]);
    in_bounds(&told, "closing");
    let told = plugfest(&[
        "arcaflow",
        "plugin",
        "hello/",
        "--time-scale",
        "0.1",
        "--",
        "sh",
        "-c",
        "exec <&- >&- 2>&-; exec sleep 6546.25",
    ]);
    in_bounds(&told, "streams closed");
    nothing_left("sleep 6546.25");
}

#[test]
fn claimed_lengths_are_not_believed_in_flatbuffers() {
    let folder = tempfile::tempdir().expect("a folder");
    for (nth, answer) in [
        // a frame of 16 MiB that never comes
        vec![1, 0xff, 0xff, 0xff, 0, 0, 0, 0],
        // a reply whose root lies 4 GiB away
        [&[1, 0, 0, 16][..], &[0xff; 16]].concat(),
    ]
    .into_iter()
    .enumerate()
    {
        let path = folder.path().join(format!("{nth}.sock"));
        let listener = UnixListener::bind(&path).expect("a socket");
        std::thread::spawn(move || {
            let mut kept = Vec::new();
            for stream in listener.incoming().flatten() {
                let mut stream = stream;
                let mut request = [0; 4096];
                let _ = stream.read(&mut request);
                let _ = stream.write_all(&answer);
                kept.push(stream);
            }
        });
        let attach = format!("unix:{}", path.display());
        let told = plugfest(&["apisix", "runner", "frame/", "--attach", &attach, "--time-scale", "0.1"]);
        in_bounds(&told, "frame");
        assert!(told.peak_kib < MEMORY_KIB / 2, "{} KiB", told.peak_kib);
    }
}

/// Writes a file of a subject.
fn subject(folder: &Path, text: &str) -> String {
    let path: PathBuf = folder.join("subject.toml");
    std::fs::write(&path, text).expect("a file");
    path.display().to_string()
}

/// A driver that does something with the port of our listener once it is started, and then says that it is ready.
fn driver(does: &str) -> String {
    format!(
        "suite = \"dify-sri\"\nrole = \"daemon\"\ndriver = [\"bash\", \"-c\", '''\nread -r line\nport=${{line#*http://127.0.0.1:}}\nport=${{port%%[!0-9]*}}\n{does}\necho '{{\"id\": 1, \"ready\": true}}'\nwhile read -r line; do :; done\n''']\n"
    )
}

#[test]
fn a_thousand_connections_are_taken() {
    let folder = tempfile::tempdir().expect("a folder");
    let opens = "ulimit -n 4096 || exit 9\nfor n in $(seq 1000); do exec {fd}<>/dev/tcp/127.0.0.1/$port || exit 8; done";
    let file = subject(folder.path(), &driver(opens));
    let told =
        plugfest(&["--subject", &file, "dify-sri", "daemon", "--shard", "1/20", "--time-scale", "0.3"]);
    in_bounds(&told, "connections");
}

#[test]
fn claimed_lengths_of_requests_are_not_believed() {
    let folder = tempfile::tempdir().expect("a folder");
    let sends = "exec 7<>/dev/tcp/127.0.0.1/$port\nprintf 'POST /v1/launch HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: 1152921504606846976\\r\\n\\r\\nx' >&7";
    let file = subject(folder.path(), &driver(sends));
    let told =
        plugfest(&["--subject", &file, "dify-sri", "daemon", "--shard", "1/20", "--time-scale", "0.3"]);
    in_bounds(&told, "a request");
    assert!(told.peak_kib < MEMORY_KIB / 4, "{} KiB", told.peak_kib);
}

#[test]
fn used_up_file_descriptors_end_no_run() {
    let me = program();
    let script = format!(
        "ulimit -n 40; exec {me} run arcaflow plugin start/ stream/ --jobs 24 --time-scale 0.5 -- {me} mock arcaflow plugin"
    );
    let told = run(&["sh", "-c", &script]);
    assert!([0, 1, 3].contains(&told.status), "{}{}", told.out, told.err);
    assert!(last(&told).ends_with(" skipped"), "{}{}", told.out, told.err);
    assert!(!told.out.contains("a defect of plugfest"), "{}", told.out);
}

#[test]
fn a_transcript_that_may_not_grow_costs_its_own_case_only() {
    let me = program();
    let folder = tempfile::tempdir().expect("a folder");
    let script = format!(
        "ulimit -f 60; exec {me} run arcaflow plugin 'stream/large-text[one-MiB]' work/echo work/unknown --jobs 1 -- {me} mock arcaflow plugin --mutant text-cut-at-64k"
    );
    let told = run(&["env", &format!("TMPDIR={}", folder.path().display()), "sh", "-c", &script]);
    assert_eq!(told.status, 3, "{}{}", told.out, told.err);
    assert!(told.out.contains("the transcript cannot be written"), "{}", told.out);
    assert_eq!(last(&told), "2 passed, 1 failed, 0 skipped", "{}", told.out);
}

#[test]
fn what_terminals_and_browsers_obey_is_shown_and_not_done() {
    let folder = tempfile::tempdir().expect("a folder");
    let evil = "\x1b]0;owned\x07\x1b[2J<script>alert(1)</script>\n::error::owned\n]]> | `x`";
    let octal = |bytes: &[u8]| bytes.iter().map(|byte| format!("\\{byte:03o}")).collect::<String>();
    let message = octal(&[&[0x78, evil.len() as u8], evil.as_bytes()].concat());
    let script = format!(
        "printf '{}' >&2; printf '{message}'; exit 3 # <script>alert(2)</script>",
        octal(evil.as_bytes())
    );
    let at = |name: &str| folder.path().join(name).display().to_string();
    let formats = ["jsonl", "junit", "github", "markdown", "html"];
    let reports: Vec<String> = formats
        .iter()
        .flat_map(|format| ["--report".to_owned(), format!("{format}={}", at(format))])
        .collect();
    let mut words = vec!["arcaflow", "plugin", "hello/once", "--time-scale", "0.1"];
    words.extend(reports.iter().map(String::as_str));
    words.extend(["--", "sh", "-c", &script, "sh"]);
    let told = plugfest(&words);
    assert_eq!(told.status, 1, "{}{}", told.out, told.err);
    let read = |format: &str| std::fs::read_to_string(at(format)).expect("a report");
    let all: Vec<(&str, String)> =
        formats.iter().map(|format| (*format, read(format))).chain([("human", told.out.clone())]).collect();
    for (format, text) in &all {
        let control = text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t'));
        assert_eq!(control, None, "{format}");
        assert!(text.contains("owned"), "{format} says what came: {text}");
    }
    let of = |name: &str| &all.iter().find(|(format, _)| *format == name).expect("a report").1;
    assert!(!of("html").contains("<script>alert"), "html");
    assert!(!of("markdown").contains("<script>alert"), "{}", of("markdown"));
    assert!(!of("junit").contains("<script>alert"), "{}", of("junit"));
    for line in of("github").lines() {
        assert!(!line.starts_with("::error::owned"), "{line}");
    }
    for (format, text) in &all {
        assert!(!text.lines().any(|line| line.starts_with("::error::owned")), "{format}");
    }
}
