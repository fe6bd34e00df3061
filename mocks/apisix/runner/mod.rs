//! The reference runner: configurations by token, calls through the contract's plugins, questions on the way.

use std::collections::BTreeMap;

use super::mutants::is_mutant;
use super::plugin::{Changes, Plugin, Question, Wish};
use crate::actor::{
    Act, Actor, Address, CloseHow, Doing, Event, Exit, Given, Nanos, Payload, SECOND, What, WireId,
};
use crate::codec::{Codec, frame};
use crate::datum::{Datum, Kind};
use crate::mocks::{Acting, Hands, option};
use crate::protocol::apisix::Apisix;

/// The expiry that the deployed gateway sets (apisix/plugins/ext-plugin/helper.lua, lines 54-56), in seconds.
const EXPIRY: u64 = 3600;
/// The codes of error frames (ext-plugin.fbs, lines 49-53).
const BAD_REQUEST: u64 = 0;
const UNAVAILABLE: u64 = 1;
const TOKEN_NOT_FOUND: u64 = 2;

/// Makes a runner from its command line.
///
/// # Errors
/// A command line that is none.
pub fn make(args: &[String]) -> Result<Box<dyn Actor>, String> {
    let mut args = args.to_vec();
    let mutant = option(&mut args, "--mutant").unwrap_or_default();
    if !mutant.is_empty() && !is_mutant("runner", &mutant) {
        return Err(format!("the apisix runner has no mutant `{mutant}`"));
    }
    match args.first() {
        Some(unknown) => Err(format!("unknown option {unknown}")),
        None => Ok(Box::new(Runner { mutant, ..Runner::default() })),
    }
}

/// The runner.
#[derive(Default)]
struct Runner {
    mutant: String,
    hands: Hands,
    now: Nanos,
    expiry: Nanos,
    confs: BTreeMap<u64, Conf>,
    last_token: u64,
    connections: BTreeMap<WireId, Connection>,
    /// When a slow end is over (a mutant).
    ends_at: Option<Nanos>,
}

/// A configuration that was prepared.
struct Conf {
    plugins: Vec<Plugin>,
    key: Option<String>,
    owner: WireId,
    used: Nanos,
}

/// A connection of the gateway.
struct Connection {
    codec: Apisix,
    /// Whether bytes of the frame that comes next are there already.
    inside: bool,
    ended: bool,
    call: Option<Call>,
}

/// A call under way.
struct Call {
    id: Datum,
    plugins: Vec<Plugin>,
    next: usize,
    changes: Changes,
    /// Questions without an answer yet; the first is asked.
    questions: Vec<Question>,
    until: Option<Nanos>,
    stopped: Option<Datum>,
}

impl Actor for Runner {
    fn on(&mut self, event: &Event, doings: &mut Vec<Doing>) {
        self.now = event.at;
        let mut hands = std::mem::take(&mut self.hands);
        self.take(&event.what, &mut hands.at(doings));
        self.hands = hands;
    }
}

impl Runner {
    fn is(&self, mutant: &str) -> bool {
        self.mutant == mutant
    }

    fn take(&mut self, what: &What, out: &mut Acting<'_>) {
        match what {
            What::Start { given, .. } => self.start(given, out),
            What::Failed { why, .. } if self.connections.is_empty() => self.refuse_to_start(&why.text, out),
            What::Opened { wire, .. } => self.opened(*wire, out),
            What::Bytes { wire, bytes, .. } => self.bytes(*wire, &bytes.0, out),
            What::Ended { wire, .. } => self.ended(*wire, out),
            What::Closed { wire, .. } => {
                let connection = self.connections.remove(wire);
                let asking = connection
                    .and_then(|connection| connection.call)
                    .is_some_and(|call| call.until.is_none());
                if asking && self.is("close-in-a-question-ends-runner") {
                    out.exit(Exit::Code(1));
                }
            }
            What::Time => self.time(out),
            What::Signal { wire: WireId::STDIO, signal } => self.signal(*signal, out),
            _ => {}
        }
    }

    fn start(&mut self, given: &Given, out: &mut Acting<'_>) {
        let seconds = given.env.get("APISIX_CONF_EXPIRE_TIME").and_then(|text| text.parse().ok());
        self.expiry = seconds.unwrap_or(EXPIRY) * SECOND;
        let address = given.env.get("APISIX_LISTEN_ADDRESS").map(String::as_str).unwrap_or_default();
        let path = match address.strip_prefix("unix:").filter(|path| !path.is_empty()) {
            Some(path) if self.is("listens-elsewhere") => format!("{path}.sock"),
            Some(path) => path.to_owned(),
            None if self.is("waits-without-address") => return,
            None => return self.refuse_to_start("APISIX_LISTEN_ADDRESS must be unix:PATH", out),
        };
        let over_stale = !self.is("stale-socket-file-stops-it");
        out.act(Act::Listen { wire: WireId::own(1), at: Address::Unix(path), over_stale });
    }

    fn refuse_to_start(&mut self, why: &str, out: &mut Acting<'_>) {
        out.complain(why);
        out.exit(Exit::Code(1));
    }

    fn opened(&mut self, wire: WireId, out: &mut Acting<'_>) {
        if self.is("thirty-connections-at-most") && self.connections.len() >= 30 {
            return out.close(wire, CloseHow::Both);
        }
        let codec = Apisix::runner_side().with_defaults();
        self.connections.insert(wire, Connection { codec, inside: false, ended: false, call: None });
    }

    fn bytes(&mut self, wire: WireId, bytes: &[u8], out: &mut Acting<'_>) {
        let asking = self.connections.get(&wire).is_some_and(|connection| connection.call.is_some());
        let cut_is_lost = self.is("cut-read-is-lost") || (self.is("cut-answer-is-lost") && asking);
        let Some(connection) = self.connections.get_mut(&wire) else { return };
        if cut_is_lost && std::mem::take(&mut connection.inside) {
            connection.codec = Apisix::runner_side().with_defaults();
            return;
        }
        connection.codec.feed(bytes);
        connection.inside = true;
        self.drain(wire, out);
    }

    /// Whether the next frame of a connection may be taken now.
    fn may_read(&self, wire: WireId) -> bool {
        let Some(connection) = self.connections.get(&wire) else { return false };
        let waits =
            |connection: &Connection| connection.call.as_ref().is_some_and(|call| call.until.is_some());
        match self.mutant.as_str() {
            "one-connection-at-a-time" => self.connections.keys().next() == Some(&wire),
            "slow-plugin-holds-up-all" => !self.connections.values().any(waits),
            _ => !waits(connection),
        }
    }

    fn drain(&mut self, wire: WireId, out: &mut Acting<'_>) {
        let mut taken = 0;
        while self.may_read(wire) {
            let Some(connection) = self.connections.get_mut(&wire) else { return };
            let Some(next) = connection.codec.next() else { break };
            connection.inside = false;
            taken += 1;
            if taken > 1 && self.is("second-of-read-is-lost") {
                continue;
            }
            match next {
                Ok(message) => {
                    let length = message.wire.end - message.wire.start - 4;
                    self.message(wire, &message.datum, length, out);
                }
                Err(malformed) => self.damaged(wire, &malformed.reason, out),
            }
        }
        self.leave_if_ended(wire, out);
    }

    fn message(&mut self, wire: WireId, message: &Datum, length: u64, out: &mut Acting<'_>) {
        let kind = message.get("type").and_then(Datum::as_text).unwrap_or_default().into_owned();
        if self.is("refuses-trailing-bytes") && surplus(message, length) >= 48
            || self.is("refuses-longer-tables") && (1..48).contains(&surplus(message, length))
            || self.is("refuses-frames-over-64KiB") && length > 1 << 16
            || self.is("refuses-shorter-tables") && kind == "PrepareConf" && message.get("key").is_none()
        {
            return out.close(wire, CloseHow::Both);
        }
        if self.is("hangs-over-1MiB") && length > 1 << 20
            || self.is("full-frame-is-lost") && length == 0xff_ffff
        {
            return;
        }
        if self.is("bad-utf8-ends-runner") && has_bytes_for_text(message) {
            return out.exit(Exit::Code(1));
        }
        let asking = self.connections.get(&wire).is_some_and(|connection| connection.call.is_some());
        match kind.as_str() {
            _ if asking => self.answered(wire, &kind, message, out),
            "PrepareConf" => self.prepare(wire, message, out),
            "HTTPReqCall" => self.call(wire, message, out),
            "HTTPRespCall" => self.response_call(wire, message, out),
            "Error" | "ExtraInfo" => self.refuse(wire, "unasked-frame", message, out),
            _ => self.refuse(wire, "unknown-type", message, out),
        }
    }

    /// A frame that is no request: error 0.
    fn refuse(&mut self, wire: WireId, what: &str, message: &Datum, out: &mut Acting<'_>) {
        match self.mutant.strip_prefix(what) {
            Some("-ends-runner") => out.exit(Exit::Code(1)),
            Some("-is-ignored") => {}
            Some("-is-echoed") => self.send(wire, message, out),
            _ => self.error(wire, BAD_REQUEST, out),
        }
    }

    fn damaged(&mut self, wire: WireId, reason: &str, out: &mut Acting<'_>) {
        let what = if reason.contains("no bytes") || reason.contains("empty") {
            "empty-frame"
        } else {
            "damaged-buffer"
        };
        let token = Datum::map([("type", Datum::text("PrepareConf")), ("token", Datum::from(9_u64))]);
        self.refuse(wire, what, &token, out);
    }

    fn prepare(&mut self, wire: WireId, message: &Datum, out: &mut Acting<'_>) {
        let entries = message.get("conf").and_then(Datum::as_array).unwrap_or_default();
        let key = message.get("key").and_then(Datum::as_text).map(|key| key.into_owned());
        if entries.is_empty() && self.is("empty-configuration-is-refused")
            || key.is_none() && self.is("key-is-required")
        {
            return self.error(wire, BAD_REQUEST, out);
        }
        let incomplete = |entry: &Datum| entry.get("name").is_none() || entry.get("value").is_none();
        if self.is("incomplete-entry-ends-runner") && entries.iter().any(incomplete) {
            return out.exit(Exit::Code(1));
        }
        let mut plugins: Vec<Plugin> = Vec::new();
        for entry in entries {
            let readable = Plugin::read(entry);
            let is_unknown = readable.is_none();
            plugins.extend(readable);
            if is_unknown && self.is("unknown-plugin-ends-chain") {
                break;
            }
            if is_unknown && self.is("unreadable-plugin-ends-runner") && !incomplete(entry) {
                return out.exit(Exit::Code(1));
            }
        }
        if self.is("configuration-is-forgotten") {
            plugins.clear();
        }
        if self.is("plugins-in-reverse") {
            plugins.reverse();
        }
        let known =
            self.confs.iter().find(|(_, conf)| key.is_some() && conf.key == key).map(|(token, _)| *token);
        match known.filter(|_| self.is("key-is-the-configuration")) {
            Some(token) => return self.prepared(wire, token, out),
            None if self.is("second-token-ends-first") => drop(known.map(|token| self.confs.remove(&token))),
            None => {}
        }
        self.forget_expired();
        if self.is("tokens-repeat-under-load") && self.connections.len() > 8 && self.last_token > 0 {
            return self.prepared(wire, self.last_token, out);
        }
        self.last_token += 1;
        let conf = Conf { plugins, key, owner: wire, used: self.now };
        self.confs.insert(self.last_token, conf);
        self.prepared(wire, self.last_token, out);
    }

    fn prepared(&mut self, wire: WireId, token: u64, out: &mut Acting<'_>) {
        let kind = if self.is("reply-has-another-type") { "HTTPReqCall" } else { "PrepareConf" };
        let field = if self.is("reply-has-another-type") { "id" } else { "token" };
        let reply = Datum::map([("type", Datum::text(kind)), (field, Datum::from(token))]);
        self.send(wire, &reply, out);
        if self.is("prepare-is-answered-twice") {
            self.send(wire, &reply, out);
        }
    }

    /// A configuration lives for its time after its last use, and a fifth longer.
    fn forget_expired(&mut self) {
        let life = match self.mutant.as_str() {
            "expires-early" => self.expiry / 2,
            "never-expires" => Nanos::MAX / 2,
            _ => self.expiry + self.expiry / 5,
        };
        let now = self.now;
        self.confs.retain(|_, conf| conf.used + life > now);
    }

    fn conf(&mut self, wire: WireId, message: &Datum) -> Option<Vec<Plugin>> {
        self.forget_expired();
        let token =
            message.get("token").and_then(Datum::as_int).and_then(|token| u64::try_from(token).ok())?;
        let token = if self.is("runs-the-latest-configuration") { self.last_token } else { token };
        let foreign = self.is("tokens-belong-to-connections");
        let conf = self.confs.get_mut(&token).filter(|conf| !foreign || conf.owner == wire)?;
        conf.used = self.now;
        Some(conf.plugins.clone())
    }

    fn call(&mut self, wire: WireId, message: &Datum, out: &mut Acting<'_>) {
        let length = message.get("src_ip").and_then(Datum::as_bytes).map(|bytes| bytes.len());
        let is_bare = length.is_none() || message.get("path").is_none();
        let method = message.get("method").and_then(Datum::as_text).unwrap_or_default().into_owned();
        if self.is("refuses-long-addresses") && length == Some(16)
            || self.is("refuses-rare-methods") && method == "PROPFIND"
        {
            return self.error(wire, BAD_REQUEST, out);
        }
        if self.is("bare-call-ends-runner") && is_bare {
            return out.exit(Exit::Code(1));
        }
        let plugins = match self.conf(wire, message) {
            Some(plugins) => plugins,
            None if self.is("unknown-token-runs-nothing") => Vec::new(),
            None if self.is("unknown-token-is-bad-request") => return self.error(wire, BAD_REQUEST, out),
            None => return self.error(wire, TOKEN_NOT_FOUND, out),
        };
        let mut changes = Changes::default();
        if self.is("noop-loses-repeats") {
            changes.flatten(message);
        }
        let id = message.get("id").cloned().unwrap_or(Datum::from(0_u64));
        let questions = Vec::new();
        let call = Call { id, plugins, next: 0, changes, questions, until: None, stopped: None };
        if let Some(connection) = self.connections.get_mut(&wire) {
            connection.call = Some(call);
        }
        self.run(wire, out);
    }

    /// Lets the plugins of a call have their turns until one waits or all had theirs.
    fn run(&mut self, wire: WireId, out: &mut Acting<'_>) {
        while let Some(call) = self.connections.get_mut(&wire).and_then(|connection| connection.call.as_mut())
        {
            let Some(plugin) = call.plugins.get(call.next).cloned() else { return self.reply(wire, out) };
            call.next += 1;
            match plugin.run(&mut call.changes) {
                Wish::Next => {}
                Wish::Stop(stop) => {
                    call.stopped = Some(stop);
                    if self.mutant != "runs-on-after-stop" {
                        return self.reply(wire, out);
                    }
                }
                Wish::Ask(mut questions) => {
                    if self.mutant == "body-is-never-asked-for" {
                        questions.retain(|question| *question != Question::Body);
                    }
                    call.questions = questions;
                    if let Some(question) = call.questions.first().map(Question::message) {
                        return self.send(wire, &question, out);
                    }
                }
                Wish::Wait(millis) => {
                    call.until = Some(self.now + millis * 1_000_000);
                    return self.set_alarm(out);
                }
                Wish::Throw => return self.thrown(wire, out),
            }
        }
    }

    fn thrown(&mut self, wire: WireId, out: &mut Acting<'_>) {
        match self.mutant.as_str() {
            "throw-ends-runner" => out.exit(Exit::Code(1)),
            "throw-is-ignored" => self.reply(wire, out),
            "throw-is-silence" => {}
            _ => {
                self.end_call(wire);
                self.error(wire, UNAVAILABLE, out);
            }
        }
    }

    /// An answer to the question that was asked.
    fn answered(&mut self, wire: WireId, kind: &str, message: &Datum, out: &mut Acting<'_>) {
        if kind != "ExtraInfo" && !self.is("any-frame-is-an-answer") {
            self.end_call(wire);
            return self.error(wire, BAD_REQUEST, out);
        }
        let result = message.get("result").and_then(Datum::as_bytes).map(|bytes| bytes.into_owned());
        if result.is_none() && self.is("absent-answer-fails") {
            self.end_call(wire);
            return self.error(wire, UNAVAILABLE, out);
        }
        let Some(call) = self.connections.get_mut(&wire).and_then(|connection| connection.call.as_mut())
        else {
            return;
        };
        let question = call.questions.remove(0);
        let kept = |bytes: &[u8]| {
            if self.mutant == "long-answer-is-cut" { bytes.len().min(1 << 16) } else { bytes.len() }
        };
        match (question, result) {
            _ if self.mutant == "answer-is-ignored" => {}
            (Question::Var(name), Some(value)) => call.changes.set_header(format!("X-Var-{name}"), value),
            (Question::Var(_), None) => {}
            (Question::Body, body) => {
                let length = body.map_or(0, |body| kept(&body));
                call.changes.set_header("X-Body-Length".into(), length.to_string().into_bytes());
            }
        }
        match call.questions.first().map(Question::message) {
            Some(question) => self.send(wire, &question, out),
            None => self.run(wire, out),
        }
    }

    fn reply(&mut self, wire: WireId, out: &mut Acting<'_>) {
        let Some(call) = self.end_call(wire) else { return };
        let id = if self.is("id-is-not-repeated") { Datum::from(1_u64) } else { call.id };
        let mut fields = vec![("type", Datum::text("HTTPReqCall")), ("id", id)];
        match (call.stopped, call.changes.action()) {
            (Some(stop), _) => fields.push(("action", Datum::map([("Stop", self.deviated(stop))]))),
            (None, Some(rewrite)) => fields.push(("action", self.deviated(rewrite))),
            (None, None) => {}
        }
        self.send(wire, &Datum::map(fields), out);
        if self.is("calls-are-answered-twice") {
            let again = Datum::map([("type", Datum::text("HTTPReqCall")), ("id", Datum::from(0_u64))]);
            self.send(wire, &again, out);
        }
    }

    /// What mutants do to an action.
    fn deviated(&self, action: Datum) -> Datum {
        let lost = match self.mutant.as_str() {
            "stop-loses-body" => "body",
            "stop-loses-headers" => "headers",
            "stop-loses-status" => "status",
            _ => "",
        };
        let Datum::Map(mut entries, head) = action else { return action };
        entries.retain(|(key, _)| lost.is_empty() || key.as_text().as_deref() != Some(lost));
        for (_, value) in &mut entries {
            match self.mutant.as_str() {
                "dropped-becomes-empty" => super::plugin::fill_values(value),
                "rewrite-loses-arguments" => super::plugin::without(value, "args"),
                "rewrite-loses-path" => super::plugin::without(value, "path"),
                _ => {}
            }
        }
        Datum::Map(entries, head)
    }

    fn response_call(&mut self, wire: WireId, message: &Datum, out: &mut Acting<'_>) {
        let Some(plugins) = self.conf(wire, message) else { return self.error(wire, TOKEN_NOT_FOUND, out) };
        let id = message.get("id").cloned().unwrap_or(Datum::from(0_u64));
        let mut fields = vec![("type", Datum::text("HTTPRespCall")), ("id", id)];
        for plugin in plugins {
            fields.extend(plugin.respond().into_iter().flatten());
        }
        self.send(wire, &Datum::map(fields), out);
    }

    fn end_call(&mut self, wire: WireId) -> Option<Call> {
        self.connections.get_mut(&wire)?.call.take()
    }

    fn error(&mut self, wire: WireId, code: u64, out: &mut Acting<'_>) {
        let error = Datum::map([("type", Datum::text("Error")), ("code", Datum::from(code))]);
        self.send(wire, &error, out);
    }

    fn send(&mut self, wire: WireId, message: &Datum, out: &mut Acting<'_>) {
        let Some(connection) = self.connections.get_mut(&wire) else { return };
        let mut bytes = Payload::default();
        if connection.codec.encode(Kind::Message, message, &mut bytes).is_ok() {
            return out.write(wire, bytes);
        }
        if self.is("reply-length-wraps") {
            return out.write(wire, super::plugin::wrapped_frame(message));
        }
        self.error(wire, UNAVAILABLE, out);
    }

    fn ended(&mut self, wire: WireId, out: &mut Acting<'_>) {
        let Some(connection) = self.connections.get_mut(&wire) else { return };
        connection.ended = true;
        let asking = connection.call.as_ref().is_some_and(|call| call.until.is_none());
        if asking && self.is("close-in-a-question-ends-runner") {
            return out.exit(Exit::Code(1));
        }
        if asking {
            self.end_call(wire);
        }
        self.leave_if_ended(wire, out);
    }

    fn leave_if_ended(&mut self, wire: WireId, out: &mut Acting<'_>) {
        let Some(connection) = self.connections.get_mut(&wire) else { return };
        if !connection.ended || connection.call.is_some() {
            return;
        }
        let cut = connection.codec.finish().is_some();
        if cut && self.is("cut-frame-keeps-connection") {
            return;
        }
        out.close(wire, CloseHow::Both);
        self.connections.remove(&wire);
        let others: Vec<WireId> = self.connections.keys().copied().collect();
        if self.is("one-connection-at-a-time") {
            others.into_iter().for_each(|wire| self.drain(wire, out));
        }
    }

    fn time(&mut self, out: &mut Acting<'_>) {
        if self.ends_at.is_some_and(|at| at <= self.now) {
            return out.exit(Exit::Code(0));
        }
        let now = self.now;
        let due = |(wire, connection): (&WireId, &mut Connection)| {
            let call = connection.call.as_mut()?;
            call.until.filter(|until| *until <= now)?;
            call.until = None;
            Some(*wire)
        };
        let wires: Vec<WireId> = self.connections.iter_mut().filter_map(due).collect();
        for wire in wires {
            self.run(wire, out);
        }
        for wire in self.connections.keys().copied().collect::<Vec<_>>() {
            self.drain(wire, out);
        }
        self.set_alarm(out);
    }

    fn set_alarm(&mut self, out: &mut Acting<'_>) {
        let calls = self.connections.values().filter_map(|connection| connection.call.as_ref());
        if let Some(at) = calls.filter_map(|call| call.until).min() {
            out.wake(at);
        }
    }

    fn signal(&mut self, signal: i32, out: &mut Acting<'_>) {
        match (signal, self.mutant.as_str()) {
            (15, "term-is-ignored") | (2, "interrupt-is-ignored") => {}
            (15, "ends-late") => {
                self.ends_at = Some(self.now + 3 * SECOND / 2);
                out.wake(self.now + 3 * SECOND / 2);
            }
            (15, "ends-with-status-one") => out.exit(Exit::Code(1)),
            (15 | 2, _) => out.exit(Exit::Code(0)),
            _ => {}
        }
    }
}

/// By how much a payload is longer than the ordinary library writes it.
fn surplus(message: &Datum, length: u64) -> u64 {
    let mut plain = Payload::default();
    let written = Apisix::gateway_side().encode(Kind::Message, message, &mut plain);
    let plain =
        written.ok().and_then(|()| plain.to_vec(&|_| None).ok()).map_or(0, |bytes| bytes.len() as u64);
    (length + frame::HEAD as u64).saturating_sub(plain)
}

/// Whether a name or value of headers is no text.
fn has_bytes_for_text(message: &Datum) -> bool {
    let headers = message.get("headers").and_then(Datum::as_array).unwrap_or_default();
    headers.iter().any(|entry| entry.get("value").is_some_and(|value| value.as_text().is_none()))
}
