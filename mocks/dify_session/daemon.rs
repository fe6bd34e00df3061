//! The fake daemon: launches a plugin command, watches its heartbeats, invokes it, answers its calls back.
//!
//! As a driver (`serve`) it does what operations ask for; with `--invoke` it does one invocation and ends.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::calls::{self, Call};
use super::mutants::is_mutant;
use crate::actor::{
    Act, ActId, Actor, Doing, Event, Exit, Failure, Nanos, Part, SECOND, Target, What, WireId,
};
use crate::codec::lines::Lines;
use crate::mocks::{Acting, Hands, flag, option};
use crate::protocol::dify_session::message::{line, to_plugin};

/// Seconds without a line after which a plugin counts as dead (instance.go 22).
const HEARTBEAT_TIMEOUT: f64 = 120.0;
/// Seconds after which an invocation is ended (default.go 29).
const EXECUTION_TIMEOUT: f64 = 600.0;

/// Makes a daemon from its command line.
///
/// # Errors
/// A command line that is none.
pub fn make(args: &[String]) -> Result<Box<dyn Actor>, String> {
    let (own, command) = match args.iter().position(|arg| arg == "--") {
        Some(at) => (&args[..at], args[at + 1..].to_vec()),
        None => (args, Vec::new()),
    };
    let mut own = own.to_vec();
    let mutant = option(&mut own, "--mutant").unwrap_or_default();
    if !mutant.is_empty() && !is_mutant("daemon", &mutant) {
        return Err(format!("the dify-session daemon has no mutant `{mutant}`"));
    }
    let limit = |given: Option<String>, usual| match given {
        Some(text) => {
            seconds(&text.parse().unwrap_or(Value::Null), usual).ok_or(format!("{text} is no time"))
        }
        None => Ok((usual * SECOND as f64) as Nanos),
    };
    let silence = limit(option(&mut own, "--heartbeat-timeout"), HEARTBEAT_TIMEOUT)?;
    let patience = limit(option(&mut own, "--execution-timeout"), EXECUTION_TIMEOUT)?;
    let once = once(&mut own, &command)?;
    let serves = flag(&mut own, "serve");
    if let Some(unknown) = own.first() {
        return Err(format!("unknown option {unknown}"));
    }
    if serves == once.is_some() {
        return Err("say what to do: --invoke tool/NAME --params JSON -- COMMAND, or serve".into());
    }
    Ok(Box::new(Daemon { mutant, once, silence, patience, ..Daemon::default() }))
}

/// The one invocation of a command line: the command and the request's data.
fn once(own: &mut Vec<String>, command: &[String]) -> Result<Option<Once>, String> {
    let params = option(own, "--params").unwrap_or_else(|| "{}".into());
    let provider = option(own, "--provider").unwrap_or_else(|| "plugfest".into());
    let Some(what) = option(own, "--invoke") else { return Ok(None) };
    let params: Value =
        serde_json::from_str(&params).map_err(|error| format!("--params is no JSON: {error}"))?;
    let tool = match what.split_once('/') {
        Some(("tool", tool)) if !tool.is_empty() => tool,
        _ => return Err(format!("--invoke {what}: write tool/NAME")),
    };
    if command.is_empty() {
        return Err("the command of the plugin is missing: -- COMMAND".into());
    }
    let request = json!({"provider": provider, "tool": tool, "credentials": {}, "tool_parameters": params});
    Ok(Some(Once { command: command.to_vec(), request }))
}

struct Once {
    command: Vec<String>,
    request: Value,
}

/// A time in seconds.
fn seconds(value: &Value, usual: f64) -> Option<Nanos> {
    let seconds = if value.is_null() { usual } else { value.as_f64()? };
    (0.0..1e9).contains(&seconds).then_some((seconds * SECOND as f64) as Nanos)
}

/// The daemon.
#[derive(Default)]
struct Daemon {
    mutant: String,
    hands: Hands,
    once: Option<Once>,
    operations: Lines,
    silence: Nanos,
    patience: Nanos,
    now: Nanos,
    plugin: Option<Plugin>,
    plugins: u32,
    calls: Vec<Call>,
    called: u64,
    stored: BTreeMap<String, String>,
    leaving: bool,
}

/// A plugin that was launched.
struct Plugin {
    wire: WireId,
    spawned: ActId,
    lines: Lines,
    ready: bool,
    last_line: Nanos,
    manifest: Value,
    stderr: String,
    /// The operation that waits for it to be ready, and the one that waits for its end.
    starts: Option<Value>,
    stops: Option<Value>,
}

impl Actor for Daemon {
    fn on(&mut self, event: &Event, doings: &mut Vec<Doing>) {
        self.now = event.at;
        let mut hands = std::mem::take(&mut self.hands);
        self.take(&event.what, &mut hands.at(doings));
        self.hands = hands;
    }
}

impl Daemon {
    fn is(&self, mutant: &str) -> bool {
        self.mutant == mutant
    }

    fn take(&mut self, what: &What, out: &mut Acting<'_>) {
        match what {
            What::Start { .. } => {
                if let Some(once) = &self.once {
                    let command = once.command.clone();
                    self.launch(command, Value::Null, out);
                }
            }
            What::Bytes { wire: WireId::STDIO, bytes, .. } if self.once.is_none() => {
                self.operations.feed(&bytes.0);
                while let Some((_, line)) = self.operations.next_line() {
                    let line = line.to_vec();
                    self.operation(&line, out);
                }
            }
            What::Ended { wire: WireId::STDIO, .. } if self.once.is_none() => self.leave(0, out),
            What::Signal { wire: WireId::STDIO, signal } => self.leave(128 + signal, out),
            What::Bytes { wire, part, bytes } => self.came(*wire, *part, &bytes.0, out),
            What::Exited { wire, status } => self.exited(*wire, *status, out),
            What::Failed { act, why, .. } => {
                if self.plugin.as_ref().is_some_and(|plugin| plugin.spawned == *act) {
                    let cannot = matches!(why.failure, Failure::NotFound | Failure::NotExecutable);
                    self.start_failed(&why.text, if cannot { 3 } else { 1 }, out);
                }
            }
            What::Time => self.time(out),
            _ => {}
        }
        self.set_alarm(out);
    }

    /// Kills the plugin and ends.
    fn leave(&mut self, status: i32, out: &mut Acting<'_>) {
        self.leaving = true;
        if let Some(plugin) = &self.plugin {
            out.act(Act::Signal { wire: plugin.wire, signal: 9 });
        }
        out.exit(Exit::Code(status));
    }

    /// Answers an operation; of a command line, prints and ends.
    fn reply(&mut self, id: &Value, mut answer: Value, out: &mut Acting<'_>) {
        if self.once.is_none() {
            answer["id"] = id.clone();
            return out.print(line(&answer));
        }
        if let Some(error) = answer["error"].as_str() {
            out.complain(error);
            return self.leave(1, out);
        }
        for chunk in answer["chunks"].as_array().into_iter().flatten() {
            out.print(line(chunk));
        }
        if answer.get("chunks").is_some() {
            self.leave(0, out);
        }
    }

    fn fail(&mut self, id: &Value, why: impl Into<String>, out: &mut Acting<'_>) {
        self.reply(id, json!({"error": why.into()}), out);
    }

    fn operation(&mut self, line: &[u8], out: &mut Acting<'_>) {
        let operation = serde_json::from_slice::<Value>(line).unwrap_or(Value::Null);
        let id = operation["id"].clone();
        match operation["op"].as_str() {
            Some("start") => self.start(&operation, out),
            Some("invoke") => {
                let mut data =
                    json!({"user_id": "plugfest", "type": operation["type"], "action": operation["action"]});
                for (key, value) in operation["request"].as_object().into_iter().flatten() {
                    data[key] = value.clone();
                }
                self.invoke(id, data, out);
            }
            Some("stop") => match &mut self.plugin {
                Some(plugin) => {
                    plugin.stops = Some(id);
                    let wire = plugin.wire;
                    out.act(Act::Signal { wire, signal: 9 });
                }
                None => self.reply(&id, json!({"ready": true}), out),
            },
            _ => self.fail(&id, "an operation is {\"id\", \"op\": start, invoke or stop, ..}", out),
        }
    }

    fn start(&mut self, operation: &Value, out: &mut Acting<'_>) {
        let settings = &operation["settings"];
        let limits = (
            seconds(&settings["heartbeat_timeout"], HEARTBEAT_TIMEOUT),
            seconds(&settings["execution_timeout"], EXECUTION_TIMEOUT),
        );
        let words = |value: &Value| value.as_array().map(|words| words.iter().map(word).collect::<Vec<_>>());
        match (limits, words(&operation["peer"])) {
            ((Some(silence), Some(patience)), Some(command))
                if !command.is_empty() && self.plugin.is_none() =>
            {
                (self.silence, self.patience) = (silence, patience);
                self.launch(command, operation["id"].clone(), out);
            }
            _ => self.fail(
                &operation["id"],
                "start needs `peer`, times in `settings`, and no other plugin",
                out,
            ),
        }
    }

    fn launch(&mut self, argv: Vec<String>, operation: Value, out: &mut Acting<'_>) {
        self.plugins += 1;
        let wire = WireId::own(self.plugins);
        let env = BTreeMap::from([("INSTALL_METHOD".to_owned(), "local".to_owned())]);
        let spawned = out.act(Act::Open { wire, to: Target::Spawn { argv, env, dir: None } });
        self.plugin = Some(Plugin {
            wire,
            spawned,
            lines: Lines::default(),
            ready: false,
            last_line: self.now,
            manifest: Value::Null,
            stderr: String::new(),
            starts: Some(operation),
            stops: None,
        });
    }

    fn start_failed(&mut self, why: &str, status: i32, out: &mut Acting<'_>) {
        let Some(starts) = self.plugin.take().and_then(|plugin| plugin.starts) else { return };
        if self.once.is_some() && status == 3 {
            out.complain(why);
            return self.leave(status, out);
        }
        self.fail(&starts, format!("the plugin failed to start: {why}"), out);
    }

    fn invoke(&mut self, operation: Value, mut data: Value, out: &mut Acting<'_>) {
        let Some(plugin) = self.plugin.as_ref().filter(|plugin| plugin.ready) else {
            return self.fail(&operation, "no plugin is ready", out);
        };
        self.called += 1;
        let session = match self.mutant.as_str() {
            "session-id-twice" => "session".to_owned(),
            _ => format!("session-{}", self.called),
        };
        match self.mutant.as_str() {
            "request-without-user" => drop(data.as_object_mut().and_then(|map| map.remove("user_id"))),
            "action-renamed" => data["action"] = "invoke".into(),
            _ => {}
        }
        let kind = data["type"].as_str().unwrap_or_default().to_owned();
        if !self.is("request-is-not-written") {
            out.write(plugin.wire, line(&to_plugin(&session, "request", data)));
        }
        self.calls.push(Call::new(operation, session, kind, self.now + self.patience));
    }

    fn came(&mut self, wire: WireId, part: Part, bytes: &[u8], out: &mut Acting<'_>) {
        let Some(plugin) = self.plugin.as_mut().filter(|plugin| plugin.wire == wire) else { return };
        if part == Part::Stderr {
            plugin.stderr += &String::from_utf8_lossy(bytes);
            return;
        }
        plugin.lines.feed(bytes);
        while let Some(plugin) = &mut self.plugin {
            let Some((_, line)) = plugin.lines.next_line() else { return };
            let line = line.to_vec();
            plugin.last_line = self.now;
            self.line(&line, out);
        }
    }

    fn line(&mut self, line: &[u8], out: &mut Acting<'_>) {
        let Ok(event) = serde_json::from_slice::<Value>(line) else {
            if self.is("stray-line-fails-calls") && !line.trim_ascii().is_empty() {
                self.fail_all("the plugin wrote a line that is no JSON", out);
            }
            return;
        };
        let Some(plugin) = &mut self.plugin else { return };
        match event["event"].as_str() {
            Some("heartbeat") if !plugin.ready => {
                plugin.ready = true;
                let starts = plugin.starts.take().unwrap_or_default();
                self.ready(starts, out);
            }
            Some("session") => self.session(&event, out),
            None if event.is_object() => {
                plugin.manifest = event;
                if self.is("manifest-ends-start") {
                    self.start_failed("a line without event", 1, out);
                }
            }
            _ => {}
        }
    }

    fn ready(&mut self, starts: Value, out: &mut Acting<'_>) {
        match &self.once {
            None => self.reply(&starts, json!({"ready": true}), out),
            Some(once) => {
                let mut data = json!({"user_id": "plugfest", "type": "tool", "action": "invoke_tool"});
                for (key, value) in once.request.as_object().into_iter().flatten() {
                    data[key] = value.clone();
                }
                self.invoke(Value::Null, data, out);
            }
        }
    }

    /// A message of a session: to its call, if there is one.
    fn session(&mut self, event: &Value, out: &mut Acting<'_>) {
        let id = event["session_id"].as_str().unwrap_or_default();
        let Some(at) = self.calls.iter().position(|call| call.session == id) else {
            if self.is("unknown-session-fails-calls") {
                self.fail_all("a message for an unknown session", out);
            } else if self.is("surplus-goes-to-next-call") && event["data"]["type"] == "stream" {
                self.calls.iter_mut().for_each(|call| call.chunks.push(event["data"]["data"].clone()));
            }
            return;
        };
        let (kind, data) = (event["data"]["type"].as_str(), &event["data"]["data"]);
        match (kind, data.is_object()) {
            (Some("stream"), _) => self.calls[at].chunks.push(data.clone()),
            (Some("end"), _) => {
                let call = self.calls.remove(at);
                if self.is("empty-end-is-an-error") && call.chunks.is_empty() {
                    return self.fail(&call.operation, "the plugin gave nothing", out);
                }
                self.reply(&call.operation, json!({"chunks": call.chunks}), out);
            }
            (Some("error"), _) => self.session_failed(at, data, out),
            (Some("invoke"), true) => self.call_back(at, data, out),
            (Some(_), true) if self.is("unknown-type-is-ignored") => {}
            (Some(other), true) => {
                self.fail_call(at, &format!("unknown_stream_message_type: {other}"), out);
            }
            _ => self.fail_call(at, "the plugin sent a malformed session message", out),
        }
    }

    fn session_failed(&mut self, at: usize, data: &Value, out: &mut Acting<'_>) {
        let args_fit =
            data["args"].is_null() || data["args"].as_object().is_some_and(|args| args.len() <= 10);
        match (data["error_type"].as_str(), data["message"].as_str().unwrap_or_default()) {
            (Some(kind), message) if args_fit => self.fail_call(at, &format!("{kind}: {message}"), out),
            _ if self.is("malformed-error-is-success") => {}
            _ => self.fail_call(at, "the plugin sent a malformed error", out),
        }
    }

    fn fail_call(&mut self, at: usize, why: &str, out: &mut Acting<'_>) {
        let call = self.calls.remove(at);
        self.fail(&call.operation, why, out);
    }

    fn fail_all(&mut self, why: &str, out: &mut Acting<'_>) {
        while !self.calls.is_empty() {
            self.fail_call(0, why, out);
        }
    }

    /// A call back of the plugin: answered at once, the last answer is an end.
    fn call_back(&mut self, at: usize, data: &Value, out: &mut Acting<'_>) {
        let Some(plugin) = &self.plugin else { return };
        let id = data["backwards_request_id"].as_str().unwrap_or_default();
        let complete = data["type"].is_string() && !id.is_empty() && data["request"].is_object();
        if !complete {
            if !self.is("incomplete-call-back-is-ignored") {
                self.fail_call(
                    at,
                    "invoke_dify_error: the call back lacks type, backwards_request_id or request",
                    out,
                );
            }
            return;
        }
        let manifest = if self.is("permission-is-not-asked") { &calls::EVERYTHING } else { &plugin.manifest };
        let id = if self.is("call-back-id-is-lost") { "" } else { id };
        let call = &self.calls[at];
        let mut answers = calls::answer(&call.kind, manifest, data, id, &mut self.stored);
        if self.is("call-back-without-end") {
            answers.pop();
        }
        for answer in answers {
            out.write(plugin.wire, line(&to_plugin(&call.session, "backwards_response", answer)));
        }
    }

    fn exited(&mut self, wire: WireId, status: Exit, out: &mut Acting<'_>) {
        if self.leaving || self.plugin.as_ref().is_none_or(|plugin| plugin.wire != wire) {
            return;
        }
        let Some(plugin) = self.plugin.take() else { return };
        let how = format!("it ended with {status:?}; {}", plugin.stderr.trim());
        if let Some(starts) = plugin.starts.filter(|_| !plugin.ready) {
            self.fail(&starts, format!("the plugin failed to start: {how}"), out);
        }
        if !self.is("death-leaves-calls-waiting") {
            self.fail_all(&format!("the plugin is gone: {how}"), out);
        }
        if let Some(stops) = plugin.stops {
            self.reply(&stops, json!({"ready": true}), out);
        }
    }

    /// When the plugin counts as dead.
    fn dies(&self) -> Option<Nanos> {
        let plugin = self.plugin.as_ref().filter(|plugin| plugin.stops.is_none())?;
        let watched =
            !self.is(if plugin.ready { "heartbeat-is-not-watched" } else { "start-is-not-watched" });
        watched.then_some(plugin.last_line + self.silence)
    }

    fn time(&mut self, out: &mut Acting<'_>) {
        while let Some(at) = self.calls.iter().position(|call| call.until <= self.now) {
            if self.is("no-execution-limit") {
                self.calls[at].until = Nanos::MAX;
            } else {
                self.fail_call(at, "killed by timeout", out);
            }
        }
        if self.dies().is_some_and(|at| at <= self.now) {
            let Some(plugin) = &mut self.plugin else { return };
            out.act(Act::Signal { wire: plugin.wire, signal: 9 });
            plugin.last_line = self.now;
        }
    }

    fn set_alarm(&mut self, out: &mut Acting<'_>) {
        let of_calls = self.calls.iter().map(|call| call.until).filter(|until| *until != Nanos::MAX);
        if let Some(next) = of_calls.chain(self.dies()).min() {
            out.wake(next);
        }
    }
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
