//! The reference client: waits for the server, sends requests side by side, gives each answer to its call.

use std::collections::{BTreeMap, VecDeque};

use super::message::text;
use super::mutants::is_mutant;
use crate::actor::{Act, Actor, Address, CloseHow, Exit, Nanos, Part, SECOND, Target, What, WireId};
use crate::codec::json;
use crate::codec::lines::Lines;
use crate::datum::Datum;
use crate::mocks::encoded::json_line;
use crate::mocks::{Acting, Role, actor, flag, option};

/// How long a call may take (`--timeout`).
const PATIENCE: Nanos = 60 * SECOND;
/// How long a server command may take to end, before it is told so in a stronger way.
const LINGER: Nanos = 2 * SECOND;

/// Makes a client from its command line.
///
/// # Errors
/// A command line that is none, or a request that is no JSON.
pub(super) fn make(args: &[String]) -> Result<Box<dyn Actor>, String> {
    let at = args.iter().position(|arg| arg == "--").unwrap_or(args.len());
    let mut own = args[..at].to_vec();
    let command: Vec<String> = args.iter().skip(at + 1).cloned().collect();
    let mutant = option(&mut own, "--mutant").unwrap_or_default();
    if !mutant.is_empty() && !is_mutant("client", &mutant) {
        return Err(format!("there is no mutant `{mutant}`"));
    }
    let mut requests = Vec::new();
    while let Some(request) = option(&mut own, "--request") {
        let value = json::parse(request.as_bytes())
            .map_err(|error| format!("--request is no JSON: {error}\n  {request}"))?;
        if value.as_map().is_none() {
            return Err(format!(
                "--request is {}, it must be an object {{type, action, request}}",
                value.kind()
            ));
        }
        requests.push(value);
    }
    let connect = option(&mut own, "--connect");
    let timeout = option(&mut own, "--timeout").map(|text| {
        text.parse::<u64>()
            .map(|seconds| seconds * SECOND)
            .map_err(|_| format!("`{text}` is no number of seconds"))
    });
    let patience = timeout.transpose()?.unwrap_or(PATIENCE);
    let serves = flag(&mut own, "serve");
    if let Some(other) = own.first() {
        return Err(format!("unknown option `{other}`"));
    }
    let peer = match (connect, command.is_empty()) {
        (Some(at), true) => Some(Peer::At(at)),
        (None, false) => Some(Peer::Command(command)),
        (None, true) if serves => None,
        _ => return Err("either --connect HOST:PORT or -- SERVER COMMAND says where the server is".into()),
    };
    if !serves && requests.is_empty() {
        return Err("nothing is asked: --request JSON".into());
    }
    Ok(actor(Client {
        mutant,
        serves,
        patience,
        first: peer.map(|peer| (peer, requests)),
        ..Client::default()
    }))
}

/// Where a server is.
#[derive(Clone)]
enum Peer {
    At(String),
    Command(Vec<String>),
}

/// One operation: a server, requests, what came.
struct Session {
    /// The driver's number of it.
    number: Option<Datum>,
    wire: WireId,
    /// The command that we started, where it announces an address or serves.
    server: Option<WireId>,
    lines: Lines,
    ready: bool,
    requests: Vec<Datum>,
    calls: Vec<Call>,
    sent: bool,
}

/// How far the end of a server command is, and when the next step of it is due.
#[derive(Default)]
struct Ending {
    step: Step,
    due: Nanos,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Step {
    #[default]
    Wanted,
    InputClosed,
    Terminated,
    Killed,
}

#[derive(Clone, Default)]
struct Call {
    chunks: Vec<Datum>,
    error: Option<String>,
    is_over: bool,
}

#[derive(Default)]
struct Client {
    mutant: String,
    serves: bool,
    patience: Nanos,
    first: Option<(Peer, Vec<Datum>)>,
    next_wire: u32,
    sessions: BTreeMap<WireId, Session>,
    deadlines: VecDeque<(Nanos, WireId)>,
    /// The server commands that run.
    servers: BTreeMap<WireId, Ending>,
    /// The signal that ends us once they have ended.
    signal: Option<i32>,
    input: Lines,
    input_ended: bool,
    failed: bool,
}

impl Role for Client {
    fn take(&mut self, what: &What, out: &mut Acting<'_>) {
        match what {
            What::Start { .. } => {
                if let Some((peer, requests)) = self.first.take() {
                    self.begin(None, &peer, requests, self.patience, out);
                }
            }
            What::Bytes { wire: WireId::STDIO, bytes, .. } if self.serves => self.told(&bytes.0, out),
            What::Bytes { wire, part: Part::Main, bytes } => self.heard(*wire, &bytes.0, out),
            What::Ended { wire: WireId::STDIO, .. } => {
                self.input_ended = true;
                self.leave_if_idle(out);
            }
            What::Ended { wire, part: Part::Main } | What::Closed { wire, .. } => {
                self.lost(*wire, "the server ended", out);
            }
            What::Exited { wire, .. } => {
                self.servers.remove(wire);
                self.lost(*wire, "the server ended", out);
                self.leave_if_idle(out);
            }
            What::Failed { why, .. } => {
                if let Some(wire) = self.sessions.keys().next_back().copied() {
                    self.servers.remove(&wire);
                    self.lost(wire, &why.text, out);
                }
            }
            What::Time => {
                while let Some((_, wire)) = self.deadlines.pop_front_if(|(at, _)| *at <= out.now) {
                    self.lost(wire, "no answer came in time", out);
                }
                self.end_servers(out);
                self.set_alarm(out);
            }
            What::Signal { wire: WireId::STDIO, signal } => self.told_to_end(*signal, out),
            _ => {}
        }
    }
}

impl Client {
    fn is(&self, mutant: &str) -> bool {
        self.mutant == mutant
    }

    /// A line of whoever drives us: `{id, op: "invoke", peer, requests}`.
    fn told(&mut self, bytes: &[u8], out: &mut Acting<'_>) {
        self.input.feed(bytes);
        let mut asked = Vec::new();
        while let Some((_, line)) = self.input.next_line() {
            asked.push(json::parse(line));
        }
        for asked in asked {
            let Ok(asked) = asked else {
                out.complain("an operation is a line of JSON");
                return out.exit(Exit::Code(2));
            };
            let number = asked.get("id").cloned();
            let requests = asked.get("requests").and_then(Datum::as_array).unwrap_or_default().to_vec();
            let peer = match asked.get("peer") {
                Some(Datum::Array(words, _)) => Peer::Command(
                    words.iter().filter_map(Datum::as_text).map(|word| word.into_owned()).collect(),
                ),
                other => Peer::At(other.and_then(Datum::as_text).unwrap_or_default().into_owned()),
            };
            let limit = asked.get("settings").and_then(|settings| settings.get("call_timeout"));
            let limit = match limit {
                Some(Datum::Float(seconds, _)) => Some(*seconds),
                other => other.and_then(Datum::as_int).map(|seconds| seconds as f64),
            };
            let patience = limit.map_or(self.patience, |seconds| (seconds.max(0.0) * SECOND as f64) as Nanos);
            self.begin(number, &peer, requests, patience, out);
        }
    }

    fn begin(
        &mut self,
        number: Option<Datum>,
        peer: &Peer,
        requests: Vec<Datum>,
        patience: Nanos,
        out: &mut Acting<'_>,
    ) {
        self.next_wire += 1;
        let wire = WireId::own(self.next_wire);
        let to = match peer {
            Peer::At(at) => Target::Connect { addr: Address::Tcp(at.clone()), tls: false },
            Peer::Command(argv) => Target::Spawn { argv: argv.clone(), env: BTreeMap::new(), dir: None },
        };
        let calls = vec![Call::default(); requests.len()];
        let server = matches!(peer, Peer::Command(_)).then_some(wire);
        self.servers.extend(server.map(|wire| (wire, Ending::default())));
        let session = Session {
            number,
            wire,
            server,
            lines: Lines::default(),
            ready: false,
            requests,
            calls,
            sent: false,
        };
        self.sessions.insert(wire, session);
        out.act(Act::Open { wire, to });
        if !self.is("waits-for-ever") {
            let due = out.now + patience;
            let place = self.deadlines.partition_point(|(at, _)| *at <= due);
            self.deadlines.insert(place, (due, wire));
            self.set_alarm(out);
        }
        if self.is("does-not-wait") {
            self.send(wire, out);
        }
    }

    fn heard(&mut self, wire: WireId, bytes: &[u8], out: &mut Acting<'_>) {
        let cuts = self.is("cut-at-a-mebibyte");
        let Some(session) = self.sessions.get_mut(&wire) else { return };
        session.lines.feed(bytes);
        let mut lines = Vec::new();
        while let Some((_, line)) = session.lines.next_line() {
            let line = if cuts { &line[..line.len().min(1 << 20)] } else { line };
            lines.push(match self.mutant == "replies-are-latin-1" {
                true => {
                    json::parse(line.iter().map(|byte| char::from(*byte)).collect::<String>().as_bytes()).ok()
                }
                false => json::parse(line).ok(),
            });
        }
        for message in lines {
            match message {
                Some(message) => self.message(wire, message, out),
                None if self.is("no-json-is-fatal") => return self.lost(wire, "a line is no JSON", out),
                None => {}
            }
        }
        self.finish(wire, out);
    }

    fn message(&mut self, wire: WireId, mut message: Datum, out: &mut Acting<'_>) {
        let Some(session) = self.sessions.get_mut(&wire) else { return };
        let (kind, id) = (text(&message, "type"), text(&message, "invoke_id"));
        let response = message.take("response").unwrap_or_else(|| Datum::map::<String>([]));
        match kind.as_str() {
            "plugin_ready" if !session.ready => {
                session.ready = true;
                return self.send(wire, out);
            }
            "error" if !session.ready && self.mutant == "failed-start-is-passed-over" => return,
            "error" if !session.ready => return self.lost(wire, &text(&response, "error"), out),
            "info" if response.get("port").is_some() && !session.ready && session.server == Some(wire) => {
                if self.mutant == "announcement-is-passed-over" {
                    return;
                }
                return self.follow(wire, &response, out);
            }
            _ => {}
        }
        let number = id.strip_prefix("r").and_then(|number| number.parse::<usize>().ok());
        let open = session.calls.iter().position(|call| !call.is_over);
        let number = if self.mutant == "answers-in-order" && !id.is_empty() { open } else { number };
        let known = ["info", "plugin_response", "plugin_invoke_end", "error", "plugin_ready"]
            .contains(&kind.as_str());
        if !known && self.mutant == "unknown-type-is-fatal" {
            return self.lost(wire, &format!("unknown type {kind}"), out);
        }
        if self.mutant == "info-is-an-answer" && kind == "info" && session.sent && id.is_empty() {
            session.calls[0].chunks.push(response.clone());
        }
        if kind == "error" && session.sent && self.mutant == "error-fails-all" {
            let why = text(&response, "error");
            for call in session.calls.iter_mut().filter(|call| !call.is_over) {
                (call.error, call.is_over) = (Some(why.clone()), true);
            }
        }
        let Some(call) = number.and_then(|number| session.calls.get_mut(number)).filter(|call| !call.is_over)
        else {
            return;
        };
        match kind.as_str() {
            "info" if self.mutant == "info-with-id-is-an-answer" => call.chunks.push(response),
            "plugin_response" => {
                if response == Datum::Null && self.mutant == "null-response-is-an-error" {
                    call.error = Some("a response is null".into());
                }
                call.chunks.push(response);
                call.is_over = self.mutant == "first-chunk-ends";
            }
            "plugin_invoke_end" => {
                match self.mutant.as_str() {
                    "last-chunk-only" => drop(call.chunks.drain(..call.chunks.len().saturating_sub(1))),
                    "chunks-reversed" => call.chunks.reverse(),
                    _ => {}
                }
                if call.chunks.is_empty() && self.mutant == "empty-success-is-an-error" {
                    call.error.get_or_insert_with(|| "nothing came".into());
                }
                call.is_over = true;
            }
            "error" => {
                call.error = Some(text(&response, "error"));
                call.is_over = self.mutant != "error-waits-for-the-end";
                if self.mutant == "error-is-a-chunk" {
                    call.error = None;
                }
            }
            _ => {}
        }
    }

    /// The server listens elsewhere: a wildcard address is this machine.
    fn follow(&mut self, wire: WireId, response: &Datum, out: &mut Acting<'_>) {
        let host = text(response, "host");
        let host = match host.as_str() {
            _ if self.is("announced-host-is-passed-over") => "127.0.0.1",
            "::" | "0.0.0.0" | "" if !self.is("wildcard-taken-literally") => "127.0.0.1",
            host => host,
        };
        let port = response.get("port").and_then(Datum::as_int).unwrap_or_default();
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let Some(session) = self.sessions.remove(&wire) else { return };
        self.next_wire += 1;
        let there = WireId::own(self.next_wire);
        let moved = Session { wire: there, lines: Lines::default(), ..session };
        self.deadlines.iter_mut().filter(|(_, own)| *own == wire).for_each(|(_, own)| *own = there);
        self.sessions.insert(there, moved);
        let addr = match text(response, "info").rsplit_once(' ') {
            Some((_, last)) if self.is("address-from-the-text") => last.to_owned(),
            _ => format!("{host}:{port}"),
        };
        out.act(Act::Open { wire: there, to: Target::Connect { addr: Address::Tcp(addr), tls: false } });
        if self.is("connection-is-ready") {
            self.send(there, out);
        }
    }

    fn send(&mut self, wire: WireId, out: &mut Acting<'_>) {
        let same = self.is("one-id-for-all");
        let bare = self.is("request-left-out");
        let renames = self.is("agent-strategy-is-agent");
        let nulls = self.is("empty-request-is-null");
        let Some(session) = self.sessions.get_mut(&wire).filter(|session| !session.sent) else { return };
        session.sent = true;
        for (number, request) in session.requests.iter().enumerate() {
            let number = if same { 0 } else { number };
            let field = |key: &str| request.get(key).cloned().unwrap_or_else(|| Datum::map::<String>([]));
            let kind = match field("type") {
                kind if renames && kind == Datum::text("agent_strategy") => Datum::text("agent"),
                kind => kind,
            };
            let mut fields = vec![
                ("invoke_id", Datum::text(format!("r{number}"))),
                ("type", kind),
                ("action", field("action")),
            ];
            if !bare {
                let request = field("request");
                let is_empty = request.as_map().is_some_and(<[_]>::is_empty);
                fields.push(("request", if nulls && is_empty { Datum::Null } else { request }));
            }
            out.write(wire, json_line(&Datum::map(fields)));
        }
    }

    /// The server is gone, or does not answer: what is open has failed.
    fn lost(&mut self, wire: WireId, why: &str, out: &mut Acting<'_>) {
        if self.is("death-goes-unnoticed") && why == "the server ended" {
            return;
        }
        let Some(session) = self.sessions.get_mut(&wire) else { return };
        if !session.sent {
            return self.answer(wire, ("error", Datum::text(why)), true, out);
        }
        for call in session.calls.iter_mut().filter(|call| !call.is_over) {
            call.error.get_or_insert_with(|| why.to_owned());
            call.is_over = true;
        }
        self.finish(wire, out);
    }

    fn finish(&mut self, wire: WireId, out: &mut Acting<'_>) {
        let Some(session) = self.sessions.get_mut(&wire).filter(|session| session.sent) else { return };
        if session.calls.iter().any(|call| !call.is_over) {
            return;
        }
        let failed = session.calls.iter().any(|call| call.error.is_some());
        let results = std::mem::take(&mut session.calls).into_iter().map(|call| match call.error {
            Some(error) => Datum::map([("error", Datum::text(error))]),
            None => Datum::map([("chunks", Datum::array(call.chunks))]),
        });
        let results = Datum::array(results);
        self.answer(wire, ("results", results), failed, out);
    }

    fn answer(&mut self, wire: WireId, (name, value): (&str, Datum), failed: bool, out: &mut Acting<'_>) {
        let Some(session) = self.sessions.remove(&wire) else { return };
        self.failed |= failed;
        let number = session.number.map(|number| ("id", number));
        out.print(json_line(&Datum::map(number.into_iter().chain([(name, value)]))));
        if session.server != Some(session.wire) {
            out.close(session.wire, CloseHow::Both);
        }
        if let Some(server) = session.server {
            self.part_from(server, session.wire == server, out);
        }
        self.leave_if_idle(out);
    }

    /// A server ends with its input; one that serves over TCP has to be told.
    fn part_from(&mut self, server: WireId, by_its_input: bool, out: &mut Acting<'_>) {
        let Some(ending) = self.servers.get_mut(&server).filter(|ending| ending.step == Step::Wanted) else {
            return;
        };
        out.close(server, CloseHow::Write);
        *ending = Ending { step: Step::InputClosed, due: out.now + if by_its_input { LINGER } else { 0 } };
        self.end_servers(out);
        self.set_alarm(out);
    }

    /// Takes the steps that are due.
    fn end_servers(&mut self, out: &mut Acting<'_>) {
        let now = out.now;
        for (wire, ending) in self.servers.iter_mut().filter(|(_, ending)| ending.due <= now) {
            let (step, signal) = match ending.step {
                Step::InputClosed => (Step::Terminated, 15),
                Step::Terminated => (Step::Killed, 9),
                Step::Wanted | Step::Killed => continue,
            };
            *ending = Ending { step, due: now + LINGER };
            out.act(Act::Signal { wire: *wire, signal });
        }
    }

    fn set_alarm(&self, out: &mut Acting<'_>) {
        let endings = self.servers.values().filter(|ending| ending.step != Step::Wanted);
        let due = endings.map(|ending| ending.due).filter(|due| *due > out.now);
        let next = due.chain(self.deadlines.front().map(|(at, _)| *at)).min();
        next.into_iter().for_each(|at| out.wake(at));
    }

    /// Nothing that we started outlives us; the second signal does not wait for it.
    fn told_to_end(&mut self, signal: i32, out: &mut Acting<'_>) {
        if self.signal.replace(signal).is_some() {
            return out.exit(Exit::Signal(signal));
        }
        self.sessions.clear();
        let servers: Vec<WireId> = self.servers.keys().copied().collect();
        servers.into_iter().for_each(|wire| self.part_from(wire, false, out));
        self.leave_if_idle(out);
    }

    fn leave_if_idle(&mut self, out: &mut Acting<'_>) {
        if !self.servers.is_empty() {
            return;
        }
        if let Some(signal) = self.signal {
            return out.exit(Exit::Signal(signal));
        }
        if self.sessions.is_empty() && (!self.serves || self.input_ended) {
            out.close(WireId::STDIO, CloseHow::Write);
            out.exit(Exit::Code(i32::from(self.failed && !self.serves)));
        }
    }
}
