//! The driver `dify-http` against a management API that answers as the deployed daemon does.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use wiremock::matchers::{body_json, header, method, path, path_regex};
use wiremock::{Mock, MockServer, ResponseTemplate};

const UID: &str = "plugfest/conformance:0.0.1@0123456789abcdef0123456789abcdef";

/// A driver under way.
struct Driver {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    next: u64,
}

impl Driver {
    fn start(url: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_plugfest"))
            .args(["driver", "dify-http", "--url", url])
            .env("PLUGFEST_DIFY_KEY", "server-key")
            .env("PLUGFEST_DIFY_ADMIN_KEY", "admin-key")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it runs");
        let (input, output) = (child.stdin.take(), child.stdout.take().expect("its output"));
        Self { child, input, output: BufReader::new(output), next: 0 }
    }

    fn ask(&mut self, mut operation: Value) -> Value {
        self.next += 1;
        operation["id"] = json!(self.next);
        writeln!(self.input.as_mut().expect("its input"), "{operation}").expect("it reads");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("it answers");
        let mut answer: Value = serde_json::from_str(&line).expect("a JSON line");
        assert_eq!(answer["id"], json!(self.next));
        answer.as_object_mut().expect("an object").remove("id");
        answer
    }

    fn end(mut self) -> Option<i32> {
        drop(self.input.take());
        self.child.wait().expect("it ends").code()
    }
}

fn envelope(data: Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({"code": 0, "message": "success", "data": data}))
}

fn stream(items: &[Value]) -> ResponseTemplate {
    let item = |data: &Value| format!("data: {}\n\n", json!({"code": 0, "message": "success", "data": data}));
    ResponseTemplate::new(200).set_body_raw(items.iter().map(item).collect::<String>(), "text/event-stream")
}

/// Management calls of a tenant, whichever it is.
fn tenant(end: &str) -> wiremock::matchers::PathRegexMatcher {
    path_regex(format!(
        r"^/plugin/[0-9a-f]{{8}}-[0-9a-f]{{4}}-4[0-9a-f]{{3}}-8[0-9a-f]{{3}}-[0-9a-f]{{12}}/{end}$"
    ))
}

async fn api() -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path("/health/check"))
        .respond_with(ResponseTemplate::new(200))
        .mount(&server)
        .await;
    Mock::given(method("POST"))
        .and(tenant("management/install/upload/package"))
        .and(header("X-Api-Key", "server-key"))
        .respond_with(envelope(json!({"unique_identifier": UID})))
        .mount(&server)
        .await;
    Mock::given(method("POST"))
        .and(tenant("management/install/identifiers"))
        .and(body_json(json!({"plugin_unique_identifiers": [UID], "source": "package", "metas": [{}]})))
        .respond_with(envelope(json!({"all_installed": false, "task_id": "task-7"})))
        .mount(&server)
        .await;
    server
}

fn package() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("p.difypkg");
    std::fs::write(&path, "bytes of a package").expect("a file");
    (folder, path)
}

#[tokio::test]
async fn an_installation_is_uploaded_begun_and_watched() {
    let server = api().await;
    let state =
        |state: &str, message: &str| envelope(json!({"status": state, "plugins": [{"message": message}]}));
    let task = || Mock::given(method("GET")).and(tenant("management/install/tasks/task-7"));
    task().respond_with(state("running", "Installing...")).up_to_n_times(1).mount(&server).await;
    task().respond_with(state("success", "installed")).up_to_n_times(1).mount(&server).await;
    let gone = json!({"code": -500, "message": json!({"message": "record not found", "error_type": "e"}).to_string(), "data": null});
    task().respond_with(ResponseTemplate::new(200).set_body_json(gone)).mount(&server).await;
    let (_folder, path) = package();
    let mut driver = Driver::start(&server.uri());
    assert_eq!(
        driver.ask(json!({"op": "start", "url": "http://127.0.0.1:1", "api_key": "k"})),
        json!({"ready": true})
    );
    let installed = driver.ask(json!({"op": "install", "package": path}));
    let task = installed["task"].as_str().expect("a task").to_owned();
    let mut ask = || driver.ask(json!({"op": "task_state", "task": task}));
    assert_eq!(ask(), json!({"state": "running", "message": "Installing..."}));
    assert_eq!(ask(), json!({"state": "success", "message": "installed"}));
    assert_eq!(ask(), json!({"state": "success", "message": "installed"}), "what the daemon forgot stays");
    assert_eq!(driver.ask(json!({"op": "stop"})), json!({}));
    assert_eq!(driver.end(), Some(0));
    let requests = server.received_requests().await.expect("they are recorded");
    let upload =
        requests.iter().find(|request| request.url.path().ends_with("upload/package")).expect("an upload");
    let body = String::from_utf8_lossy(&upload.body).into_owned();
    assert!(body.contains("name=\"dify_pkg\"") && body.contains("bytes of a package"), "{body}");
}

#[tokio::test]
async fn a_call_gives_its_chunks_or_its_error() {
    let server = api().await;
    Mock::given(method("POST"))
        .and(tenant("dispatch/tool/invoke"))
        .and(header("X-Plugin-ID", "plugfest/conformance"))
        .and(body_json(json!({"user_id": "plugfest", "data": {"tool": "echo"}})))
        .respond_with(stream(&[json!({"type": "text"}), json!(2)]))
        .mount(&server)
        .await;
    let why = json!({"message": "it broke", "error_type": "PluginInvokeError"}).to_string();
    let item = format!("data: {}\n\n", json!({"code": -500, "message": why, "data": null}));
    Mock::given(method("POST"))
        .and(tenant("dispatch/llm/invoke"))
        .respond_with(ResponseTemplate::new(200).set_body_raw(item, "text/event-stream"))
        .mount(&server)
        .await;
    let (_folder, path) = package();
    let mut driver = Driver::start(&server.uri());
    let call = |kind: &str, action: &str, request: Value| json!({"op": "dispatch", "type": kind, "action": action, "request": request});
    assert_eq!(
        driver.ask(call("tool", "invoke_tool", json!({}))),
        json!({"error": "no plugin is installed"})
    );
    driver.ask(json!({"op": "install", "package": path}));
    let answer = driver.ask(call("tool", "invoke_tool", json!({"tool": "echo"})));
    assert_eq!(answer, json!({"chunks": [{"type": "text"}, 2]}));
    let answer = driver.ask(call("model", "invoke_llm", json!({})));
    assert_eq!(answer, json!({"error": "PluginInvokeError (code -500): it broke"}));
    assert_eq!(driver.ask(json!({"op": "dance"})), json!({"error": "dance is not known here"}));
    assert_eq!(driver.end(), Some(0));
}

#[tokio::test]
async fn a_reinstallation_is_a_task_too() {
    let server = api().await;
    let failed = [
        json!({"event": "info", "data": "launching"}),
        json!({"event": "error", "data": "failed to reinstall"}),
    ];
    Mock::given(method("POST"))
        .and(path("/admin/plugin/serverless/reinstall"))
        .and(header("X-Admin-Api-Key", "admin-key"))
        .and(body_json(json!({"plugin_unique_identifier": UID})))
        .respond_with(stream(&failed))
        .mount(&server)
        .await;
    let (_folder, path) = package();
    let mut driver = Driver::start(&server.uri());
    let task = driver.ask(json!({"op": "reinstall", "package": path}))["task"].clone();
    let mut states = Vec::new();
    while states.last() != Some(&json!("failed")) && states.len() < 1000 {
        states.push(driver.ask(json!({"op": "task_state", "task": task}))["state"].clone());
    }
    assert_eq!(
        driver.ask(json!({"op": "task_state", "task": task}))["message"],
        json!("failed to reinstall")
    );
    assert_eq!(driver.end(), Some(0));
}

#[tokio::test]
async fn refusals_are_told() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(401).set_body_json(json!({"code": -401, "message": "{\"message\": \"bad key\", \"error_type\": \"Unauthorized\"}", "data": null})))
        .mount(&server)
        .await;
    let (_folder, path) = package();
    let mut driver = Driver::start(&server.uri());
    assert_eq!(
        driver.ask(json!({"op": "install", "package": path})),
        json!({"error": "Unauthorized (code -401): bad key"})
    );
    let answer = driver.ask(json!({"op": "install", "package": "/nowhere"}));
    assert!(answer["error"].as_str().is_some_and(|why| why.starts_with("/nowhere: ")), "{answer}");
    let answer = driver.ask(json!({"op": "start"}));
    assert_eq!(answer, json!({"error": "/health/check: status 404 Not Found"}));
    driver.end();
}

#[test]
fn a_driver_without_its_key_says_so() {
    let told = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_plugfest")).args(args).output().expect("it runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (status, why) = told(&["driver", "dify-http", "--url", "http://127.0.0.1:1"]);
    assert!(status == Some(2) && why.contains("PLUGFEST_DIFY_KEY"), "{why}");
    let (status, why) = told(&["driver", "dify-htp", "--url", "http://127.0.0.1:1"]);
    assert!(status == Some(2) && why.contains("did you mean `dify-http`?"), "{why}");
    let (status, why) = told(&["driver", "dify-http", "--url", "nonsense"]);
    assert!(status == Some(2) && why.contains("is no http URL"), "{why}");
}

#[test]
fn where_the_api_is_and_its_key_are_told() {
    let mut driver = Driver::start("http://127.0.0.1:9/");
    let told = driver.ask(json!({"op": "management"}));
    assert_eq!(told, json!({"url": "http://127.0.0.1:9", "key": "server-key"}));
    assert_eq!(driver.end(), Some(0));
}
