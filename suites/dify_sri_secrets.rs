//! A key named as secret is in no output of any kind, whatever a subject does with it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The secret.
const KEY: &str = "sk-live/7Yq+4mZr8TnK2";

/// A runtime that gives its key away wherever it can.
const LEAKY: &str = r#"
import base64, http.server, json, os, sys, time, urllib.parse
key = sys.argv[2]
assert key == os.environ["RUNTIME_KEY"] and not key.startswith("apikey"), "it gets the true key"
def shout(stream):
    for form in (key, urllib.parse.quote(key, safe=""), key.encode().hex(), base64.b64encode(key.encode()).decode()):
        stream.write(form[:7]); stream.flush(); time.sleep(0.001); stream.write(form[7:] + "\n"); stream.flush()
    stream.write(json.dumps({"argv": sys.argv, "env": dict(os.environ)}) + "\n"); stream.flush()
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, format, *args):
        sys.stderr.write(str(self.headers) + "\n"); sys.stderr.flush()
    def give(self):
        length = self.headers.get("Content-Length")
        if length: self.rfile.read(int(length))
        got = self.headers.get("Authorization", "none")
        self.send_response(200, "OK " + got)
        self.send_header("X-Key", got)
        self.send_header("X-True-Key", key)
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Content-Type", "text/event-stream" if "launch" in self.path else "application/json")
        self.end_headers()
        event = json.dumps({"Stage": "build", "State": "failed", "Obj": key, "Message": "no " + key, key: got})
        body = ("data: " + event + "\n\n" + key + "\n\n").encode() if "launch" in self.path else event.encode()
        for at in range(0, len(body), 11):
            piece = body[at:at + 11]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece)); self.wfile.flush()
        self.wfile.write(b"0\r\nX-Trailer: " + key.encode() + b"\r\n\r\n"); self.wfile.flush()
    do_GET = do_POST = give
shout(sys.stdout); shout(sys.stderr)
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"#;

fn plugfest(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_plugfest"))
        .current_dir(folder)
        .env("CI", "true")
        .env("LIVE_KEY", KEY)
        .args(args)
        .output()
        .expect("it runs")
}

/// The forms in which nobody may see it.
fn forms() -> Vec<Vec<u8>> {
    let hex: String = KEY.bytes().map(|byte| format!("{byte:02x}")).collect();
    let groups: Vec<String> =
        hex.as_bytes().chunks(8).map(|four| String::from_utf8_lossy(four).into_owned()).collect();
    let percent = KEY.replace('/', "%2F").replace('+', "%2B");
    let base64 = "c2stbGl2ZS83WXErNG1acjhUbksy";
    [KEY, &hex, &groups.join(" "), &percent, base64].iter().map(|form| form.as_bytes().to_vec()).collect()
}

fn assert_hidden(what: &str, bytes: &[u8]) {
    for form in forms() {
        if let Some(at) = bytes.windows(form.len()).position(|window| window == form) {
            let around = &bytes[at.saturating_sub(200)..(at + 200).min(bytes.len())];
            panic!("{what} shows the key: {}", String::from_utf8_lossy(around));
        }
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let below = |path: PathBuf| if path.is_dir() { files_below(&path) } else { vec![path] };
    entries.flat_map(|entry| below(entry.path())).collect()
}

fn subject(folder: &Path) {
    std::fs::write(folder.join("leaky.py"), LEAKY).expect("a file");
    let text = r#"
suite        = "dify-sri"
role         = "runtime"
command      = ["python3", "leaky.py", "{port}", "{api_key}"]
api_key      = { env = "LIVE_KEY" }
capabilities = ["builds", "invokes", "lists", "conformance-plugin"]
[env]
RUNTIME_KEY = "{api_key}"
"#;
    std::fs::write(folder.join("leaky.toml"), text).expect("a file");
}

#[test]
fn a_secret_is_in_no_output() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    subject(folder);
    let reports = ["jsonl=r.jsonl", "junit=r.xml", "github=r.txt", "markdown=r.md", "html=r.html"];
    let reports: Vec<&str> = reports.iter().flat_map(|report| ["--report", report]).collect();
    let kept = folder.join("kept");
    std::fs::create_dir(&kept).expect("a folder");
    let words = ["run", "--subject", "leaky.toml", "--baseline", "b.toml", "--baseline-update"];
    let words = [&words[..], &reports, &["--time-scale", "0.2"]].concat();
    let output = Command::new(env!("CARGO_BIN_EXE_plugfest"))
        .current_dir(folder)
        .env("CI", "true")
        .env("LIVE_KEY", KEY)
        .env("TMPDIR", &kept)
        .args(&words)
        .output()
        .expect("it runs");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.contains("apikey.hidden."), "something was to hide: {told}");
    assert_hidden("standard output", &output.stdout);
    assert_hidden("standard error", &output.stderr);
    for name in ["r.jsonl", "r.xml", "r.txt", "r.md", "r.html", "b.toml"] {
        let bytes = std::fs::read(folder.join(name)).expect("it was written");
        assert!(!bytes.is_empty(), "{name}");
        assert_hidden(name, &bytes);
    }
    let transcripts = files_below(&kept);
    assert!(transcripts.len() > 10, "{transcripts:?}");
    for path in &transcripts {
        let bytes = std::fs::read(path).expect("it was written");
        assert_hidden(&path.display().to_string(), &bytes);
    }
    let stored = transcripts.iter().find(|path| path.extension().is_some_and(|end| end == "jsonl"));
    let judged = plugfest(folder, &["judge", &stored.expect("a transcript").display().to_string()]);
    assert_hidden("judge", &[judged.stdout.as_slice(), &judged.stderr].concat());
    let told = String::from_utf8_lossy(&judged.stdout).into_owned();
    assert!(!told.contains("diverged"), "{told}{}", String::from_utf8_lossy(&judged.stderr));
}

#[test]
fn mistakes_in_a_file_do_not_show_its_secrets() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = "suite = \"dify-sri\"\nrole = \"runtime\"\nattach = \"http://127.0.0.1:1\"\napi_key = \"pass word\"\n\
                [secret]\nother = \"seven77\"\n";
    std::fs::write(folder.path().join("s.toml"), text).expect("a file");
    let output = plugfest(folder.path(), &["run", "--subject", "s.toml"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("`api_key` has to be 8 to 4096 characters"), "{told}");
    assert!(!told.contains("pass word") && !told.contains("seven77"), "{told}");
}
