//! Subjects that run already: behind TLS, at a socket, in something that only a command of its own can stop.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use assert_cmd::Command;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

fn program() -> PathBuf {
    assert_cmd::cargo::cargo_bin("plugfest")
}

fn fixture(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tls").join(name).display().to_string()
}

fn plugfest(args: &[&str]) -> (i32, String, String) {
    let output =
        Command::new(program()).env("CI", "true").env("NO_COLOR", "1").args(args).output().expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

fn last(out: &str) -> &str {
    out.trim_end().lines().last().unwrap_or_default()
}

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The reference of the role runtime, and where it listens.
fn runtime(options: &[&str]) -> (Running, String) {
    let mut child = std::process::Command::new(program())
        .args(["mock", "dify-sri", "runtime"])
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("a line");
    let running = Running(child);
    let at = line.split_whitespace().find_map(|word| {
        word.trim_matches(['/', '"'])
            .strip_prefix("http://")
            .or(word.strip_prefix("127.0.0.1:").map(|_| word))
    });
    (running, at.unwrap_or_else(|| panic!("no address in {line:?}")).trim_end_matches('/').to_owned())
}

/// Speaks TLS in front of a server; tells whether a text was ever in what came.
fn tls_before(server: String, looked_for: &'static str) -> (u16, Arc<AtomicBool>) {
    let certificate = CertificateDer::from_pem_file(fixture("server.pem")).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(fixture("server.key")).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a pair");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let seen = Arc::new(AtomicBool::new(false));
    let (told, port) = std::sync::mpsc::channel();
    let noted = seen.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            told.send(listener.local_addr().expect("an address").port()).expect("the test waits");
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass_on(acceptor.clone(), stream, server.clone(), looked_for, noted.clone()));
            }
        });
    });
    (port.recv().expect("a port"), seen)
}

async fn pass_on(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    server: String,
    looked_for: &str,
    seen: Arc<AtomicBool>,
) {
    let Ok(client) = acceptor.accept(stream).await else { return };
    let Ok(server) = TcpStream::connect(server).await else { return };
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_server, mut to_server) = server.into_split();
    let there = async {
        let mut buffer = vec![0; 65536];
        while let Ok(length @ 1..) = from_client.read(&mut buffer).await {
            if String::from_utf8_lossy(&buffer[..length]).contains(looked_for) {
                seen.store(true, Ordering::Relaxed);
            }
            if to_server.write_all(&buffer[..length]).await.is_err() {
                break;
            }
        }
        let _ = to_server.shutdown().await;
    };
    let back = async {
        let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
        let _ = to_client.shutdown().await;
    };
    tokio::join!(there, back);
}

#[test]
fn a_runtime_behind_https_is_reached_with_its_authority_or_none() {
    let (_running, at) = runtime(&[]);
    let (port, seen) = tls_before(at, "X-Tenant: seven");
    let url = format!("https://localhost:{port}/");
    let ca = fixture("ca.pem");
    let run = |more: &[&str]| {
        let words = ["run", "dify-sri", "runtime", "ping/", "launch/good", "--attach", &url];
        plugfest(&words.iter().chain(more).copied().collect::<Vec<_>>())
    };
    let (status, out, err) = run(&["--ca-file", &ca, "--header", "X-Tenant: seven"]);
    assert_eq!(status, 0, "{out}{err}");
    assert!(!last(&out).starts_with("0 passed"), "{out}");
    assert!(seen.load(Ordering::Relaxed));
    let (status, out, _) = run(&["--insecure"]);
    assert_eq!(status, 0, "{out}");
    let (status, out, _) = run(&[]);
    assert_eq!(status, 3, "{out}");
    assert!(out.contains("no TLS with localhost") && out.contains("--ca-file FILE"), "{out}");
    let (status, _, err) = run(&["--ca-file", "/nonexistent.pem"]);
    assert!(status == 2 && err.contains("/nonexistent.pem"), "{err}");
    let (status, _, err) = run(&["--header", "nonsense"]);
    assert!(status == 2 && err.contains("write NAME: VALUE"), "{err}");
}

#[test]
fn everything_lies_below_the_path_of_a_url() {
    let (_running, at) = runtime(&["--base", "/a/b"]);
    let run = |url: &str, profile: &str| {
        let cases = ["ping/", "instances/none", "launch/good", "endpoint/", "launch/twice"];
        let words = ["run", "dify-sri", "runtime", "--attach", url, "--profile", profile];
        plugfest(&[&words[..], &cases].concat())
    };
    for profile in ["document", "go-daemon"] {
        let (status, out, err) = run(&format!("http://{at}"), profile);
        assert_eq!(status, 0, "{out}{err}");
        assert!(!last(&out).starts_with("0 passed"), "{out}");
    }
    let above = at.split('/').next().unwrap_or_default();
    let (status, out, _) = run(&format!("http://{above}"), "document");
    assert!(status == 1 && out.contains("SRI-PING-02"), "{out}");
}

#[test]
fn a_server_is_reached_by_host_and_port() {
    let (_running, at) = runtime(&[]);
    let (status, out, err) = plugfest(&["run", "dify-sri", "runtime", "ping/", "--attach", &at]);
    assert_eq!(status, 0, "{out}{err}");
    assert!(!last(&out).starts_with("0 passed"), "{out}");
}

#[test]
fn a_runner_is_reached_at_its_socket_and_cases_that_would_start_it_do_not_apply() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("runner.sock").display().to_string();
    let child = std::process::Command::new(program())
        .args(["mock", "apisix", "runner"])
        .env("APISIX_LISTEN_ADDRESS", format!("unix:{socket}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("it starts");
    let _running = Running(child);
    let file = folder.path().join("s.toml");
    let text = format!(
        "suite = \"apisix\"
role = \"runner\"
attach = \"unix:{socket}\"
capabilities = [\"conformance-plugin\"]
"
    );
    std::fs::write(&file, text).expect("a file");
    let subject = file.display().to_string();
    let (status, out, err) =
        plugfest(&["run", "--subject", &subject, "apisix", "runner", "conf/token", "life/"]);
    assert_eq!(status, 0, "{out}{err}");
    assert!(!last(&out).starts_with("0 passed") && !last(&out).ends_with(" 0 skipped"), "{out}");
}

#[test]
fn what_cannot_be_attached_is_wrong_input() {
    let run = |words: &[&str]| plugfest(&[&["run"], words].concat());
    let (status, _, err) = run(&["arcaflow", "plugin", "--attach", "127.0.0.1:1"]);
    assert!(status == 2 && err.contains("speaks over its standard streams"), "{err}");
    let (status, _, err) = run(&["dify-sri", "runtime", "--attach", "localhost"]);
    assert!(status == 2 && err.contains("write HOST:PORT, unix:PATH"), "{err}");
    let (status, out, _) = run(&["apisix", "runner", "frame/", "--attach", "http://127.0.0.1:1/"]);
    assert!(status == 3 && out.contains("attach HOST:PORT or unix:PATH"), "{out}");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("s.toml");
    std::fs::write(&file, "suite = \"apisix\"\nrole = \"runner\"\ncommand = [\"a\"]\nattach = \"nowhere\"\n")
        .expect("a file");
    let (status, _, err) = run(&["--subject", &file.display().to_string()]);
    assert!(
        status == 2 && err.contains("is no address") && err.contains("this one has a `command`"),
        "{err}"
    );
}

#[test]
fn stop_ends_what_signals_do_not_reach() {
    let folder = tempfile::tempdir().expect("a folder");
    let marks = folder.path().join("stopped");
    let file = folder.path().join("s.toml");
    let text = |end: &str| {
        format!(
            "suite = \"arcaflow\"\nrole = \"plugin\"\ncommand = [{:?}, \"mock\", \"arcaflow\", \"plugin\"]\nstop = [\"sh\", \"-c\", {:?}]\n",
            program().display().to_string(),
            end
        )
    };
    std::fs::write(&file, text(&format!("echo {{dir}} >> {}", marks.display()))).expect("a file");
    let subject = file.display().to_string();
    let words = ["run", "--subject", &subject, "arcaflow", "plugin", "hello/"];
    let (status, out, err) = plugfest(&words);
    assert_eq!(status, 0, "{out}{err}");
    let stopped = std::fs::read_to_string(&marks).expect("it ran");
    let passed: usize = last(&out).split(' ').next().and_then(|word| word.parse().ok()).expect("a count");
    assert!(passed > 0 && stopped.lines().count() == passed, "{out}{stopped}");
    std::fs::write(&file, text("echo no such container >&2; exit 1")).expect("a file");
    let (status, out, _) = plugfest(&words);
    assert_eq!(status, 3, "{out}");
    assert!(out.contains("no such container; the subject may still run"), "{out}");
}
