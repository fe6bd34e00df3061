//! The reference server: opens a package, launches its plugin (or serves a built-in one), serves clients.

mod answer;
mod request;
mod start;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::actor::{Act, ActId, Actor, CloseHow, Exit, Nanos, Part, SECOND, What, WireId};
use crate::codec::lines::Lines;
use crate::datum::Datum;
use crate::mocks::dify_json::builtin::{self, Entry, Yield};
use crate::mocks::dify_json::message;
use crate::mocks::dify_json::mutants::is_mutant;
use crate::mocks::plugin::Plugin;
use crate::mocks::{Acting, Role, actor, flag, option};
use crate::package::Files;

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
    let usual = if mutant == "listens-everywhere" { "0.0.0.0:0" } else { "127.0.0.1:0" };
    let listen = option(&mut args, "--listen").unwrap_or_else(|| usual.into());
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
    Ok(actor(Server {
        settings: Settings {
            package,
            over_tcp: mode == "tcp",
            unknown_mode: (!["stdio", "tcp"].contains(&mode.as_str())).then_some(mode),
            listen,
            python,
            patience: patience * SECOND,
        },
        ..Server::of(mutant)
    }))
}

#[derive(Default)]
struct Settings {
    package: String,
    over_tcp: bool,
    /// What `-m` said, where that is no mode.
    unknown_mode: Option<String>,
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
    /// The rest of a line that is too long is passed over.
    skips: bool,
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
    state: State,
    read: Option<ActId>,
    files: Files,
    /// What the package `catalogue` answers.
    catalogue: Vec<Datum>,
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
    /// Chunks that no client has read (a mutant asks).
    unread: BTreeSet<ActId>,
}

impl Server {
    fn of(mutant: String) -> Self {
        Self { mutant, ..Self::default() }
    }

    fn is(&self, mutant: &str) -> bool {
        self.mutant == mutant
    }
}

impl Role for Server {
    fn take(&mut self, what: &What, out: &mut Acting<'_>) {
        match what {
            What::Start { given, .. } => {
                self.env.clone_from(&given.env);
                self.plugin = Plugin::new(given, "dify-json", 100);
                self.clients.insert(WireId::STDIO, Client::default());
                if self.settings.unknown_mode.is_some() && !self.is("mode-checked-late") {
                    return self.refuse_mode(out);
                }
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
            What::Written { act } => drop(self.unread.remove(act)),
            What::Signal { wire: WireId::STDIO, .. } => {
                let waits = self.is("term-waits-for-calls") && !self.calls.is_empty();
                if !self.is("term-ignored") && !waits {
                    self.leave(0, out);
                }
            }
            _ => {}
        }
    }
}

/// What happens, and what it leads to.
impl Server {
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
            match self.mutant.as_str() {
                "carriage-return-stays" => {
                    client.lines.feed(&String::from_utf8_lossy(bytes).replace('\r', "x").into_bytes());
                }
                "text-by-read" => client.lines.feed(String::from_utf8_lossy(bytes).as_bytes()),
                _ => client.lines.feed(bytes),
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
            let request = (!rest.is_empty() && self.state == State::Serving).then(|| message::request(rest));
            if let Some(request) = request {
                self.line(wire, request, out);
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
        if wire != WireId::STDIO && !self.is("connections-kept") {
            out.close(wire, CloseHow::Both);
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
        if self.state == State::Launching && out.now >= self.settings.patience && !self.is("waits-for-ever") {
            return self.refuse("plugin runtime failed", "no heartbeat came in time", out);
        }
        while let Some(entry) = self.schedule.first_entry().filter(|entry| entry.key().0 <= out.now) {
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
