//! The reference plugin: the local runtime, on standard input and output; the others lie beside.

mod back;
mod debug;
mod output;
mod serverless;

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::catalogue;
use super::mutants::is_mutant;
use super::tools::{self, Deed};
use crate::actor::{Actor, Exit, Given, Nanos, Part, SECOND, What, WireId};
use crate::codec::lines::Lines;
use crate::mocks::{Acting, Role, actor, option};
use crate::protocol::dify_session::message::{self, text, unusable};
use back::Call;
use debug::Remote;

/// Makes a plugin from its command line.
///
/// # Errors
/// A command line that is none.
pub fn make(args: &[String]) -> Result<Box<dyn Actor>, String> {
    let mut args = args.to_vec();
    let mutant = option(&mut args, "--mutant").unwrap_or_default();
    if !mutant.is_empty() && !is_mutant("plugin", &mutant) {
        return Err(format!("the dify-session plugin has no mutant `{mutant}`"));
    }
    let remote = Remote::of_command(&mut args)?;
    let asks =
        serverless::Asks { port: option(&mut args, "--port"), daemon: option(&mut args, "--daemon-url") };
    match args.first() {
        Some(unknown) => Err(format!("unknown option {unknown}")),
        None => Ok(actor(Plugin { mutant, remote, asks, ..Plugin::default() })),
    }
}

/// The plugin.
#[derive(Default)]
struct Plugin {
    mutant: String,
    /// Where it serves: its standard streams, or a connection once it is open.
    wire: Option<WireId>,
    /// The debug runtime, if that is wanted.
    remote: Option<Remote>,
    lines: Lines,
    interval: Nanos,
    next_beat: Option<Nanos>,
    /// Until when a call back waits for an answer.
    patience: Nanos,
    sessions: Vec<Session>,
    calls: Vec<Call>,
    called: u64,
    leaving: bool,
    /// It looks for input again and again although there is none (a mutant).
    polls: bool,
    deaf: bool,
    /// What a mutant holds back until a session is over.
    spoilt: Option<String>,
    served: u32,
    /// Lines that could not be used, and sessions that failed.
    refused: u32,
    failed: u32,
    /// What a mutant says again later, and what it does not read while it talks.
    first: Option<Vec<Value>>,
    held: Vec<Vec<u8>>,
    /// What the command line says of the serverless runtime, and that runtime.
    asks: serverless::Asks,
    web: Option<serverless::Web>,
}

/// A session whose tool has more to say.
struct Session {
    id: String,
    messages: VecDeque<Value>,
    gap: Nanos,
    due: Nanos,
    busy: bool,
}

impl Role for Plugin {
    fn take(&mut self, what: &What, out: &mut Acting<'_>) {
        match what {
            What::Start { given, .. } => self.start(given, out),
            What::Time => self.time(out),
            What::Signal { wire: WireId::STDIO, signal } => out.exit(Exit::Signal(*signal)),
            _ if self.web.is_some() => self.on_web(what, out),
            What::Bytes { wire, part: Part::Main, bytes } if self.wire == Some(*wire) => {
                self.bytes(&bytes.0, out);
            }
            What::Ended { wire: WireId::STDIO, .. } if self.remote.is_some() => {}
            What::Ended { wire: WireId::STDIO, .. } if self.is("end-of-input-is-polled") => self.polls = true,
            What::Ended { wire: WireId::STDIO, .. } => self.leaving = !self.is("outlives-its-parent"),
            _ => self.connection(what, out),
        }
        self.reads_on(out);
        if self.leaving && self.sessions.is_empty() && self.calls.is_empty() {
            out.exit(Exit::Code(0));
        }
        self.set_alarm(out);
    }
}

impl Plugin {
    fn is(&self, mutant: &str) -> bool {
        self.mutant == mutant
    }

    fn start(&mut self, given: &Given, out: &mut Acting<'_>) {
        let seconds = |name: &str, usual: f64| {
            let value = given.env.get(name).and_then(|text| text.parse::<f64>().ok()).unwrap_or(usual);
            (value.clamp(0.001, 1e6) * SECOND as f64) as Nanos
        };
        self.interval = match self.mutant.as_str() {
            "interval-is-fixed" => 60 * SECOND,
            "interval-is-a-tenth" => seconds("HEARTBEAT_INTERVAL", 10.0) / 10,
            _ => seconds("HEARTBEAT_INTERVAL", 10.0),
        };
        self.patience = seconds("MAX_INVOCATION_TIMEOUT", 250.0);
        self.serve(given, out);
        if self.web.is_some() {
            return;
        }
        if self.is("banner-on-stdout") {
            out.print(b"starting the plugin\n".to_vec());
        }
        if self.is_remote(given, out) {
            return self.dial(out);
        }
        self.wire = Some(WireId::STDIO);
        self.send(&manifest(), out);
        match self.mutant.as_str() {
            "no-heartbeat" => {}
            "first-heartbeat-late" => self.next_beat = Some(out.now + self.interval),
            "one-heartbeat" => self.send(&message::heartbeat(), out),
            _ => self.beat(out),
        }
    }

    fn beat(&mut self, out: &mut Acting<'_>) {
        let is_busy = self.sessions.iter().any(|session| session.busy);
        if !(is_busy && self.is("spin-stops-heartbeats")) {
            self.send(&message::heartbeat(), out);
        }
        self.next_beat = Some(out.now + self.interval);
    }

    fn bytes(&mut self, bytes: &[u8], out: &mut Acting<'_>) {
        if self.is("cut-read-is-lost") && !bytes.ends_with(b"\n") {
            return;
        }
        let mut lines = std::mem::take(&mut self.lines);
        if self.is("cut-character-is-replaced") {
            lines.feed(String::from_utf8_lossy(bytes).as_bytes());
        } else {
            lines.feed(bytes);
        }
        let mut most = if self.is("second-of-read-is-lost") { 1 } else { usize::MAX };
        while let Some((_, line)) = lines.next_line() {
            let is_read = !line.trim_ascii().is_empty() && most > 0;
            if is_read && !self.holds_back(line) {
                self.line(line, out);
            }
            most -= usize::from(is_read);
        }
        self.lines = lines;
    }

    fn line(&mut self, line: &[u8], out: &mut Acting<'_>) {
        if self.deaf {
            return;
        }
        let most = match self.mutant.as_str() {
            "long-line-refused" => 1 << 20,
            "longer-line-refused" => 5 << 20,
            _ => usize::MAX,
        };
        if line.len() > most {
            return self.refuse("the line is too long", out);
        }
        let read = serde_json::from_slice::<Value>(line).map_err(|error| error.to_string());
        let read = read.and_then(Envelope::read);
        if read.is_ok() {
            self.is_accepted();
        }
        match read {
            Ok(envelope) if envelope.event == "request" => self.request(&envelope, out),
            Ok(envelope) => self.answer(&envelope, out),
            Err(why) => self.refuse(&why, out),
        }
    }

    /// A line that cannot be used.
    fn refuse(&mut self, why: &str, out: &mut Acting<'_>) {
        self.refused += 1;
        match self.mutant.as_str() {
            "bad-line-ends-plugin" => out.exit(Exit::Code(1)),
            "second-bad-line-ends-plugin" if self.refused == 2 => out.exit(Exit::Code(1)),
            "bad-line-ends-connection" if self.remote.is_some() => self.hang_up(out),
            "bad-line-makes-deaf" => {
                self.deaf = true;
                self.send(&unusable(why), out);
            }
            "bad-line-is-silent" => {}
            "number-as-id-is-silent" if why.contains("session_id") => {}
            _ => self.send(&unusable(why), out),
        }
    }

    fn request(&mut self, envelope: &Envelope, out: &mut Acting<'_>) {
        let id = envelope.session.as_str();
        self.served += 1;
        if self.is("thirty-sessions-at-most") && self.sessions.len() >= 30 {
            return self.fail(id, "RuntimeError", "busy", out);
        }
        if self.is("null-field-refused") && envelope.has_null {
            return self.fail(id, "ValidationError", "app_id is null", out);
        }
        match self.deed(&envelope.data) {
            Ok(deed) => self.perform(id, deed, out),
            Err((kind, why)) => match self.mutant.as_str() {
                "unknown-is-empty-success" if kind == "ValueError" => self.end(id, out),
                "missing-field-ends-plugin" if kind == "ValidationError" => out.exit(Exit::Code(1)),
                "missing-field-is-silent" if kind == "ValidationError" => {}
                _ => self.fail(id, kind, &why, out),
            },
        }
    }

    /// What a request asks for.
    fn deed(&self, data: &Value) -> Result<Deed, (&'static str, String)> {
        let text = |name: &str| {
            data[name].as_str().ok_or_else(|| ("ValidationError", format!("`{name}` is missing or no text")))
        };
        let (kind, action) = (text("type")?, text("action")?);
        if (kind, action) != ("tool", "invoke_tool") {
            return catalogue::deed(kind, action, data, &self.mutant);
        }
        let (provider, tool) = (text("provider")?, text("tool")?);
        if !data["credentials"].is_object() || !data["tool_parameters"].is_object() {
            return Err(("ValidationError", "`credentials` and `tool_parameters` are objects".into()));
        }
        if provider != "plugfest" {
            return Err(("ValueError", format!("unknown provider `{provider}`")));
        }
        match tools::run(tool, &data["tool_parameters"]) {
            Some(deed) => deed.map_err(|why| ("ValidationError", why)),
            None => Err(("ValueError", format!("unknown tool `{tool}`"))),
        }
    }

    fn perform(&mut self, id: &str, deed: Deed, out: &mut Acting<'_>) {
        match deed {
            Deed::Say { mut messages, gap } => {
                if self.is("order-is-lost") && messages.len() > 30 {
                    messages.swap(17, 18);
                }
                if self.is("blob-in-one-chunk") {
                    messages = in_one_chunk(messages);
                }
                if self.is("blob-is-zeros") {
                    messages.iter_mut().for_each(zero);
                }
                if self.is("fourth-answer-is-the-first") {
                    let first = self.first.get_or_insert_with(|| messages.clone());
                    if self.served > 3 {
                        messages.clone_from(first);
                    }
                }
                self.say(id, messages, gap, out);
            }
            Deed::Nothing => self.end(id, out),
            Deed::Raise { kind, message } => match self.mutant.as_str() {
                "raise-ends-plugin" => out.exit(Exit::Code(1)),
                "raise-is-success" => self.end(id, out),
                _ => self.fail(id, kind, &message, out),
            },
            Deed::Later { after, text: content, busy } => {
                let due = out.now + after;
                let messages = VecDeque::from([text(content)]);
                self.sessions.push(Session { id: id.into(), messages, gap: 0, due, busy });
            }
            Deed::Die(code) => out.exit(Exit::Code(code)),
            Deed::Noise(content) => {
                if self.is("noise-spoils-event") {
                    self.spoilt = Some(content);
                } else {
                    out.complain(&content);
                }
                self.say(id, vec![text("done")], 0, out);
            }
            Deed::Back { kind, request, read } => self.call_back(id, kind, request, read, out),
        }
    }

    /// Says the first message now and the others when their time has come, one of each session in turn.
    fn say(&mut self, id: &str, messages: Vec<Value>, gap: Nanos, out: &mut Acting<'_>) {
        let due = out.now;
        let session = Session { id: id.into(), messages: messages.into(), gap, due, busy: false };
        self.sessions.push(session);
        self.go_on(self.sessions.len() - 1, out);
    }

    /// Gives a session's next message; true if it had its last.
    fn go_on(&mut self, at: usize, out: &mut Acting<'_>) -> bool {
        let now = out.now;
        let session = &mut self.sessions[at];
        let (id, message) = (session.id.clone(), session.messages.pop_front());
        session.due = now + session.gap;
        let is_last = session.messages.is_empty();
        let fits = message.is_none_or(|message| self.stream(&id, message, out));
        if !fits {
            self.sessions.remove(at);
            self.fail(&id, "ValueError", "the message is longer than a line may be", out);
            return true;
        }
        if is_last {
            self.sessions.remove(at);
            self.end(&id, out);
        }
        is_last
    }

    fn time(&mut self, out: &mut Acting<'_>) {
        if self.next_beat.is_some_and(|beat| beat <= out.now) {
            self.beat(out);
        }
        let mut at = 0;
        while at < self.sessions.len() {
            let is_due = self.sessions[at].due <= out.now;
            if !is_due || !self.go_on(at, out) {
                at += 1;
            }
        }
        self.dial_again(out);
        while let Some(at) = self.calls.iter().position(|call| call.until <= out.now) {
            let call = self.calls.remove(at);
            if !self.is("call-back-waits-for-ever") {
                self.fail(&call.session, "Exception", "the call back got no answer", out);
            }
        }
        self.end_silent(out);
        self.close_answered(out);
    }

    fn set_alarm(&mut self, out: &mut Acting<'_>) {
        let of_sessions = self.sessions.iter().map(|session| session.due);
        let of_calls = self.calls.iter().map(|call| call.until);
        let of_polls = self.polls.then_some(out.now + SECOND / 1000);
        let of_dials = self.remote.as_ref().and_then(Remote::due);
        let others = self.next_beat.into_iter().chain(self.silence_ends()).chain(of_polls).chain(of_dials);
        if let Some(next) = of_sessions.chain(of_calls).chain(others).min() {
            out.wake(next);
        }
    }
}

/// What every line of the daemon has.
struct Envelope {
    session: String,
    event: String,
    data: Value,
    has_null: bool,
}

impl Envelope {
    fn read(value: Value) -> Result<Self, String> {
        let Value::Object(mut map) = value else { return Err("a line is a JSON object".into()) };
        let text = |name: &str| {
            let value = map.get(name).and_then(Value::as_str).map(str::to_owned);
            value.ok_or_else(|| format!("`{name}` is missing or no text"))
        };
        let (session, event) = (text("session_id")?, text("event")?);
        if !matches!(event.as_str(), "request" | "backwards_response") {
            return Err(format!("unknown event `{event}`"));
        }
        let data = map.remove("data").filter(Value::is_object).ok_or("`data` is missing or no object")?;
        Ok(Self { session, event, data, has_null: map.values().any(Value::is_null) })
    }
}

fn manifest() -> Value {
    json!({
        "version": "0.0.1", "type": "plugin", "author": "plugfest", "name": "conformance",
        "label": {"en_US": "Conformance"}, "description": {"en_US": "Tools that behave on demand."},
        "icon": "icon.svg", "created_at": "2026-01-01T00:00:00Z",
        "resource": {"memory": 268_435_456, "permission": {
            "model": {"enabled": true, "llm": true}, "storage": {"enabled": true, "size": 1_048_576},
        }},
        "plugins": {"tools": ["provider/plugfest.yaml"]},
        "meta": {"version": "0.0.1", "arch": ["amd64", "arm64"],
                 "runner": {"language": "python", "version": "3.12", "entrypoint": "main"}},
    })
}

/// A chunk of a blob with other bytes, for a mutant.
fn zero(message: &mut Value) {
    if let Some(blob) = message["message"]["blob"].as_str() {
        message["message"]["blob"] = blob.replace(|c| c != '=', "A").into();
    }
}

/// All chunks of a blob as one, for a mutant.
fn in_one_chunk(messages: Vec<Value>) -> Vec<Value> {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    let size = messages[0]["message"]["total_length"].as_u64();
    let Some(size) = size else { return messages };
    let bytes: Vec<u8> = (0..size).map(|k| (k % 251) as u8).collect();
    let mut first = messages[0].clone();
    first["message"]["blob"] = STANDARD.encode(bytes).into();
    let mut last = messages[messages.len() - 1].clone();
    last["message"]["sequence"] = 1.into();
    vec![first, last]
}
