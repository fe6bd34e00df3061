//! The reference runner: configurations by token, calls through the contract's plugins, questions on the way.

mod call;

use std::collections::BTreeMap;

use super::mutants::is_mutant;
use super::plugin::{Changes, Plugin, Question};
use crate::actor::{
    Act, Actor, Address, CloseHow, EVERYBODY, Exit, Given, Nanos, Payload, SECOND, What, WireId,
};
use crate::codec::{Codec, frame};
use crate::datum::{Datum, Kind};
use crate::mocks::{Acting, Role, actor, option};
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
        None => Ok(actor(Runner { mutant, ..Runner::default() })),
    }
}

/// The runner.
#[derive(Default)]
struct Runner {
    mutant: String,
    expiry: Nanos,
    confs: BTreeMap<u64, Conf>,
    last_token: u64,
    /// How many configurations have expired.
    lost: usize,
    /// Answers that a mutant keeps from call to call.
    answers: BTreeMap<String, Vec<u8>>,
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
    /// When something came last.
    used: Nanos,
    call: Option<Call>,
    /// How many calls there were.
    calls: u64,
    /// What the calls before changed, where a mutant keeps it.
    kept: Changes,
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

impl Role for Runner {
    fn take(&mut self, what: &What, out: &mut Acting<'_>) {
        match what {
            What::Start { seed, given } => self.start(*seed, given, out),
            What::Failed { why, .. } if self.connections.is_empty() => self.refuse_to_start(&why.text, out),
            What::Opened { wire, .. } => self.opened(*wire, out),
            What::Bytes { wire, bytes, .. } => self.bytes(*wire, &bytes.0, out),
            What::Ended { wire, .. } => self.ended(*wire, out),
            What::Closed { wire, .. } => {
                let connection = self.connections.remove(wire);
                let asking = connection
                    .and_then(|connection| connection.call)
                    .is_some_and(|call| call.until.is_none());
                if asking {
                    self.left_in_a_question(out);
                }
            }
            What::Time => self.time(out),
            What::Signal { wire: WireId::STDIO, signal } => self.signal(*signal, out),
            _ => {}
        }
    }
}

impl Runner {
    fn is(&self, mutant: &str) -> bool {
        self.mutant == mutant
    }

    fn start(&mut self, seed: u64, given: &Given, out: &mut Acting<'_>) {
        self.last_token = if self.is("tokens-begin-at-one") { 0 } else { first_token(seed) };
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
        let mode = if self.is("socket-for-its-owner") { 0o700 } else { EVERYBODY };
        out.act(Act::Listen { wire: WireId::own(1), at: Address::Unix(path), over_stale, mode });
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
        let (used, kept) = (out.now, Changes::default());
        let connection = Connection { codec, inside: false, ended: false, used, call: None, calls: 0, kept };
        self.connections.insert(wire, connection);
    }

    fn bytes(&mut self, wire: WireId, bytes: &[u8], out: &mut Acting<'_>) {
        let asking = self.connections.get(&wire).is_some_and(|connection| connection.call.is_some());
        let cut_is_lost = self.is("cut-read-is-lost") || (self.is("cut-answer-is-lost") && asking);
        let Some(connection) = self.connections.get_mut(&wire) else { return };
        if cut_is_lost && std::mem::take(&mut connection.inside) {
            connection.codec = Apisix::runner_side().with_defaults();
            return;
        }
        let idle = out.now - std::mem::replace(&mut connection.used, out.now);
        if idle > 100 * SECOND && self.mutant == "idle-connection-is-deaf" {
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
        if self.is("full-frame-ends-runner") && length == 0xff_ffff {
            return out.exit(Exit::Code(1));
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
        self.forget_expired(out.now);
        if self.lost > 0 && self.is("expiry-ends-runner") {
            return out.exit(Exit::Code(1));
        }
        if self.is("tokens-repeat-under-load") && self.connections.len() > 8 && !self.confs.is_empty() {
            return self.prepared(wire, self.last_token, out);
        }
        self.last_token += 1;
        let conf = Conf { plugins, key, owner: wire, used: out.now };
        self.confs.insert(self.last_token, conf);
        if self.is("keeps-four-configurations") && self.confs.len() > 4 {
            self.confs.pop_first();
        }
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
    fn forget_expired(&mut self, now: Nanos) {
        let life = match self.mutant.as_str() {
            "expires-early" => self.expiry / 2,
            "never-expires" => Nanos::MAX / 2,
            _ => self.expiry + self.expiry / 5,
        };
        let before = self.confs.len();
        self.confs.retain(|_, conf| conf.used + life > now);
        self.lost += before - self.confs.len();
    }

    fn conf(&mut self, wire: WireId, message: &Datum, now: Nanos) -> Option<Vec<Plugin>> {
        self.forget_expired(now);
        let token =
            message.get("token").and_then(Datum::as_int).and_then(|token| u64::try_from(token).ok())?;
        let token = if self.is("runs-the-latest-configuration") { self.last_token } else { token };
        let foreign = self.is("tokens-belong-to-connections");
        let is_known = self.confs.contains_key(&token);
        let token =
            if self.is("unknown-token-runs-the-latest") && !is_known { self.last_token } else { token };
        let conf = self.confs.get_mut(&token).filter(|conf| !foreign || conf.owner == wire)?;
        conf.used = now;
        Some(conf.plugins.clone())
    }

    fn error(&mut self, wire: WireId, code: u64, out: &mut Acting<'_>) {
        let error = Datum::map([("type", Datum::text("Error")), ("code", Datum::from(code))]);
        self.send(wire, &error, out);
    }

    fn send(&mut self, wire: WireId, message: &Datum, out: &mut Acting<'_>) {
        let Some(connection) = self.connections.get_mut(&wire) else { return };
        let mut bytes = Payload::default();
        if connection.codec.encode(Kind::Message, message, &mut bytes).is_ok() {
            let cut = self.is("reply-length-has-16-bits").then(|| super::plugin::with_short_length(&bytes));
            return out.write(wire, cut.flatten().unwrap_or(bytes));
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
        if asking {
            self.left_in_a_question(out);
            self.end_call(wire);
        }
        self.leave_if_ended(wire, out);
    }

    /// What mutants do when the gateway closes in place of an answer.
    fn left_in_a_question(&mut self, out: &mut Acting<'_>) {
        match self.mutant.as_str() {
            "close-in-a-question-ends-runner" => out.exit(Exit::Code(1)),
            "close-in-a-question-ends-runner-later" => {
                self.ends_at = Some(out.now + SECOND / 20);
                out.wake(out.now + SECOND / 20);
            }
            _ => {}
        }
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
        if self.ends_at.is_some_and(|at| at <= out.now) {
            return out.exit(Exit::Code(0));
        }
        let now = out.now;
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
                self.ends_at = Some(out.now + 3 * SECOND / 2);
                out.wake(out.now + 3 * SECOND / 2);
            }
            (15, "ends-with-status-one") => out.exit(Exit::Code(1)),
            (15, "term-has-no-handler") => out.exit(Exit::Signal(15)),
            (15 | 2, _) => out.exit(Exit::Code(0)),
            _ => {}
        }
    }
}

/// Where tokens begin: elsewhere in every process, so that those of a process before mean nothing to it.
fn first_token(seed: u64) -> u64 {
    seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40
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
