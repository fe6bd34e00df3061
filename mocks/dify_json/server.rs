//! The reference server: opens a package, launches its plugin (or serves a built-in one), serves clients.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::builtin::{self, Entry, Yield};
use super::message::{self, Fault};
use super::mutants::is_mutant;
use crate::actor::{
    Act, ActId, Actor, Address, CloseHow, Doing, Event, Exit, Nanos, Part, SECOND, Value, What, WireId,
};
use crate::codec::lines::Lines;
use crate::datum::Datum;
use crate::mocks::plugin::{self, Plugin, Said};
use crate::mocks::{Acting, Hands, flag, option};
use crate::package::{Archive, Files, Manifest};

/// Where TCP clients arrive.
const LISTENER: WireId = WireId::own(1);
/// The look at the interpreter and its installed packages.
const CHECK: WireId = WireId::own(2);
/// How long the built-in plugin takes to start, so that a request can come before it is ready.
const BUILTIN_START: Nanos = 2_000_000;
/// Status of a server that could not do its part, as of plugfest's own commands.
const NOT_DONE: i32 = 3;

/// Makes a server from its command line.
///
/// # Errors
/// A command line that is none.
pub(super) fn make(args: &[String]) -> Result<Box<dyn Actor>, String> {
    let mut args = args.to_vec();
    let mutant = option(&mut args, "--mutant").unwrap_or_default();
    if !mutant.is_empty() && !is_mutant("server", &mutant) {
        return Err(format!("there is no mutant `{mutant}`"));
    }
    let mode = option(&mut args, "-m").or(option(&mut args, "--mode")).unwrap_or_else(|| "stdio".into());
    let over_tcp = match mode.as_str() {
        "stdio" => false,
        "tcp" => true,
        other => return Err(format!("there is no mode `{other}`: stdio or tcp")),
    };
    let listen = option(&mut args, "--listen").unwrap_or_else(|| "127.0.0.1:0".into());
    let python = option(&mut args, "--python");
    let is_builtin = flag(&mut args, "--builtin");
    let seconds = option(&mut args, "--ready-timeout").unwrap_or_else(|| "120".into());
    let patience = seconds.parse::<u64>().map_err(|_| format!("`{seconds}` is no number of seconds"))?;
    let package = match args.as_slice() {
        [package] if !package.starts_with('-') => package.clone(),
        [] => return Err("the package is missing".into()),
        [other, ..] if other.starts_with('-') => return Err(format!("unknown option `{other}`")),
        _ => return Err("one package is served, no more".into()),
    };
    if is_builtin == python.is_some() {
        return Err("either --python PATH launches the plugin, or --builtin serves in its place".into());
    }
    Ok(Box::new(Server {
        settings: Settings { package, over_tcp, listen, python, patience: patience * SECOND },
        ..Server::of(mutant)
    }))
}

#[derive(Default)]
struct Settings {
    package: String,
    over_tcp: bool,
    listen: String,
    python: Option<String>,
    patience: Nanos,
}

/// How far the server is.
#[derive(PartialEq, Eq, Default)]
enum State {
    #[default]
    Reading,
    Checking,
    Launching,
    Serving,
    Over,
}

/// One who sends requests.
#[derive(Default)]
struct Client {
    lines: Lines,
    /// It sends nothing more.
    ended: bool,
    /// What comes from it is not taken any more (mutants).
    deaf: bool,
}

/// A call that runs.
#[derive(Clone)]
struct Call {
    client: WireId,
    id: String,
}

#[derive(Default)]
struct Server {
    mutant: String,
    settings: Settings,
    hands: Hands,
    now: Nanos,
    state: State,
    read: Option<ActId>,
    files: Files,
    env: BTreeMap<String, String>,
    complaint: String,
    plugin: Plugin,
    clients: BTreeMap<WireId, Client>,
    calls: BTreeMap<u64, Call>,
    next_session: u64,
    /// What the built-in plugin will say: when, in which order, of which session.
    schedule: BTreeMap<(Nanos, u64), (u64, Yield)>,
    next_item: u64,
    ready_told: bool,
    held: VecDeque<(WireId, Datum)>,
    /// Calls that have given a chunk (a mutant asks).
    answered: BTreeSet<u64>,
}

impl Server {
    fn of(mutant: String) -> Self {
        Self { mutant, ..Self::default() }
    }

    fn is(&self, mutant: &str) -> bool {
        self.mutant == mutant
    }
}

impl Actor for Server {
    fn on(&mut self, event: &Event, doings: &mut Vec<Doing>) {
        self.now = event.at;
        let mut hands = std::mem::take(&mut self.hands);
        self.take(&event.what, &mut hands.at(doings));
        self.hands = hands;
    }
}

/// What happens, and what it leads to.
impl Server {
    fn take(&mut self, what: &What, out: &mut Acting<'_>) {
        match what {
            What::Start { given, .. } => {
                self.env.clone_from(&given.env);
                self.plugin = Plugin::new(given, "dify-json", 100);
                self.clients.insert(WireId::STDIO, Client::default());
                self.read = Some(out.act(Act::Read { path: self.settings.package.clone() }));
            }
            What::Got { act, value } if self.read == Some(*act) => self.opened_package(value, out),
            What::Time => self.time(out),
            What::Failed { why, .. } => self.failed(&why.text, out),
            What::Listening { at, .. } => self.listening(at, out),
            What::Opened { wire, from: Some(_), .. } => self.accepted(*wire, out),
            What::Bytes { wire, part, bytes } => self.bytes(*wire, *part, &bytes.0, out),
            What::Ended { wire, part: Part::Main } => self.ended(*wire, out),
            What::Closed { wire, .. } => self.gone(*wire, out),
            What::Exited { wire, status } => self.exited(*wire, *status, out),
            What::Signal { wire: WireId::STDIO, .. } if !self.is("term-ignored") => self.leave(0, out),
            _ => {}
        }
    }

    fn bytes(&mut self, wire: WireId, part: Part, bytes: &[u8], out: &mut Acting<'_>) {
        if wire == CHECK || (self.plugin.is(wire) && part == Part::Stderr) {
            self.complaint += &String::from_utf8_lossy(bytes);
            let surplus = self.complaint.len().saturating_sub(1024);
            let cut = (surplus..=self.complaint.len()).find(|at| self.complaint.is_char_boundary(*at));
            self.complaint.drain(..cut.unwrap_or(0));
        } else if self.plugin.is(wire) {
            for said in self.plugin.feed(bytes, out) {
                self.said(said, out);
            }
        } else if let Some(client) = self.clients.get_mut(&wire) {
            match self.mutant == "carriage-return-stays" {
                true => client.lines.feed(&String::from_utf8_lossy(bytes).replace('\r', "x").into_bytes()),
                false => client.lines.feed(bytes),
            }
            if self.mutant == "lines-by-read" && !bytes.ends_with(b"\n") {
                client.lines.feed(b"\n");
            }
            if self.mutant == "early-requests-lost" && self.state != State::Serving {
                self.clients.insert(wire, Client::default());
            }
            self.read_lines(wire, out);
        }
    }

    fn ended(&mut self, wire: WireId, out: &mut Acting<'_>) {
        let drops = self.is("end-of-input-drops") || self.is("half-close-drops");
        if let Some(client) = self.clients.get_mut(&wire) {
            client.ended = true;
            let (_, rest) = client.lines.rest();
            let rest = rest.to_vec();
            if !rest.trim_ascii().is_empty() && self.state == State::Serving {
                self.line(wire, &rest, out);
            }
            if drops {
                self.calls.retain(|_, call| call.client != wire);
            }
            self.part_if_idle(wire, out);
        }
    }

    /// A connection is no more: its calls run on, and nobody hears of them.
    fn gone(&mut self, wire: WireId, out: &mut Acting<'_>) {
        if self.is("reset-ends-server") {
            return self.leave(1, out);
        }
        self.clients.remove(&wire);
    }

    fn exited(&mut self, wire: WireId, status: Exit, out: &mut Acting<'_>) {
        let how = match status {
            Exit::Code(code) => format!("with status {code}"),
            Exit::Signal(signal) => format!("by signal {signal}"),
        };
        if wire == CHECK {
            return match status {
                Exit::Code(0) => self.launch(out),
                _ => {
                    let why = std::mem::take(&mut self.complaint);
                    self.refuse("initialize python environment error", why.trim(), out);
                }
            };
        }
        if self.plugin.is(wire) && self.state == State::Launching {
            let why = format!("the plugin ended {how} before it was ready; {}", self.complaint.trim());
            self.refuse("plugin runtime failed", &why, out);
        } else if self.plugin.is(wire) && self.state == State::Serving {
            self.plugin_died(&how, out);
        }
    }

    fn time(&mut self, out: &mut Acting<'_>) {
        let serves = matches!(builtin::entry(self.main()), Entry::Serves) || self.is("manifest-not-read");
        if self.state == State::Launching && self.settings.python.is_none() && serves {
            return self.serve(out);
        }
        if self.state == State::Launching && self.now >= self.settings.patience && !self.is("waits-for-ever")
        {
            return self.refuse("plugin runtime failed", "no heartbeat came in time", out);
        }
        while let Some(entry) = self.schedule.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let (session, what) = entry.remove();
            self.yielded(session, what, out);
        }
        self.set_alarm(out);
    }

    fn set_alarm(&self, out: &mut Acting<'_>) {
        if let Some(((at, _), _)) = self.schedule.first_key_value() {
            out.wake(*at);
        }
    }

    fn failed(&mut self, why: &str, out: &mut Acting<'_>) {
        match self.state {
            State::Checking if self.is("no-python-is-silent") => self.leave(1, out),
            State::Checking => self.refuse("initialize python environment error", why, out),
            State::Launching => self.refuse("plugin runtime failed", why, out),
            State::Serving if self.settings.over_tcp && !self.ready_told => {
                out.complain(&format!("cannot listen on {}: {why}", self.settings.listen));
                self.leave(NOT_DONE, out);
            }
            _ => {}
        }
    }
}

/// From the package to the first client.
impl Server {
    fn opened_package(&mut self, value: &Value, out: &mut Acting<'_>) {
        let bytes = match value {
            Value::File(blob) => &blob.0,
            Value::Missing(why) if self.is("missing-file-is-runtime-error") => {
                return self.refuse("plugin runtime failed", why, out);
            }
            Value::Missing(why) => return self.refuse("read plugin file error", why, out),
            Value::Datum(_) => return,
        };
        let files = Archive::open(bytes).and_then(|mut archive| archive.files());
        self.files = match files {
            Ok(files) => files,
            Err(crate::package::Fault::Entry(_)) if self.is("damaged-entry-passes") => Files::new(),
            Err(fault) if self.is("corrupt-is-runtime-error") => {
                return self.refuse("plugin runtime failed", &fault.to_string(), out);
            }
            Err(fault) => return self.refuse("decode plugin file error", &fault.to_string(), out),
        };
        if let Err(why) = Manifest::read(&self.files)
            && !self.is("manifest-not-read")
            && !self.is("damaged-entry-passes")
        {
            return self.refuse("get declaration error", &why, out);
        }
        if self.is("banner-on-stdout") {
            out.print(b"dify plugin run\n".to_vec());
        }
        if !self.is("loading-not-told") {
            self.tell(WireId::STDIO, "info", "", "loading plugin", out);
        }
        if self.is("chatty-start") {
            self.tell(WireId::STDIO, "info", "", "nearly there", out);
        }
        self.check_environment(out);
    }

    /// The interpreter is there, and has what the plugin requires: nothing is installed.
    fn check_environment(&mut self, out: &mut Acting<'_>) {
        self.state = State::Checking;
        let requirements = self.files.get("requirements.txt").map(Vec::as_slice).unwrap_or_default();
        let argv = match (&self.settings.python, self.env.get("PYTHON_INTERPRETER_PATH")) {
            (Some(python), _) => plugin::check(python, &String::from_utf8_lossy(requirements)),
            (None, Some(python)) => vec![python.clone(), "--version".into()],
            (None, None) => return self.launch(out),
        };
        let to = crate::actor::Target::Spawn { argv, env: BTreeMap::new(), dir: None };
        out.act(Act::Open { wire: CHECK, to });
    }

    fn launch(&mut self, out: &mut Acting<'_>) {
        self.state = State::Launching;
        self.complaint.clear();
        if let Some(python) = self.settings.python.clone() {
            out.wake(self.settings.patience);
            let entrypoint = Manifest::read(&self.files).map(|manifest| manifest.runner.entrypoint);
            self.plugin.unpack(&self.files, out);
            return self.plugin.launch(&python, &entrypoint.unwrap_or_default(), out);
        }
        match builtin::entry(self.main()) {
            Entry::Exits(_) if self.is("death-at-start-is-ready") => self.serve(out),
            Entry::Exits(status) => {
                let why = format!("the plugin ended with status {status} before it was ready");
                self.refuse("plugin runtime failed", &why, out);
            }
            Entry::Silent if !self.is("manifest-not-read") => out.wake(self.settings.patience),
            Entry::Silent | Entry::Serves => out.wake(self.now + BUILTIN_START),
        }
    }

    fn main(&self) -> &[u8] {
        self.files.get("main.py").map(Vec::as_slice).unwrap_or_default()
    }

    fn serve(&mut self, out: &mut Acting<'_>) {
        self.state = State::Serving;
        if self.settings.over_tcp {
            let at = Address::Tcp(self.settings.listen.clone());
            out.act(Act::Listen { wire: LISTENER, at, over_stale: false });
            return;
        }
        self.ready(WireId::STDIO, out);
        self.read_lines(WireId::STDIO, out);
        self.part_if_idle(WireId::STDIO, out);
    }

    fn ready(&mut self, client: WireId, out: &mut Acting<'_>) {
        if self.ready_told && self.is("ready-once") {
            return;
        }
        self.ready_told = true;
        self.tell(client, "plugin_ready", "", "plugin loaded", out);
    }

    fn listening(&mut self, at: &Address, out: &mut Acting<'_>) {
        let Address::Tcp(at) = at else { return };
        let Some((host, port)) = at.rsplit_once(':') else { return };
        let host = host.trim_matches(['[', ']']);
        let port = port.parse::<u64>().unwrap_or_default();
        let port = if self.is("wrong-port-announced") { port + 1 } else { port };
        let named = if self.is("port-not-named") { host.to_owned() } else { format!("{host}:{port}") };
        let response = Datum::map([
            ("info", Datum::text(format!("plugin is running on {named}"))),
            ("host", Datum::text(host)),
            ("port", Datum::from(port)),
        ]);
        out.print(message::line("", "info", response));
    }

    fn accepted(&mut self, wire: WireId, out: &mut Acting<'_>) {
        self.clients.insert(wire, Client::default());
        if !self.is("ready-not-told") {
            self.ready(wire, out);
        }
    }

    /// The start has failed.
    fn refuse(&mut self, label: &str, why: &str, out: &mut Acting<'_>) {
        let text =
            if self.is("label-behind") { format!("{why}\n{label}") } else { format!("{label}: {why}") };
        out.print(message::error("", &text));
        self.leave(if self.is("failed-start-status-zero") { 0 } else { 1 }, out);
    }

    fn leave(&mut self, status: i32, out: &mut Acting<'_>) {
        self.state = State::Over;
        self.plugin.stop(out);
        out.close(WireId::STDIO, CloseHow::Write);
        out.exit(Exit::Code(status));
    }
}

/// Requests.
impl Server {
    fn read_lines(&mut self, wire: WireId, out: &mut Acting<'_>) {
        let over_tcp = self.settings.over_tcp && wire == WireId::STDIO;
        while self.state == State::Serving && !over_tcp {
            let Some(client) = self.clients.get_mut(&wire).filter(|client| !client.deaf) else { return };
            let Some((_, line)) = client.lines.next_line() else { return };
            let line = line.to_vec();
            self.line(wire, &line, out);
        }
    }

    fn line(&mut self, wire: WireId, line: &[u8], out: &mut Acting<'_>) {
        if line.trim_ascii().is_empty() {
            self.be_deaf_if("blank-line-ends", wire);
            return;
        }
        let request = message::request(line);
        let id = match &request {
            Ok(request) => message::text(request, "invoke_id"),
            Err(fault) => fault.id.clone(),
        };
        if !self.is("info-not-told") && !self.is("info-late") {
            let id = if self.is("info-with-id") { id.as_str() } else { "" };
            self.tell(wire, "info", id, "received request", out);
        }
        match request {
            Ok(request) => self.invoke(wire, request, out),
            Err(fault) => self.bad_line(wire, &fault, out),
        }
        if self.is("info-late") {
            self.tell(wire, "info", "", "received request", out);
        }
    }

    fn be_deaf_if(&mut self, mutant: &str, wire: WireId) {
        let deaf = self.is(mutant);
        if let Some(client) = self.clients.get_mut(&wire) {
            client.deaf |= deaf;
        }
    }

    fn bad_line(&mut self, wire: WireId, fault: &Fault, out: &mut Acting<'_>) {
        match fault.kind {
            message::FaultKind::NoJson => self.be_deaf_if("malformed-line-ends", wire),
            message::FaultKind::NoText => self.be_deaf_if("bad-utf8-ends", wire),
            message::FaultKind::NoObject => self.be_deaf_if("other-json-ends", wire),
            message::FaultKind::Field(field) => {
                if self.is("wrong-field-ends-server") {
                    return self.leave(1, out);
                }
                let passes = match field {
                    "invoke_id" => self.is("id-may-be-missing"),
                    "request" => self.is("request-may-be-missing") && fault.is_missing,
                    "request-kind" => self.is("request-may-be-a-list"),
                    _ => self.is("action-may-be-missing"),
                };
                if passes {
                    return out.write(wire, message::end(&fault.id));
                }
            }
        }
        let text = match fault.kind {
            message::FaultKind::Field(_) => fault.why.clone(),
            _ if self.is("own-words-for-no-json") => fault.why.clone(),
            _ => format!("unmarshal json failed: {}", fault.why),
        };
        out.write(wire, message::error(&fault.id, &text));
    }

    fn invoke(&mut self, wire: WireId, request: Datum, out: &mut Acting<'_>) {
        let text = |key| message::text(&request, key);
        let (id, kind, action) = (text("invoke_id"), text("type"), text("action"));
        if let Err(why) = crate::protocol::dify_json::known(&kind, &action) {
            return match self.is("unknown-type-just-ends") {
                true => out.write(wire, message::end(&id)),
                false => out.write(wire, message::error(&id, &why)),
            };
        }
        if self.is("same-id-lost") && self.calls.values().any(|call| call.id == id && call.client == wire) {
            return;
        }
        if self.is("one-at-a-time") && !self.calls.is_empty() {
            return self.held.push_back((wire, request));
        }
        self.next_session += 1;
        let session = self.next_session;
        self.calls.insert(session, Call { client: wire, id });
        let body = request.get("request").cloned().unwrap_or(Datum::Null);
        if self.settings.python.is_some() {
            return self.plugin.request(session, &kind, &action, &body, out);
        }
        let (kind, action) = self.overridden(kind, action, &body);
        for item in builtin::run(&kind, &action, &body) {
            self.next_item += 1;
            self.schedule.insert((self.now + item.after * 1_000_000, self.next_item), (session, item.what));
        }
        if self.is("chunks-at-end") {
            self.all_at_the_end(session);
        }
        if self.is("chunks-reversed") {
            self.reversed(session);
        }
        self.time(out);
    }

    /// The mutant whose `request` wins over the envelope.
    fn overridden(&self, kind: String, action: String, body: &Datum) -> (String, String) {
        let inner = |key: &str| body.get(key).and_then(Datum::as_text).map(|text| text.into_owned());
        match self.is("request-wins") {
            true => (inner("type").unwrap_or(kind), inner("action").unwrap_or(action)),
            false => (kind, action),
        }
    }

    fn all_at_the_end(&mut self, session: u64) {
        let (mine, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.schedule).into_iter().partition(|(_, (other, _))| *other == session);
        let last = mine.iter().map(|((at, _), _)| *at).max().unwrap_or_default();
        self.schedule = others.into_iter().collect();
        self.schedule.extend(mine.into_iter().map(|((_, n), item)| ((last, n), item)));
    }

    fn reversed(&mut self, session: u64) {
        let mut places = Vec::new();
        let mut chunks = Vec::new();
        for (place, (other, what)) in &self.schedule {
            if *other == session && matches!(what, Yield::Chunk(_)) {
                places.push(*place);
                chunks.push(what.clone());
            }
        }
        self.schedule.extend(
            places.into_iter().zip(chunks.into_iter().rev()).map(|(place, what)| (place, (session, what))),
        );
    }
}

/// What the plugin says.
impl Server {
    fn said(&mut self, said: Said, out: &mut Acting<'_>) {
        match said {
            Said::Alive if self.state == State::Launching => self.serve(out),
            Said::Alive => {}
            Said::Chunk(session, chunk) => self.yielded(session, Yield::Chunk(chunk), out),
            Said::Fail(session, data) => self.fail(session, &data, out),
            Said::End(session) => self.yielded(session, Yield::End, out),
            Said::Back(session, request) => self.plugin.refuse_back(session, &request, out),
        }
    }

    fn yielded(&mut self, session: u64, what: Yield, out: &mut Acting<'_>) {
        let Some(call) = self.calls.get(&session).cloned() else { return };
        match what {
            Yield::Chunk(chunk) => self.chunk(session, &call, chunk, out),
            Yield::Fail { kind, message } => {
                let data = Datum::map([
                    ("args", Datum::map::<String>([])),
                    ("error_type", Datum::text(kind)),
                    ("message", Datum::text(message)),
                ]);
                self.fail(session, &data, out);
            }
            Yield::End => self.end(session, &call, out),
            Yield::Die => self.plugin_died("as it was asked to", out),
        }
    }

    fn chunk(&mut self, session: u64, call: &Call, chunk: Datum, out: &mut Acting<'_>) {
        self.answered.insert(session);
        if self.is("text-before-the-answer") {
            out.write(call.client, b"[1]\n".to_vec());
        }
        if self.is("noise-in-stream")
            && chunk.get("message").and_then(|m| m.get("text")).and_then(Datum::as_text).as_deref()
                == Some("done")
        {
            out.write(call.client, b"printed by the tool\n".to_vec());
        }
        let other =
            self.calls.iter().find(|(other, call_b)| **other != session && call_b.client == call.client);
        let id = match other {
            Some((_, other)) if self.is("streams-mixed") => other.id.clone(),
            _ if self.is("response-without-id") => String::new(),
            _ => call.id.clone(),
        };
        let mut line = message::line(
            &id,
            if self.is("type-misspelled") { "response" } else { "plugin_response" },
            chunk,
        );
        if self.is("cut-at-64k") {
            line = message::cut(&line, 65_536);
        }
        if self.is("line-ends-unescaped") {
            line = message::unescaped(&line);
        }
        out.write(call.client, line.clone());
        if self.is("answers-to-all") {
            let others = self.clients.keys().filter(|wire| **wire != call.client && **wire != WireId::STDIO);
            others.for_each(|wire| out.write(*wire, line.clone()));
        }
    }

    fn fail(&mut self, session: u64, data: &Datum, out: &mut Acting<'_>) {
        let Some(call) = self.calls.get(&session).cloned() else { return };
        let id = if self.is("error-without-id") { "" } else { call.id.as_str() };
        let text = if self.is("error-is-plain-text") {
            message::text(data, "message")
        } else {
            message::json_of(data)
        };
        out.write(call.client, message::error(id, &text));
        if self.is("failure-ends-all") {
            self.calls.clear();
        }
        if self.is("error-without-end") {
            self.calls.remove(&session);
        }
    }

    fn end(&mut self, session: u64, call: &Call, out: &mut Acting<'_>) {
        self.calls.remove(&session);
        let response = match self.is("end-without-info") {
            true => Datum::map::<String>([]),
            false => message::info("plugin invoke end"),
        };
        let is_empty = self.is("empty-call-is-silent") && !self.answered.remove(&session);
        if !self.is("end-not-told") && !is_empty {
            out.write(call.client, message::line(&call.id, "plugin_invoke_end", response));
        }
        if self.is("end-twice") {
            out.write(call.client, message::end(&call.id));
        }
        if let Some((wire, request)) = self.held.pop_front() {
            self.invoke(wire, request, out);
        }
        self.part_if_idle(call.client, out);
    }

    /// Every call fails, and the plugin is started anew.
    fn plugin_died(&mut self, how: &str, out: &mut Acting<'_>) {
        self.schedule.clear();
        for call in
            std::mem::take(&mut self.calls).into_values().filter(|_| self.mutant != "death-is-silence")
        {
            out.write(call.client, message::error(&call.id, &format!("the plugin ended {how}")));
            out.write(call.client, message::end(&call.id));
        }
        if self.is("no-new-plugin") {
            self.clients.values_mut().for_each(|client| client.deaf = true);
        }
        if let Some(python) = self.settings.python.clone() {
            let entrypoint = Manifest::read(&self.files).map(|manifest| manifest.runner.entrypoint);
            self.plugin.launch(&python, &entrypoint.unwrap_or_default(), out);
        }
    }

    /// A client that sends nothing more and waits for nothing is done.
    fn part_if_idle(&mut self, wire: WireId, out: &mut Acting<'_>) {
        let ended = self.clients.get(&wire).is_some_and(|client| client.ended);
        let busy = self.calls.values().any(|call| call.client == wire) || self.state != State::Serving;
        if !ended || busy || self.is("end-of-input-ignored") {
            return;
        }
        match wire {
            WireId::STDIO if self.settings.over_tcp => {}
            WireId::STDIO => self.leave(0, out),
            _ => out.close(wire, CloseHow::Both),
        }
    }

    fn tell(&self, client: WireId, kind: &str, id: &str, text: &str, out: &mut Acting<'_>) {
        out.write(client, message::line(id, kind, message::info(text)));
    }
}
