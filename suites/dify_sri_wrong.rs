//! Input that is wrong: each mistake has its message and its exit status, of the references and of `plugfest run`.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};

use super::{Served, Told, plugfest};

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
    assert!(told.status == 1 && told.err.contains("these bytes are TLS"), "{} {}", told.status, told.err);
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

/// A run with a subject file of these lines.
fn run(lines: &str, words: &[&str]) -> Told {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s.toml");
    std::fs::write(&path, format!("suite = \"dify-sri\"\n{lines}")).expect("a file");
    plugfest(&[&["run", "--subject", &path.display().to_string()], words].concat())
}

const KEY: &str = "api_key = \"a-key-that-is-known\"\n";

#[test]
fn a_run_against_no_address_is_wrong_input() {
    let told = run(&format!("role = \"runtime\"\nattach = \"nonsense\"\n{KEY}"), &[]);
    assert!(told.status == 2 && told.err.contains("\"nonsense\" is no address"), "{}", told.err);
    let told = run(&format!("role = \"runtime\"\nattach = \"ftp://example.org\"\n{KEY}"), &[]);
    assert!(told.status == 2 && told.err.contains("is no http URL"), "{}", told.err);
    let told = run("role = \"runtime\"\nattach = \"http://127.0.0.1:1\"\n", &[]);
    assert!(told.status == 2 && told.err.contains("the key is missing"), "{}", told.err);
    let key = "api_key = { env = \"PLUGFEST_NO_SUCH_VARIABLE\" }\n";
    let told = run(&format!("role = \"runtime\"\nattach = \"http://127.0.0.1:1\"\n{key}"), &[]);
    assert!(
        told.status == 2 && told.err.contains("set the variable PLUGFEST_NO_SUCH_VARIABLE"),
        "{}",
        told.err
    );
}

#[test]
fn a_subject_that_is_not_there_is_inconclusive() {
    let told = run(
        &format!("role = \"runtime\"\nattach = \"http://127.0.0.1:1\"\n{KEY}"),
        &["dify-sri", "runtime", "ping/"],
    );
    assert_eq!(told.status, 3, "{}{}", told.out, told.err);
    assert!(told.err.contains("127.0.0.1:1") && told.err.contains("refused"), "{}", told.err);
    assert!(told.out.ends_with("0 passed, 4 failed, 0 skipped\n"), "{}", told.out);
}

#[test]
fn a_subject_that_speaks_tls_is_told_so() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("attach = \"http://{}\"\n", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"\x15\x03\x01\x00\x02\x02\x46");
        }
    });
    let told = run(&format!("role = \"runtime\"\n{url}{KEY}"), &["dify-sri", "runtime", "ping/get"]);
    assert!(told.status == 1 && told.out.contains("these bytes are TLS"), "{} {}", told.status, told.out);
}

#[test]
fn a_client_that_speaks_tls_is_told_so() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_plugfest"))
        .args(["mock", "dify-sri", "runtime", "--port", "0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut url = String::new();
    let out = child.stdout.take().expect("its output");
    std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut url).expect("its address");
    let mut stream = TcpStream::connect(url.trim().trim_start_matches("http://")).expect("it listens");
    stream.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").expect("it reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it closes");
    assert!(String::from_utf8_lossy(&answer).contains("these bytes are TLS"), "{}", answer.escape_ascii());
    let _ = Command::new("kill").arg(child.id().to_string()).status();
    let mut told = String::new();
    child.stderr.take().expect("its complaints").read_to_string(&mut told).expect("text");
    let _ = child.wait();
    assert!(told.contains("these bytes are TLS"), "{told}");
}

#[test]
fn a_driver_that_fails_is_inconclusive() {
    let daemon = |driver: &str| {
        let lines = format!("role = \"daemon\"\ndriver = {driver}\ncapabilities = [\"installs\"]\n");
        run(&lines, &["dify-sri", "daemon", "installation/good"])
    };
    for (driver, why) in [
        ("[\"plugfest-no-such-driver\"]", "command not found: plugfest-no-such-driver"),
        ("[\"sh\", \"-c\", \"exit 9\"]", "the driver ended early"),
        ("[\"sh\", \"-c\", \"echo hello; sleep 9\"]", "hello"),
        ("[\"/dev/null\"]", "not executable"),
    ] {
        let told = daemon(driver);
        assert!(told.status == 3 && told.out.contains(why), "{driver}: {} {}", told.status, told.out);
    }
}

#[test]
fn what_is_no_plugin_is_not_packed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("p.difypkg").display().to_string();
    let told = plugfest(&["package", "/nowhere", "-o", &path]);
    assert!(told.status == 2 && told.err.contains("/nowhere"), "{} {}", told.status, told.err);
    let told = plugfest(&["package", &folder.path().display().to_string(), "-o", &path]);
    assert!(told.status == 2 && told.err.contains("manifest.yaml"), "{} {}", told.status, told.err);
}
