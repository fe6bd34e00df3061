//! The driver `dify-http`: operations of the contract, told to a deployed daemon over its management API.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::process::Stdio;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::LocalSet;

use super::management::Management;

/// How long a daemon that was started may need until it listens.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often it is asked whether it does.
const AGAIN: Duration = Duration::from_millis(25);
/// The settings that the deployed daemon knows, and its variables.
const SETTINGS: [(&str, &str); 5] = [
    ("launch_timeout", "DIFY_PLUGIN_SERVERLESS_CONNECTOR_LAUNCH_TIMEOUT"),
    ("retries", "MAX_SERVERLESS_RETRY_TIMES"),
    ("max_request", "MAX_SERVERLESS_REQUEST_BYTES"),
    ("trusted_key", "THIRD_PARTY_SIGNATURE_VERIFICATION_PUBLIC_KEYS"),
    ("force_signature", "FORCE_VERIFYING_SIGNATURE"),
];

/// The driver of one case.
struct Driver {
    api: Management,
    /// The command that starts the daemon, if we start it.
    daemon: Vec<String>,
    child: RefCell<Option<Child>>,
    tenant: String,
    /// The plugin that was installed last.
    latest: RefCell<Option<(String, String)>>,
    tasks: RefCell<BTreeMap<String, Task>>,
    next: Cell<u64>,
}

/// A task that operations speak of.
#[derive(Clone)]
enum Task {
    /// One of the daemon's: tenant and id, and the last that was known of it.
    Theirs { tenant: String, id: String, last: Option<(String, String)> },
    /// One of ours.
    Ours { state: &'static str, message: String },
}

type Answer = Result<Vec<(&'static str, Value)>, String>;

/// Takes operations until the end of input.
///
/// # Errors
/// Input that is no operation.
pub async fn serve(url: String, key: String, daemon: Vec<String>) -> Result<i32, String> {
    let api = Management::new(&url, key, std::env::var(super::ADMIN_KEY).ok())?;
    let driver = Rc::new(Driver {
        api,
        daemon,
        child: RefCell::default(),
        tenant: tenant(0),
        latest: RefCell::default(),
        tasks: RefCell::default(),
        next: Cell::new(1),
    });
    let local = LocalSet::new();
    let mut lines = input();
    local
        .run_until(async {
            while let Some(line) = lines.recv().await {
                let operation: Map<String, Value> =
                    serde_json::from_str(&line).map_err(|error| format!("no operation: {error}: {line}"))?;
                let driver = driver.clone();
                tokio::task::spawn_local(async move {
                    let id = operation.get("id").cloned().unwrap_or(Value::Null);
                    let answer =
                        driver.operate(&operation).await.unwrap_or_else(|why| vec![("error", json!(why))]);
                    let fields = answer.into_iter().map(|(name, value)| (name.to_owned(), value));
                    let message: Map<String, Value> =
                        [("id".to_owned(), id)].into_iter().chain(fields).collect();
                    anstream::println!("{}", Value::Object(message));
                });
            }
            driver.stop().await;
            Ok(0)
        })
        .await
}

/// The lines of standard input.
fn input() -> mpsc::UnboundedReceiver<String> {
    let (sender, lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

impl Driver {
    async fn operate(self: &Rc<Self>, operation: &Map<String, Value>) -> Answer {
        let text = |name: &str| operation.get(name).and_then(Value::as_str).unwrap_or_default();
        match text("op") {
            "start" => self.start(operation).await,
            "stop" => {
                self.stop().await;
                Ok(Vec::new())
            }
            "install" => self.install(text("package"), text("tenant")).await,
            "reinstall" => self.reinstall(text("package")).await,
            "task_state" => self.task_state(text("task")).await,
            "management" => {
                let (url, key) = self.api.place();
                Ok(vec![("url", json!(url)), ("key", json!(key))])
            }
            "dispatch" => {
                let (tenant, identifier) = self.latest.borrow().clone().ok_or("no plugin is installed")?;
                let data = operation.get("request").cloned().unwrap_or_default();
                let called = (text("type"), text("action"));
                let chunks = self.api.dispatch(&tenant, &identifier, called, &data).await?;
                Ok(vec![("chunks", json!(chunks))])
            }
            other => Err(format!("{other} is not known here")),
        }
    }

    /// Starts the daemon, if it is ours to start, and waits until it listens.
    async fn start(&self, operation: &Map<String, Value>) -> Answer {
        if self.daemon.is_empty() {
            self.api.is_up().await?;
            return Ok(vec![("ready", json!(true))]);
        }
        let mut command = Command::new(&self.daemon[0]);
        command.args(&self.daemon[1..]).envs(settings(operation)).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn().map_err(|error| format!("{}: {error}", self.daemon[0]))?;
        *self.child.borrow_mut() = Some(child);
        let begun = std::time::Instant::now();
        loop {
            let ended = self.child.borrow_mut().as_mut().and_then(|child| child.try_wait().ok().flatten());
            match (ended, self.api.is_up().await) {
                (Some(status), _) => return Err(format!("the daemon ended: {status}")),
                (None, Ok(())) => return Ok(vec![("ready", json!(true))]),
                (None, Err(why)) if begun.elapsed() > PATIENCE => return Err(why),
                (None, Err(_)) => tokio::time::sleep(AGAIN).await,
            }
        }
    }

    async fn stop(&self) {
        let child = self.child.borrow_mut().take();
        if let Some(mut child) = child {
            let _ = child.kill().await;
        }
    }

    /// A tenant installs once only, so each installation that names none has a tenant of its own.
    async fn install(&self, package: &str, named: &str) -> Answer {
        let own = self.number();
        let tenant = if named.is_empty() { tenant(own) } else { named.to_owned() };
        let bytes = std::fs::read(package).map_err(|error| format!("{package}: {error}"))?;
        let identifier = self.api.upload(&tenant, bytes).await?;
        let task = match self.api.install(&tenant, &identifier).await? {
            Some(id) => Task::Theirs { tenant: tenant.clone(), id, last: None },
            None => Task::Ours { state: "success", message: "it is installed already".into() },
        };
        *self.latest.borrow_mut() = Some((tenant, identifier));
        Ok(vec![("task", json!(self.remember(own, task)))])
    }

    /// Launches again; the daemon tells the end of it on a stream, which becomes a task of ours.
    async fn reinstall(self: &Rc<Self>, package: &str) -> Answer {
        let bytes = std::fs::read(package).map_err(|error| format!("{package}: {error}"))?;
        let identifier = self.api.upload(&self.tenant, bytes).await?;
        let number = self.number();
        let task = self.remember(number, Task::Ours { state: "running", message: String::new() });
        let (driver, name) = (self.clone(), task.clone());
        tokio::task::spawn_local(async move {
            let ended = match driver.api.reinstall(&identifier).await {
                Ok(()) => Task::Ours { state: "success", message: String::new() },
                Err(message) => Task::Ours { state: "failed", message },
            };
            driver.tasks.borrow_mut().insert(name, ended);
        });
        Ok(vec![("task", json!(task))])
    }

    /// A task that the daemon has forgotten is as it was last.
    async fn task_state(&self, name: &str) -> Answer {
        let task = self.tasks.borrow().get(name).cloned().ok_or("there is no such task")?;
        let (state, message) = match task {
            Task::Ours { state, message } => (state.to_owned(), message),
            Task::Theirs { tenant, id, last } => match (self.api.task(&tenant, &id).await, last) {
                (Ok(known), _) => {
                    let last = Some(known.clone());
                    self.tasks.borrow_mut().insert(name.into(), Task::Theirs { tenant, id, last });
                    known
                }
                (Err(why), Some(last)) if why.contains("record not found") => last,
                (Err(why), _) => return Err(why),
            },
        };
        Ok(vec![("state", json!(state)), ("message", json!(message))])
    }

    fn number(&self) -> u64 {
        self.next.replace(self.next.get() + 1)
    }

    fn remember(&self, number: u64, task: Task) -> String {
        let name = format!("t{number}");
        self.tasks.borrow_mut().insert(name.clone(), task);
        name
    }
}

/// The environment that tells the daemon of its runtime.
fn settings(operation: &Map<String, Value>) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let given = |name: &str| operation.get(name).map(text).unwrap_or_default();
    let mut settings = vec![
        ("DIFY_PLUGIN_SERVERLESS_CONNECTOR_URL".to_owned(), given("url")),
        ("DIFY_PLUGIN_SERVERLESS_CONNECTOR_API_KEY".to_owned(), given("api_key")),
    ];
    let inner = operation.get("settings").and_then(Value::as_object);
    for (name, variable) in SETTINGS {
        if let Some(value) = inner.and_then(|inner| inner.get(name)) {
            settings.push((variable.into(), text(value)));
        }
    }
    if inner.is_some_and(|inner| inner.contains_key("trusted_key")) {
        settings.push(("THIRD_PARTY_SIGNATURE_VERIFICATION_ENABLED".into(), "true".into()));
    }
    settings
}

/// A UUID that no other run has (version 4 in form).
fn tenant(number: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    let digest = Sha256::digest(format!("{now} {} {number}", std::process::id()));
    let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-4{}-8{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_become_variables() {
        let operation = json!({"op": "start", "url": "http://h", "api_key": "k",
            "settings": {"launch_timeout": 5, "force_signature": true, "ping_timeout": 1}});
        let settings = settings(operation.as_object().unwrap());
        let names: Vec<(&str, &str)> =
            settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(
            names,
            [
                ("DIFY_PLUGIN_SERVERLESS_CONNECTOR_URL", "http://h"),
                ("DIFY_PLUGIN_SERVERLESS_CONNECTOR_API_KEY", "k"),
                ("DIFY_PLUGIN_SERVERLESS_CONNECTOR_LAUNCH_TIMEOUT", "5"),
                ("FORCE_VERIFYING_SIGNATURE", "true"),
            ]
        );
    }

    #[test]
    fn tenants_are_uuids_of_their_own() {
        let (one, other) = (tenant(1), tenant(2));
        assert_ne!(one, other);
        assert_eq!(one.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
    }
}
