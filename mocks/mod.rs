//! The reference implementations of every endpoint, and their mutants: actors, run by `plugfest mock`.
//!
//! Each `<protocol>/<role>.rs` is one actor. Its mutants are in `<protocol>/mutants.rs`: named deviations that the
//! actor asks for by name at the one place where each makes a difference.

pub mod apisix;
pub mod arcaflow;
pub mod dify_json;
pub mod dify_session;
pub mod dify_sri;
mod encoded;
pub mod parent;
mod percent;
mod plugin;
mod web;

use std::collections::BTreeMap;

use crate::actor::{
    Act, ActId, Actor, CloseHow, Doing, Doings, Event, Exit, Nanos, Part, Payload, Pieces, What, WireId,
};

/// A reference with one named deviation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mutant {
    /// Its name: what a programmer did wrong.
    pub name: &'static str,
    /// The role that has it.
    pub role: &'static str,
    /// The requirement that it breaks, and that must be what kills it.
    pub breaks: &'static str,
    /// Requirements that it breaks as well.
    pub also: &'static [&'static str],
    /// The profile under which it breaks it; the suite's default if empty.
    pub profile: &'static str,
}

/// A reference that `plugfest mock` can run.
#[derive(Clone, Copy)]
pub struct Reference {
    /// The suite.
    pub suite: &'static str,
    /// The role.
    pub role: &'static str,
    /// The profiles that it speaks; its own tests run in each.
    pub profiles: &'static [&'static str],
    /// What it is, for `--help`.
    pub about: &'static str,
    /// Its options, for `--help`.
    pub usage: &'static str,
    /// Makes one from its arguments.
    pub make: fn(&[String]) -> Making,
    /// Whether its command ends with arguments that make it the subject of its suite.
    pub subject: fn() -> SubjectOf,
}

/// An actor, or why its arguments are none.
pub type Making = Result<Box<dyn Actor>, String>;

/// How a reference is made a subject.
#[derive(Clone, Debug, Default)]
pub struct SubjectOf {
    /// Arguments after `plugfest mock SUITE ROLE`.
    pub args: &'static [&'static str],
    /// What it declares.
    pub capabilities: &'static [&'static str],
    /// The arguments of its driver after `plugfest mock SUITE ROLE`.
    pub driver: Option<&'static [&'static str]>,
    /// Operations that are commands: name, arguments after `plugfest mock SUITE ROLE`.
    pub ops: &'static [(&'static str, &'static [&'static str])],
}

/// All references.
pub const REFERENCES: &[Reference] = &[
    apisix::RUNNER,
    apisix::GATEWAY,
    arcaflow::PLUGIN,
    arcaflow::ENGINE,
    dify_json::CLIENT,
    dify_json::SERVER,
    dify_session::PLUGIN,
    dify_session::DAEMON,
    dify_sri::RUNTIME,
    dify_sri::DAEMON,
];

/// All mutants of a suite.
pub fn mutants(suite: &str) -> &'static [Mutant] {
    match suite {
        "apisix" => apisix::MUTANTS,
        "arcaflow" => arcaflow::MUTANTS,
        "dify-sri" => dify_sri::MUTANTS,
        "dify-session" => dify_session::MUTANTS,
        "dify-json" => dify_json::MUTANTS,
        _ => &[],
    }
}

/// The reference of a suite and role.
pub fn reference(suite: &str, role: &str) -> Option<&'static Reference> {
    REFERENCES.iter().find(|reference| reference.suite == suite && reference.role == role)
}

/// The subject that a reference is, `plugfest` being at `program`; with a mutant, that one.
pub fn subject(reference: &Reference, program: &str, mutant: Option<&str>) -> crate::subject::Subject {
    let of = (reference.subject)();
    let words = |args: &[&str]| -> Vec<String> {
        let base = [program, "mock", reference.suite, reference.role].into_iter();
        let mutant = mutant.map(|name| ["--mutant", name]).into_iter().flatten();
        base.chain(mutant).chain(args.iter().copied()).map(str::to_owned).collect()
    };
    let serves_by_driver = of.driver.is_some() || !of.ops.is_empty();
    crate::subject::Subject {
        name: mutant.map_or_else(|| "reference".to_owned(), |name| format!("mutant {name}")),
        suite: reference.suite.into(),
        role: reference.role.into(),
        command: if serves_by_driver { Vec::new() } else { words(of.args) },
        driver: of.driver.map(words),
        ops: of.ops.iter().map(|(name, args)| ((*name).to_owned(), words(args))).collect(),
        capabilities: of.capabilities.iter().map(|name| (*name).to_owned()).collect(),
        is_ours: mutant.is_none(),
        ..crate::subject::Subject::default()
    }
}

/// The bytes of a package of the suites, for the simulator.
pub fn package(name: &str) -> Option<Vec<u8>> {
    crate::package::shelf::package(name)
}

/// The program behind a command line, as the simulator starts it.
pub fn program(argv: &[String], _: &BTreeMap<String, String>) -> Option<Box<dyn Actor>> {
    match argv {
        [mock, name, command @ ..] if mock == "mock" && name == parent::NAME => Some(parent::of(command)),
        [mock, suite, role, rest @ ..] if mock == "mock" => {
            let made = (reference(suite, role)?.make)(rest);
            Some(made.unwrap_or_else(|why| actor(Misused(why))))
        }
        [seconds] if seconds.parse::<u32>().is_ok() => Some(actor(Sleeper)),
        _ => None,
    }
}

/// A reference whose command line is none: says so and ends.
struct Misused(String);

impl Role for Misused {
    fn take(&mut self, what: &What, out: &mut Acting<'_>) {
        if matches!(what, What::Start { .. }) {
            out.complain(&self.0);
            out.exit(Exit::Code(2));
        }
    }
}

/// `sleep`: does nothing until it is ended.
struct Sleeper;

impl Role for Sleeper {
    fn take(&mut self, what: &What, out: &mut Acting<'_>) {
        if matches!(what, What::Signal { signal: 15, .. }) {
            out.exit(Exit::Signal(15));
        }
    }
}

/// Takes the value of an option out of arguments: `--name VALUE`.
pub fn option(args: &mut Vec<String>, name: &str) -> Option<String> {
    let at = args.iter().position(|arg| arg == name)?;
    args.remove(at);
    (at < args.len()).then(|| args.remove(at))
}

/// Takes a flag out of arguments.
pub fn flag(args: &mut Vec<String>, name: &str) -> bool {
    let at = args.iter().position(|arg| arg == name);
    at.map(|at| args.remove(at)).is_some()
}

/// What a reference does about an event; [`actor`] makes it a whole actor.
trait Role: Send {
    /// Takes one event.
    fn take(&mut self, what: &What, out: &mut Acting<'_>);
}

/// A reference as an actor: its acts get their numbers.
fn actor(role: impl Role + 'static) -> Box<dyn Actor> {
    Box::new(Numbered { doings: Doings::default(), role })
}

struct Numbered<R> {
    doings: Doings,
    role: R,
}

impl<R: Role> Actor for Numbered<R> {
    fn on(&mut self, event: &Event, doings: &mut Vec<Doing>) {
        self.role.take(&event.what, &mut Acting { now: event.at, doings: &mut self.doings, out: doings });
    }
}

/// What references do, in one word each.
pub struct Acting<'a> {
    /// The time of the event that is taken.
    pub now: Nanos,
    doings: &'a mut Doings,
    out: &'a mut Vec<Doing>,
}

impl Acting<'_> {
    /// Asks for an act.
    pub fn act(&mut self, act: Act) -> ActId {
        self.doings.push(self.out, act)
    }

    /// Writes to a wire.
    pub fn write(&mut self, wire: WireId, bytes: impl Into<Payload>) {
        self.act(Act::Write { wire, part: Part::Main, bytes: bytes.into(), pieces: Pieces::Whole });
    }

    /// Writes to our own standard output.
    pub fn print(&mut self, bytes: impl Into<Payload>) {
        self.write(WireId::STDIO, bytes);
    }

    /// Writes a line to our own standard error.
    pub fn complain(&mut self, text: &str) {
        let bytes = Payload::from(format!("{text}\n").into_bytes());
        self.act(Act::Write { wire: WireId::STDIO, part: Part::Stderr, bytes, pieces: Pieces::Whole });
    }

    /// Sets the alarm.
    pub fn wake(&mut self, at: Nanos) {
        self.act(Act::Wake(at));
    }

    /// Closes a wire.
    pub fn close(&mut self, wire: WireId, how: CloseHow) {
        self.act(Act::Close { wire, how });
    }

    /// Ends our own process.
    pub fn exit(&mut self, status: Exit) {
        self.act(Act::Exit { wire: WireId::STDIO, status });
    }
}
