//! The reference daemon: ping, instances, launch, calls. Where the deployed daemon is weak it follows the document.

use std::collections::BTreeMap;

use super::call::{Call, target};
use super::install::Task;
use super::mutants::is_mutant;
use super::web::{header, json_bytes};
use crate::actor::{
    Act, ActId, Actor, Address, CloseHow, Doing, Event, Exit, Nanos, Part, SECOND, Target, Value, What,
    WireId,
};
use crate::codec::http1::{Asked, Format, Http1, request_bytes};
use crate::codec::lines::JsonLines;
use crate::codec::{Codec, Message, json};
use crate::datum::{Datum, Kind};
use crate::mocks::{Acting, Hands, option};
use crate::play::parse_url;

/// Makes a daemon from its command line.
///
/// # Errors
/// A command line that is none.
pub(super) fn make(args: &[String]) -> Result<Box<dyn Actor>, String> {
    let mut args = args.to_vec();
    let mutant = option(&mut args, "--mutant").unwrap_or_default();
    if !mutant.is_empty() && !is_mutant("daemon", &mutant) {
        return Err(format!("the dify-sri daemon has no mutant `{mutant}`"));
    }
    let profile = option(&mut args, "--profile").unwrap_or_else(|| "document".into());
    if !["document", "go-daemon"].contains(&profile.as_str()) {
        return Err(format!("--profile is document or go-daemon, not {profile:?}"));
    }
    let (url, key) = (option(&mut args, "--url"), option(&mut args, "--api-key"));
    let invoked = match option(&mut args, "--invoke") {
        Some(text) => Some(json::parse(text.as_bytes()).map_err(|error| format!("--invoke: {error}"))?),
        None => None,
    };
    let mut daemon = Daemon { mutant, posts_ping: profile == "go-daemon", invoked, ..Daemon::default() };
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve"] => {}
        ["launch", package] => {
            daemon.url = url.ok_or("--url is missing: where is the runtime?")?;
            daemon.key = key.ok_or("--api-key is missing: the key that the runtime wants")?;
            parse_url(&daemon.url)?;
            daemon.package = Some((*package).to_owned());
        }
        _ => return Err("say `serve`, or `launch PACKAGE --url U --api-key K`".into()),
    }
    Ok(Box::new(daemon))
}

/// The call of the conformance plugin that shows that it lives.
const ECHO: &str = r#"{"type": "tool", "action": "invoke_tool", "request":
    {"provider": "plugfest", "tool": "echo", "credentials": {}, "tool_parameters": {"text": "hello"}}}"#;

/// The daemon.
#[derive(Default)]
pub(super) struct Daemon {
    mutant: String,
    posts_ping: bool,
    hands: Hands,
    input: JsonLines,
    url: String,
    key: String,
    /// The package that the command `launch` launches.
    package: Option<String>,
    /// What it calls then: `{type, action, request}`.
    invoked: Option<Datum>,
    timeouts: Timeouts,
    exchanges: BTreeMap<WireId, Exchange>,
    next_wire: u32,
    tasks: Vec<Task>,
    calls: Vec<Call>,
    /// Calls that are tried again, and when.
    retries: Vec<(Nanos, usize)>,
    reads: BTreeMap<ActId, usize>,
    now: Nanos,
}

/// Settings of `start`, in seconds.
struct Timeouts {
    launch: u64,
    read: u64,
    ping: u64,
    /// Most requests of one call.
    retries: u64,
    /// Most bytes of a request of a call.
    max_request: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { launch: 240, read: 60, ping: 5, retries: 3, max_request: 5 << 20 }
    }
}

/// How long a call may take.
const CALL: Nanos = 600 * SECOND;

/// A request and what came of it so far.
struct Exchange {
    codec: Http1,
    purpose: Purpose,
    request: Vec<u8>,
    status: i64,
    body: Vec<u8>,
    deadline: Nanos,
    /// Whether the request went out.
    sent: bool,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Purpose {
    /// The ping of the operation with this id.
    Ping(i128),
    /// The instances of a task.
    Instances(usize),
    /// The launch of a task.
    Launch(usize),
    /// A call of a function.
    Call(usize),
}

/// A request that is to be sent.
struct Request<'a> {
    url: &'a str,
    method: &'a str,
    path: String,
    headers: Vec<(&'a str, String)>,
    body: Option<Vec<u8>>,
    deadline: Nanos,
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
            What::Start { .. } if self.package.is_some() => self.ping(0, out),
            What::Bytes { wire: WireId::STDIO, bytes, .. } => {
                self.input.feed(&bytes.0);
                while let Some(next) = self.input.next() {
                    match next {
                        Ok(message) => self.operation(&message.datum, out),
                        Err(malformed) => out.complain(&malformed.reason),
                    }
                }
            }
            What::Ended { wire: WireId::STDIO, part: Part::Main } if self.package.is_none() => {
                out.exit(Exit::Code(0));
            }
            What::Signal { wire: WireId::STDIO, signal: 2 | 15 } => out.exit(Exit::Code(0)),
            What::Opened { wire, .. } => {
                if let Some(exchange) = self.exchanges.get_mut(wire) {
                    exchange.sent = true;
                    out.write(*wire, std::mem::take(&mut exchange.request));
                }
            }
            What::Bytes { wire, bytes, .. } => self.bytes(*wire, &bytes.0, out),
            What::Ended { wire, .. } => self.over(*wire, "the connection ended too soon", out),
            What::Closed { wire, .. } => self.over(*wire, "the connection was reset", out),
            What::Failed { why, .. } => {
                let waiting = self.exchanges.keys().next().copied();
                if let Some(wire) = waiting {
                    self.over(wire, &why.text, out);
                }
            }
            What::Got { act, value } => self.got(*act, value, out),
            What::Time => self.time(out),
            _ => {}
        }
    }

    /// An operation of the driver.
    fn operation(&mut self, message: &Datum, out: &mut Acting<'_>) {
        let text = |key: &str| message.get(key).and_then(Datum::as_inserted).unwrap_or_default();
        let id = message.get("id").and_then(Datum::as_int).unwrap_or_default();
        match text("op").as_str() {
            "start" => {
                (self.url, self.key) = (text("url"), text("api_key"));
                let setting = |key: &str| {
                    let value = message.get("settings").and_then(|settings| settings.get(key));
                    value.and_then(Datum::as_int).and_then(|value| u64::try_from(value).ok())
                };
                let usual = Timeouts::default();
                self.timeouts = Timeouts {
                    launch: setting("launch_timeout").unwrap_or(usual.launch),
                    read: setting("read_timeout").unwrap_or(usual.read),
                    ping: setting("ping_timeout").unwrap_or(usual.ping),
                    retries: setting("retries").unwrap_or(usual.retries),
                    max_request: setting("max_request").unwrap_or(usual.max_request),
                };
                self.ping(id, out);
            }
            "install" | "reinstall" => {
                let task = self.install(&text("package"), text("op") == "install", out);
                self.reply(id, vec![("task", Datum::text(format!("t{task}")))], out);
            }
            "task_state" => {
                let task = text("task").trim_start_matches('t').parse().ok();
                let task = task.and_then(|task: usize| self.tasks.get(task));
                let answer = match task {
                    Some(task) => {
                        vec![
                            ("state", Datum::text(task.state.name())),
                            ("message", Datum::text(&task.message)),
                        ]
                    }
                    None => vec![("error", Datum::text("there is no such task"))],
                };
                self.reply(id, answer, out);
            }
            "dispatch" => {
                let request = message.get("request").cloned().unwrap_or(Datum::Null);
                self.dispatch(id, text("type"), text("action"), request, out);
            }
            "stop" => self.reply(id, Vec::new(), out),
            other => self.reply(id, vec![("error", Datum::text(format!("{other} is not known here")))], out),
        }
    }

    fn reply(&self, id: i128, fields: Vec<(&str, Datum)>, out: &mut Acting<'_>) {
        let id = u64::try_from(id).unwrap_or_default();
        let message = Datum::map([("id", Datum::from(id))].into_iter().chain(fields));
        out.print([json_bytes(&message), b"\n".to_vec()].concat());
    }

    fn ping(&mut self, id: i128, out: &mut Acting<'_>) {
        let method = if self.posts_ping { "POST" } else { "GET" };
        let method = match self.mutant.as_str() {
            "ping-other-method-post" => "GET",
            "ping-other-method" => "POST",
            _ => method,
        };
        let deadline = self.now + self.timeouts.ping * SECOND;
        let path = if self.is("ping-elsewhere") { "/v1/ping" } else { "/ping" };
        let headers = vec![("Authorization", self.shown_key())];
        let url = self.url.clone();
        let request = Request { url: &url, method, path: path.into(), headers, body: None, deadline };
        self.send(Purpose::Ping(id), request, out);
    }

    /// Begins an installation; gives the number of its task.
    fn install(&mut self, package: &str, asks: bool, out: &mut Acting<'_>) -> usize {
        let number = self.tasks.len();
        self.tasks.push(Task { asks, ..Task::default() });
        let read = out.act(Act::Read { path: package.into() });
        self.reads.insert(read, number);
        number
    }

    fn got(&mut self, act: ActId, value: &Value, out: &mut Acting<'_>) {
        let Some(number) = self.reads.remove(&act) else { return };
        match value {
            Value::File(blob) => {
                let task = &mut self.tasks[number];
                task.filename = crate::package::filename("package", &blob.0);
                task.bytes.clone_from(&blob.0);
                if task.asks && !self.is("launches-without-asking") {
                    self.instances(number, out);
                } else {
                    self.launch(number, out);
                }
            }
            other => {
                self.tasks[number].fail(&format!("the package cannot be read: {other:?}"));
                self.tell(number, out);
            }
        }
    }

    fn instances(&mut self, number: usize, out: &mut Acting<'_>) {
        let name = self.tasks[number].filename.replace('@', "%40");
        let path = format!("/v1/runner/instances?filename={name}");
        let deadline = self.now + self.timeouts.read * SECOND;
        let headers = vec![("Authorization", self.shown_key())];
        let url = self.url.clone();
        let request = Request { url: &url, method: "GET", path, headers, body: None, deadline };
        self.send(Purpose::Instances(number), request, out);
    }

    fn launch(&mut self, number: usize, out: &mut Acting<'_>) {
        let (kind, body) = self.tasks[number].form(&self.mutant);
        let headers = vec![("Authorization", self.shown_key()), ("Content-Type", kind)];
        let deadline = self.now + self.timeouts.launch * SECOND;
        let url = self.url.clone();
        let path = "/v1/launch".to_owned();
        let request = Request { url: &url, method: "POST", path, headers, body: Some(body), deadline };
        self.send(Purpose::Launch(number), request, out);
    }

    /// The value of `Authorization`.
    fn shown_key(&self) -> String {
        if self.is("key-with-bearer") { format!("Bearer {}", self.key) } else { self.key.clone() }
    }

    /// Calls the function of the latest installation.
    fn dispatch(
        &mut self,
        id: i128,
        kind: String,
        action: String,
        request: Datum,
        out: &mut Acting<'_>,
    ) -> usize {
        let number = self.calls.len();
        self.calls.push(Call::new(id, number as u64, kind, action, request));
        self.try_call(number, out);
        number
    }

    fn try_call(&mut self, number: usize, out: &mut Acting<'_>) {
        let told = self.tasks.iter().rev().find(|task| task.is_success()).and_then(|task| task.told.clone());
        let body = self.calls[number].body(&self.mutant);
        let call = &mut self.calls[number];
        let why = match &told {
            None => Some("no plugin is installed".to_owned()),
            Some(_) if body.len() as u64 > self.timeouts.max_request && self.mutant != "any-size-is-sent" => {
                Some(format!("ServerlessPayloadTooLarge: the request has {} bytes", body.len()))
            }
            Some(_) => None,
        };
        if let Some(why) = why {
            call.over(Err(why));
            return self.called(number, out);
        }
        call.tries += 1;
        let mut headers = vec![
            ("Content-Type", "application/json".to_owned()),
            ("Accept", "text/event-stream".to_owned()),
            ("Dify-Plugin-Session-Id", call.session.clone()),
        ];
        let path = target("", &call.action);
        if self.is("key-sent-to-function") {
            headers.push(("Authorization", self.key.clone()));
        }
        let path = if self.is("action-not-in-query") { "/invoke".to_owned() } else { path };
        let (url, _) = told.unwrap_or_default();
        let deadline = self.now + CALL;
        let request = Request { url: &url, method: "POST", path, headers, body: Some(body), deadline };
        self.send(Purpose::Call(number), request, out);
    }

    fn send(&mut self, purpose: Purpose, request: Request<'_>, out: &mut Acting<'_>) {
        let Request { url, method, path, mut headers, body, deadline } = request;
        let (addr, host, base) = match parse_url(url) {
            Ok(parts) => parts,
            Err(why) => return self.conclude(purpose, 0, why.into_bytes(), out),
        };
        if method == "POST" && body.is_none() {
            headers.push(("Content-Length", "0".into()));
        }
        let path = format!("{base}{path}");
        let fields = Datum::map(headers.into_iter().map(|(name, value)| (name, Datum::text(value))));
        let head =
            Datum::map([("method", Datum::text(method)), ("path", Datum::text(&path)), ("headers", fields)]);
        let request = request_bytes(&head, &host, body.map(Into::into), &|_| None)
            .and_then(|payload| payload.to_vec(&|_| None))
            .unwrap_or_default();
        let mut codec = Http1::client(Box::new(|asked: &Asked, head: &Datum| {
            let is_stream = asked.path.ends_with("/v1/launch");
            let is_call = asked.path.split('?').next().is_some_and(|path| path.ends_with("/invoke"));
            match head.get("status").and_then(Datum::as_int) {
                Some(200) if is_stream => Format::Sse,
                Some(200..=299) if is_call => Format::Lines,
                _ => Format::Bytes,
            }
        }));
        codec.sent(Asked { method: method.into(), path });
        self.next_wire += 1;
        let wire = WireId::own(self.next_wire);
        let exchange =
            Exchange { codec, purpose, request, status: 0, body: Vec::new(), deadline, sent: false };
        self.exchanges.insert(wire, exchange);
        let Address::Tcp(_) = &addr else { return };
        out.act(Act::Open { wire, to: Target::Connect { addr, tls: false } });
        self.wake(out);
    }

    fn wake(&self, out: &mut Acting<'_>) {
        let retries = self.retries.iter().map(|(at, _)| *at);
        if let Some(at) = self.exchanges.values().map(|exchange| exchange.deadline).chain(retries).min() {
            out.wake(at);
        }
    }

    fn time(&mut self, out: &mut Acting<'_>) {
        let late = |(wire, exchange): (&WireId, &Exchange)| (exchange.deadline <= self.now).then_some(*wire);
        let late: Vec<WireId> = self.exchanges.iter().filter_map(late).collect();
        for wire in late {
            self.over(wire, "it took too long", out);
        }
        let (due, later) = std::mem::take(&mut self.retries).into_iter().partition(|(at, _)| *at <= self.now);
        self.retries = later;
        let due: Vec<(Nanos, usize)> = due;
        due.into_iter().for_each(|(_, number)| self.try_call(number, out));
        self.wake(out);
    }

    fn bytes(&mut self, wire: WireId, bytes: &[u8], out: &mut Acting<'_>) {
        if let Some(exchange) = self.exchanges.get_mut(&wire) {
            exchange.codec.feed(bytes);
        }
        self.drain(wire, out);
    }

    fn drain(&mut self, wire: WireId, out: &mut Acting<'_>) {
        while let Some(next) = self.exchanges.get_mut(&wire).and_then(|exchange| exchange.codec.next()) {
            match next {
                Ok(message) => self.message(wire, message, out),
                Err(malformed) if malformed.fatal => return self.over(wire, &malformed.reason, out),
                Err(malformed) if self.call_on(wire).is_some() => {
                    let number = self.call_on(wire).unwrap_or_default();
                    self.calls[number].malformed(&malformed.reason);
                    self.close(wire, out);
                    self.called(number, out);
                }
                Err(_) if self.is("malformed-event-hangs") => {
                    self.exchanges.remove(&wire);
                }
                Err(_) => {}
            }
        }
    }

    fn message(&mut self, wire: WireId, message: Message, out: &mut Acting<'_>) {
        let Some(exchange) = self.exchanges.get_mut(&wire) else { return };
        match (message.kind, exchange.purpose) {
            (Kind::Head, _) => {
                let status = message.datum.get("status").and_then(Datum::as_int);
                exchange.status = status.and_then(|status| i64::try_from(status).ok()).unwrap_or_default();
                let _ = header(&message.datum, "content-type");
            }
            (Kind::Message, Purpose::Launch(number)) if exchange.status == 200 => {
                if self.tasks[number].event(&message.datum, &self.mutant) {
                    self.close(wire, out);
                    self.tell(number, out);
                } else if self.package.is_some() {
                    self.show(&message.datum, out);
                }
            }
            (Kind::Message, Purpose::Call(number)) if (200..300).contains(&exchange.status) => {
                let is_over = self.calls[number].line(&message.datum, &self.mutant);
                if is_over {
                    self.close(wire, out);
                    self.called(number, out);
                }
            }
            (Kind::Message, _) => {
                exchange.body.extend_from_slice(&message.datum.as_bytes().unwrap_or_default());
            }
            (Kind::End, purpose) => {
                let (status, body) = (exchange.status, std::mem::take(&mut exchange.body));
                self.close(wire, out);
                self.conclude(purpose, status, body, out);
            }
            _ => {}
        }
    }

    /// The call that is answered on this wire.
    fn call_on(&self, wire: WireId) -> Option<usize> {
        match self.exchanges.get(&wire)?.purpose {
            Purpose::Call(number) => Some(number),
            _ => None,
        }
    }

    /// A call is over.
    fn called(&mut self, number: usize, out: &mut Acting<'_>) {
        let call = &self.calls[number];
        let (key, value) = call.answer();
        if self.package.is_none() {
            return self.reply(call.operation, vec![(key, value)], out);
        }
        match &call.outcome {
            Some(Err(why)) => {
                out.complain(&format!("the call failed: {why}"));
                out.exit(Exit::Code(1));
            }
            _ => {
                for chunk in &call.chunks {
                    out.print([json_bytes(chunk), b"\n".to_vec()].concat());
                }
                out.exit(Exit::Code(0));
            }
        }
    }

    fn close(&mut self, wire: WireId, out: &mut Acting<'_>) {
        self.exchanges.remove(&wire);
        out.close(wire, CloseHow::Both);
    }

    /// A connection is over, or was given up, before its response was.
    fn over(&mut self, wire: WireId, why: &str, out: &mut Acting<'_>) {
        if let Some(exchange) = self.exchanges.get_mut(&wire) {
            let _ = exchange.codec.finish();
            self.drain(wire, out);
        }
        let Some(exchange) = self.exchanges.remove(&wire) else { return };
        out.close(wire, CloseHow::Both);
        match exchange.purpose {
            Purpose::Ping(id) => self.ready(id, Err(format!("ping: {why}")), out),
            Purpose::Call(number) if exchange.sent && !self.is("reset-tried-again") => {
                self.calls[number].over(Err(why.into()));
                self.called(number, out);
            }
            Purpose::Call(number) => self.conclude(Purpose::Call(number), 502, why.as_bytes().to_vec(), out),
            Purpose::Launch(_) if self.is("broken-stream-hangs") => {}
            Purpose::Instances(number) | Purpose::Launch(number) => {
                self.tasks[number].fail(why);
                self.tell(number, out);
            }
        }
    }

    /// A response has come whole.
    fn conclude(&mut self, purpose: Purpose, status: i64, body: Vec<u8>, out: &mut Acting<'_>) {
        let text = String::from_utf8_lossy(&body).into_owned();
        match purpose {
            Purpose::Ping(id) => {
                let taken: &[&str] = match self.mutant.as_str() {
                    "only-quoted-pong" => &["\"pong\""],
                    "only-bare-pong" => &["pong"],
                    _ => &["pong", "\"pong\""],
                };
                let pong = taken.contains(&text.trim()) || self.is("any-pong");
                let ready = match (status == 200 || self.is("any-ping-status"), pong) {
                    (true, true) => Ok(()),
                    (false, _) => Err(format!("ping was answered with status {status}: {text}")),
                    _ => Err(format!("ping was answered with {text:?}")),
                };
                self.ready(id, ready, out);
            }
            Purpose::Instances(number) => {
                let launches = self.tasks[number].listed(status, &body, &self.mutant);
                if launches { self.launch(number, out) } else { self.tell(number, out) }
            }
            Purpose::Launch(number) => {
                self.tasks[number].stream_ended(status, &text, &self.mutant);
                self.tell(number, out);
            }
            Purpose::Call(number) => {
                match self.calls[number].next_try(status, self.timeouts.retries, &self.mutant) {
                    Some(wait) => {
                        self.retries.push((self.now + wait, number));
                        self.wake(out);
                    }
                    None => {
                        self.calls[number].ended(status, &body, &self.mutant);
                        self.called(number, out);
                    }
                }
            }
        }
    }

    fn ready(&mut self, id: i128, ready: Result<(), String>, out: &mut Acting<'_>) {
        match (self.package.clone(), ready) {
            (None, Ok(())) => self.reply(id, vec![("ready", Datum::from(true))], out),
            (None, Err(why)) => self.reply(id, vec![("error", Datum::text(why))], out),
            (Some(package), Ok(())) => {
                out.print(b"ping: pong\n".to_vec());
                self.install(&package, true, out);
            }
            (Some(_), Err(why)) => {
                out.complain(&why);
                out.exit(Exit::Code(1));
            }
        }
    }

    fn show(&self, event: &Datum, out: &mut Acting<'_>) {
        let text = |key: &str| event.get(key).and_then(Datum::as_inserted).unwrap_or_default();
        let line = format!("{}/{} {}", text("Stage"), text("State"), text("Message"));
        out.print(format!("{}\n", line.trim_end()).into_bytes());
    }

    /// What is called after the launch of the command line: what `--invoke` says; of the conformance plugin `echo`.
    fn to_call(&self, number: usize) -> Option<(String, String, Datum)> {
        let is_ours = self.tasks[number].filename.starts_with("plugfest@conformance@");
        let usual = || is_ours.then(|| json::parse(ECHO.as_bytes()).ok()).flatten();
        let call = self.invoked.clone().or_else(usual)?;
        let text = |key: &str| call.get(key).and_then(Datum::as_inserted).unwrap_or_default();
        Some((text("type"), text("action"), call.get("request").cloned().unwrap_or(Datum::Null)))
    }

    /// Tells what became of the launch on the command line.
    fn tell(&mut self, number: usize, out: &mut Acting<'_>) {
        if self.package.is_none() {
            return;
        }
        let task = &self.tasks[number];
        if task.is_success() {
            let (endpoint, name) = task.told.clone().unwrap_or_default();
            out.print(format!("installed {name} at {endpoint}\n").into_bytes());
            match self.to_call(number) {
                Some((kind, action, request)) => {
                    out.print(format!("invoke {kind} {action} {request}\n").into_bytes());
                    self.dispatch(0, kind, action, request, out);
                }
                None => out.exit(Exit::Code(0)),
            }
        } else {
            out.complain(&format!("failed: {}", task.message));
            out.exit(Exit::Code(1));
        }
    }
}
