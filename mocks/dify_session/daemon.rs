//! The fake daemon: launches a plugin command, watches its heartbeats, invokes it, answers its calls back.
//!
//! As a driver (`serve`) it does what operations ask for; with `--invoke` it does one invocation and ends.

mod debug;
mod messages;
mod registration;
mod serverless;
mod transaction;

use std::collections::BTreeMap;

pub(super) use serverless::Settings;

use serde_json::{Value, json};

use super::calls::{self, Call};
use super::command::{Debug, Limits, Once};
use crate::actor::{Act, ActId, Exit, Failure, Nanos, Part, Target, What, WireId};
use crate::codec::lines::Lines;
use crate::mocks::{Acting, Role};
use crate::protocol::dify_session::message::{line, to_plugin};

/// Most bytes of standard error that an error text carries (instance.go 281-297).
const STDERR: usize = 1024;

/// The daemon.
pub(super) struct Daemon {
    mutant: String,
    once: Option<Once>,
    /// Where the command line wants it to wait for a plugin.
    debug: Option<Debug>,
    server: Option<debug::Server>,
    operations: Lines,
    limits: Limits,
    command: Vec<String>,
    plugin: Option<Plugin>,
    plugins: u32,
    calls: Vec<Call>,
    /// What a mutant keeps for the next call.
    surplus: Vec<Value>,
    called: u64,
    stored: BTreeMap<String, String>,
    leaving: bool,
    /// The plugin, where it is reached by HTTP.
    remote: Option<serverless::Remote>,
}

/// A plugin that was launched.
struct Plugin {
    wire: WireId,
    spawned: ActId,
    /// It came over a debug connection.
    remote: bool,
    lines: Lines,
    ready: bool,
    launched: Nanos,
    last_line: Nanos,
    /// Why we killed it.
    killed: Option<&'static str>,
    manifest: Value,
    stderr: Vec<u8>,
    /// The operation that waits for it to be ready, and the one that waits for its end.
    starts: Option<Value>,
    stops: Option<Value>,
}

impl Plugin {
    fn new(wire: WireId, spawned: ActId, now: Nanos, starts: Option<Value>) -> Self {
        Self {
            wire,
            spawned,
            remote: false,
            lines: Lines::default(),
            ready: false,
            launched: now,
            last_line: now,
            killed: None,
            manifest: Value::Null,
            stderr: Vec::new(),
            starts,
            stops: None,
        }
    }
}

impl Role for Daemon {
    fn take(&mut self, what: &What, out: &mut Acting<'_>) {
        match what {
            What::Start { .. } => {
                if let Some(once) = &self.once {
                    self.command.clone_from(&once.command);
                    match (once.web.clone(), self.debug.take()) {
                        (Some(web), _) => {
                            let settings = Settings::of(&Value::Null);
                            self.reach(&web.url, settings, &web.listen, Value::Null, out);
                        }
                        (None, Some(debug)) => self.listen(&debug, None, out),
                        (None, None) => self.launch(Some(Value::Null), out),
                    }
                }
            }
            _ if self.on_web(what, out) || self.debugs(what, out) => {}
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
            What::Failed { act, why, .. }
                if self.plugin.as_ref().is_some_and(|plugin| plugin.spawned == *act) =>
            {
                let cannot = matches!(why.failure, Failure::NotFound | Failure::NotExecutable);
                self.start_failed(&why.text, cannot, out);
            }
            What::Time => self.time(out),
            _ => {}
        }
        if self.mutant == "one-request-at-a-time" {
            self.write_requests(out);
        }
        self.set_alarm(out);
    }
}

impl Daemon {
    pub(super) fn new(mutant: String, once: Option<Once>, debug: Option<Debug>, limits: Limits) -> Self {
        Self {
            mutant,
            once,
            debug,
            server: None,
            operations: Lines::default(),
            limits,
            command: Vec::new(),
            plugin: None,
            plugins: 0,
            calls: Vec::new(),
            surplus: Vec::new(),
            called: 0,
            stored: BTreeMap::new(),
            leaving: false,
            remote: None,
        }
    }

    fn is(&self, mutant: &str) -> bool {
        self.mutant == mutant
    }

    /// Kills the plugin and ends.
    fn leave(&mut self, status: i32, out: &mut Acting<'_>) {
        self.leaving = true;
        self.end_child(out);
        if let Some(plugin) = self.plugin.as_ref().filter(|plugin| !plugin.remote) {
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
                let (kind, action) = (operation["type"].clone(), operation["action"].clone());
                self.invoke(id, data_of(kind, action, &operation["request"]), out);
            }
            Some("registered") => self.await_plugin(id, out),
            Some("stop") if self.server.is_some() => self.stop_listening(&id, out),
            Some("stop") => match &mut self.plugin {
                Some(plugin) => {
                    plugin.stops = Some(id);
                    let wire = plugin.wire;
                    out.act(Act::Signal { wire, signal: 9 });
                }
                None => {
                    self.unreach(out);
                    self.reply(&id, json!({"ready": true}), out);
                }
            },
            _ => {
                self.fail(&id, "an operation is {\"id\", \"op\": start, registered, invoke or stop, ..}", out)
            }
        }
    }

    fn start(&mut self, operation: &Value, out: &mut Acting<'_>) {
        if let (Some(url), true) = (operation["url"].as_str(), operation["peer"].is_null()) {
            self.limits = Limits::of(&operation["settings"]).unwrap_or(self.limits);
            let settings = Settings::of(&operation["settings"]);
            return self.reach(url, settings, "0", operation["id"].clone(), out);
        }
        let debugs = operation["mode"] == "debug" && self.server.is_none();
        if let Some(limits) = Limits::of_debug(&operation["settings"]).filter(|_| debugs) {
            self.limits = limits;
            return self.listen(&Debug::default(), Some(operation["id"].clone()), out);
        }
        let words = |value: &Value| value.as_array().map(|words| words.iter().map(word).collect::<Vec<_>>());
        match (Limits::of(&operation["settings"]), words(&operation["peer"])) {
            (Some(limits), Some(command)) if !command.is_empty() && self.plugin.is_none() => {
                (self.limits, self.command) = (limits, command);
                self.launch(Some(operation["id"].clone()), out);
            }
            _ => self.fail(
                &operation["id"],
                "start needs `peer`, times in `settings`, and no other plugin",
                out,
            ),
        }
    }

    /// Starts the plugin's command, for an operation or in the place of one that died.
    fn launch(&mut self, starts: Option<Value>, out: &mut Acting<'_>) {
        let env = BTreeMap::from([("INSTALL_METHOD".to_owned(), "local".to_owned())]);
        self.launch_with(env, starts, out);
    }

    fn launch_with(&mut self, env: BTreeMap<String, String>, starts: Option<Value>, out: &mut Acting<'_>) {
        self.plugins += 1;
        let wire = WireId::own(self.plugins);
        let argv = self.command.clone();
        let spawned = out.act(Act::Open { wire, to: Target::Spawn { argv, env, dir: None } });
        self.plugin = Some(Plugin::new(wire, spawned, out.now, starts));
    }

    /// The plugin never became ready: what waited for it fails.
    fn start_failed(&mut self, why: &str, cannot_run: bool, out: &mut Acting<'_>) {
        let Some(plugin) = self.plugin.take() else { return };
        if self.once.is_some() && cannot_run {
            out.complain(why);
            return self.leave(3, out);
        }
        let why = format!("the plugin failed to start: {why}");
        self.fail_all(&why, out);
        if let Some(starts) = plugin.starts.filter(|_| !self.is("death-at-start-is-silent")) {
            self.fail(&starts, why, out);
        }
    }

    /// Begins an invocation; of a plugin that is on its way, as soon as it is ready.
    fn invoke(&mut self, operation: Value, mut data: Value, out: &mut Acting<'_>) {
        if self.plugin.is_none() && self.remote.is_none() {
            return self.fail(&operation, "no plugin is running", out);
        }
        self.called += 1;
        let session = match self.mutant.as_str() {
            "session-id-twice" => "session".to_owned(),
            _ => format!("session-{}", self.called),
        };
        match self.mutant.as_str() {
            "request-without-user" => drop(data.as_object_mut().and_then(|map| map.remove("user_id"))),
            "action-renamed" if data["action"] != "invoke_tool" => data["action"] = "invoke".into(),
            "numbers-are-floats" => data = as_floats(data),
            _ => {}
        }
        let mut call = Call::new(operation, session, data, out.now + self.limits.patience);
        call.chunks = std::mem::take(&mut self.surplus);
        let session = call.session.clone();
        self.calls.push(call);
        match self.remote {
            Some(_) => self.post(&session, 1, out),
            None => self.write_requests(out),
        }
    }

    /// Writes what the plugin was not asked yet.
    fn write_requests(&mut self, out: &mut Acting<'_>) {
        let Some(plugin) = self.plugin.as_ref().filter(|plugin| plugin.ready) else { return };
        let waits = plugin.remote && self.mutant == "one-request-at-a-time";
        if waits && self.calls.iter().any(|call| call.is_asked) {
            return;
        }
        for call in
            self.calls.iter_mut().filter(|call| !call.is_asked).take(if waits { 1 } else { usize::MAX })
        {
            call.is_asked = true;
            let times = match self.mutant.as_str() {
                "request-is-not-written" => 0,
                "request-twice" => 2,
                _ => 1,
            };
            for _ in 0..times {
                out.write(plugin.wire, line(&to_plugin(&call.session, "request", call.data.clone())));
            }
        }
    }

    fn came(&mut self, wire: WireId, part: Part, bytes: &[u8], out: &mut Acting<'_>) {
        let Some(plugin) = self.plugin.as_mut().filter(|plugin| plugin.wire == wire) else { return };
        if part == Part::Stderr {
            if self.mutant != "only-heartbeats-count" {
                plugin.last_line = out.now;
            }
            return keep_last(&mut plugin.stderr, bytes);
        }
        if self.mutant == "cut-read-is-lost" && !bytes.ends_with(b"\n") {
            return;
        }
        plugin.lines.feed(bytes);
        while let Some(plugin) = &mut self.plugin {
            let Some((_, line)) = plugin.lines.next_line() else { return };
            let line = line.to_vec();
            let any_counts = match self.mutant.as_str() {
                "only-heartbeats-count" => false,
                "any-line-counts" => true,
                _ => !plugin.remote,
            };
            let counts = any_counts || debug::is_heartbeat(&line);
            if counts && (self.mutant != "heartbeats-do-not-count" || !plugin.ready) {
                plugin.last_line = out.now;
            }
            self.line(&line, out);
        }
    }

    fn exited(&mut self, wire: WireId, status: Exit, out: &mut Acting<'_>) {
        if self.leaving || self.plugin.as_ref().is_none_or(|plugin| plugin.wire != wire) {
            return;
        }
        let Some(plugin) = &self.plugin else { return };
        let how = how_it_ended(plugin.killed.ok_or(status), &plugin.stderr);
        if !plugin.ready && plugin.stops.is_none() {
            return self.start_failed(&how, false, out);
        }
        let stops = self.plugin.take().and_then(|plugin| plugin.stops);
        if self.is("death-leaves-calls-waiting") {
            self.calls.clear();
        }
        self.fail_all(&format!("the plugin is gone: {how}"), out);
        match stops {
            Some(stops) => self.reply(&stops, json!({"ready": true}), out),
            None if self.once.is_none() && !self.is("dead-plugin-stays-away") => self.launch(None, out),
            None => {}
        }
    }

    /// When the plugin counts as dead, and why.
    fn dies(&self) -> Option<(Nanos, &'static str)> {
        let running = |plugin: &&Plugin| plugin.stops.is_none() && plugin.killed.is_none();
        let plugin = self.plugin.as_ref().filter(running)?;
        let (since, why, unwatched) = if plugin.remote {
            (plugin.last_line, "no heartbeat came for too long", "silent-plugin-stays")
        } else if plugin.ready {
            (plugin.last_line, "no line came for too long", "heartbeat-is-not-watched")
        } else {
            (plugin.launched, "no heartbeat came in time", "start-is-not-watched")
        };
        (!self.is(unwatched)).then_some((since + self.limits.silence, why))
    }

    fn time(&mut self, out: &mut Acting<'_>) {
        while let Some(at) = self.calls.iter().position(|call| call.until <= out.now) {
            if self.is("no-execution-limit") {
                self.calls[at].until = Nanos::MAX;
            } else {
                self.fail_call(at, "killed by timeout", out);
            }
        }
        self.web_time(out);
        self.evict(out);
        let due = self.dies().filter(|(at, _)| *at <= out.now);
        if let (Some(_), Some(wire)) = (due, self.plugin.as_ref().filter(|plugin| plugin.remote)) {
            let wire = wire.wire;
            return self.cut_off(wire, out);
        }
        if let Some((_, why)) = due
            && self.is("given-up-plugin-runs-on")
        {
            return self.start_failed(why, false, out);
        }
        if let (Some((_, why)), Some(plugin)) = (due, &mut self.plugin) {
            plugin.killed = Some(why);
            out.act(Act::Signal { wire: plugin.wire, signal: 9 });
        }
    }

    fn set_alarm(&mut self, out: &mut Acting<'_>) {
        let of_calls = self.calls.iter().map(|call| call.until).filter(|until| *until != Nanos::MAX);
        let alarms = [self.dies().map(|(at, _)| at), self.web_alarm(), self.next_eviction(self.limits)];
        let others = alarms.into_iter().flatten();
        if let Some(next) = of_calls.chain(others).min() {
            out.wake(next);
        }
    }
}

/// The data of a request: the envelope's own fields and those of the caller.
fn data_of(kind: Value, action: Value, request: &Value) -> Value {
    let mut data = json!({"user_id": "plugfest"});
    for (key, value) in request.as_object().into_iter().flatten() {
        data[key] = value.clone();
    }
    (data["type"], data["action"]) = (kind, action);
    data
}

/// A mutant: what Go does to numbers that go through an interface.
fn as_floats(value: Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().unwrap_or_default().into(),
        Value::Array(items) => items.into_iter().map(as_floats).collect(),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, as_floats(value))).collect(),
        other => other,
    }
}

/// Keeps the last of what a plugin writes to its standard error.
fn keep_last(kept: &mut Vec<u8>, bytes: &[u8]) {
    kept.extend_from_slice(bytes);
    let surplus = kept.len().saturating_sub(STDERR);
    kept.drain(..surplus);
}

/// How a plugin ended, by us or by itself, and what it wrote to its standard error.
fn how_it_ended(how: Result<&str, Exit>, stderr: &[u8]) -> String {
    let how = match how {
        Ok(why) => why.to_owned(),
        Err(Exit::Code(code)) => format!("it ended with status {code}"),
        Err(Exit::Signal(signal)) => format!("it was ended by signal {signal}"),
    };
    match String::from_utf8_lossy(stderr).trim() {
        "" => how,
        told => format!("{how}; it wrote: {told}"),
    }
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
