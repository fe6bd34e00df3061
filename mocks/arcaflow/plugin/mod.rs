//! The reference plugin: on standard input and output, in each profile of the protocol.

mod end;
mod hello;
mod input;
mod signal;
mod stream;
mod task;
mod work;

use std::collections::BTreeSet;

use super::contract::SCHEMA;
use super::mutants::is_mutant;
use crate::actor::{Act, Actor, EVERYBODY, Exit, Nanos, Part, Payload, What, WireId};
use crate::codec::Message;
use crate::codec::cbor::Cbor;
use crate::datum::Datum;
use crate::mocks::{Acting, Role, actor, flag, option};

/// How long the child of the step `spawn` sleeps, in seconds.
const CHILD_SLEEPS: &str = "60";
/// How long a mutant waits for work.
const IMPATIENCE: Nanos = 200_000_000;

/// How the names of mutants end that make a mistake of version 3 in another profile.
const OTHER_PROFILES: [&str; 2] = ["-of-v1", "-of-document"];

/// Makes a plugin from its command line.
///
/// # Errors
/// A command line that is none.
pub fn make(args: &[String]) -> Result<Box<dyn Actor>, String> {
    let mut args = args.to_vec();
    let mutant = option(&mut args, "--mutant").unwrap_or_default();
    if !mutant.is_empty() && !is_mutant("plugin", &mutant) {
        return Err(format!("the arcaflow plugin has no mutant `{mutant}`"));
    }
    // The same mistake in another profile has a name of its own.
    let mutant = OTHER_PROFILES.iter().find_map(|end| mutant.strip_suffix(end)).unwrap_or(&mutant).to_owned();
    let dialect = match option(&mut args, "--profile").as_deref() {
        None | Some("v3") => Dialect::V3,
        Some("v1") => Dialect::V1,
        Some("document") => Dialect::Document,
        Some(other) => return Err(format!("unknown profile {other} (known: v3, v1, document)")),
    };
    let schema_only = flag(&mut args, "--schema");
    let atp = flag(&mut args, "--atp");
    if let Some(unknown) = args.first().filter(|_| mutant != "unknown-option-ignored") {
        return Err(format!("unknown option {unknown}"));
    }
    if !atp && !schema_only && args.is_empty() && dialect != Dialect::Document {
        return Err("say --atp to speak the protocol, --schema to print the schema".into());
    }
    Ok(actor(Plugin { mutant, dialect, schema_only, ..Plugin::default() }))
}

/// The profiles of the protocol.
#[derive(Clone, Copy, Default, PartialEq)]
enum Dialect {
    /// Deployed: null, hello, many runs, each message with its run id.
    #[default]
    V3,
    /// Deployed before: null, hello, one task, its bare output.
    V1,
    /// The document: hello unasked, one task, acknowledged, its bare output; stays until SIGTERM.
    Document,
}

/// The plugin.
#[derive(Default)]
struct Plugin {
    mutant: String,
    dialect: Dialect,
    schema_only: bool,
    codec: Cbor,
    greeted: bool,
    /// A task was taken, in the profiles of one task.
    has_task: bool,
    /// Its output was given.
    is_done: bool,
    /// Runs that wait, by run id (its encoding, so that any type will do).
    waiting: Vec<Waiting>,
    children: u32,
    /// The client is done, or the stream has ended: what runs is finished, nothing new begins.
    leaving: Option<i32>,
    last: Last,
}

/// What some mutants remember where they should not.
#[derive(Default)]
struct Last {
    logs: String,
    start: Option<Datum>,
    /// The run id and the input of the last work start.
    run: Option<Datum>,
    input: Option<Datum>,
    results: Vec<Payload>,
    buffered: Vec<u8>,
    /// Run ids that there were, and those that a signal has ended.
    runs: BTreeSet<String>,
    cancelled: BTreeSet<String>,
    /// When the last message came.
    message_at: Nanos,
    /// How much was written.
    written: usize,
}

/// A run of the step `wait`.
struct Waiting {
    run: Datum,
    until: Nanos,
    cancelled: bool,
}

impl Role for Plugin {
    fn take(&mut self, what: &What, out: &mut Acting<'_>) {
        match what {
            What::Start { .. } => self.start(out),
            What::Bytes { wire: WireId::STDIO, part: Part::Main, bytes } => self.bytes(&bytes.0, out),
            What::Ended { wire: WireId::STDIO, .. } => self.input_ended(out),
            What::Time => self.time(out),
            What::Signal { wire: WireId::STDIO, signal } => self.signal(*signal, out),
            _ => {}
        }
        self.leave_if_idle(out);
    }
}

impl Plugin {
    fn is(&self, mutant: &str) -> bool {
        self.mutant == mutant
    }

    fn start(&mut self, out: &mut Acting<'_>) {
        if self.schema_only {
            let printed = if self.is("prints-another-schema") { &Datum::Null } else { &*SCHEMA };
            out.print(format!("{}\n", hello::yaml_of(printed)).into_bytes());
            return out.exit(Exit::Code(0));
        }
        if self.is("banner-on-stdout") {
            out.print(b"plugin starting\n".to_vec());
        }
        let unasked = self.dialect == Dialect::Document && !self.is("waits-to-be-asked");
        if self.is("hello-unprompted") || unasked {
            self.greet(out);
        }
        if self.is("child-before-work") || self.is("child-outlives") {
            self.spawn(out);
        }
        if self.is("impatient") {
            out.wake(out.now + IMPATIENCE);
        }
        if self.is("listens-before-work") {
            let at = crate::actor::Address::Tcp("127.0.0.1:0".into());
            out.act(Act::Listen { wire: WireId::own(90), at, over_stale: false, mode: EVERYBODY });
        }
    }

    fn message(&mut self, message: Message, out: &mut Acting<'_>) {
        let gave_up = self.is("gives-up-waiting") && out.now > IMPATIENCE;
        if !self.greeted && (gave_up || self.is("atp-is-not-enough")) {
            return;
        }
        let was = std::mem::replace(&mut self.last.message_at, out.now);
        if !self.greeted {
            return self.greet(out);
        }
        if self.is("gives-up-after-hello") && out.now > was + IMPATIENCE {
            return;
        }
        if self.dialect != Dialect::V3 {
            return self.task(message.datum, out);
        }
        let datum =
            if self.is("state-leaks-into-message") { self.completed(message.datum) } else { message.datum };
        let datum = self.misread(datum);
        let datum = if self.is("tags-refused") { datum } else { unmarked(datum) };
        if let Some(why) = self.dislikes(&datum) {
            return self.refuse(&run_text(datum.get("run_id")), why, out);
        }
        let id = datum.get("id");
        let run = match datum.get("run_id").filter(|run| **run != Datum::Null) {
            None if self.is("run-id-of-the-run-before") => self.last.run.clone(),
            run => run.cloned(),
        };
        match (datum.as_map(), id.and_then(Datum::as_int)) {
            (None, _) => self.fatal("the message is no map", out),
            (Some(_), None) => self.fatal("the message has no id", out),
            (_, Some(1)) => self.work(run, datum, out),
            (_, Some(3)) => self.signal_to_step(run, datum.get("data"), out),
            (_, Some(4)) => self.client_done(out),
            (_, Some(2 | 5)) if self.is("own-ids-ignored") => {}
            (_, Some(other)) => {
                if self.is("unknown-id-is-fatal") {
                    return self.fatal("unknown message id", out);
                }
                if !self.is("unknown-id-ignored") {
                    self.error(
                        run_text(run.as_ref()).as_str(),
                        &format!("unknown message id {other}"),
                        false,
                        false,
                        out,
                    );
                }
            }
        }
    }

    fn envelope(&self, id: i64, run: Datum, data: Datum) -> Datum {
        Datum::map([("id", Datum::from(id)), ("run_id", run), ("data", data)])
    }

    fn error(&mut self, run: &str, why: &str, step_fatal: bool, server_fatal: bool, out: &mut Acting<'_>) {
        let data = Datum::map([
            (
                "error",
                if self.is("error-text-is-bytes") { Datum::bytes(why.as_bytes()) } else { Datum::text(why) },
            ),
            ("step_fatal", Datum::from(step_fatal)),
            ("server_fatal", Datum::from(server_fatal)),
        ]);
        let message = self.envelope(5, Datum::text(run), data);
        self.send(&message, out);
    }

    /// The message cannot be understood at all: the session is over.
    fn fatal(&mut self, why: &str, out: &mut Acting<'_>) {
        if self.is("headless-message-ignored") {
            return;
        }
        self.error("", why, false, true, out);
        if self.is("talks-after-fatal") {
            return;
        }
        self.leaving = Some(1);
    }
}

/// The run id as messages repeat it.
fn run_text(run: Option<&Datum>) -> String {
    run.and_then(Datum::as_text).unwrap_or_default().into_owned()
}

/// The value without the tag that only marks CBOR (RFC 8949 section 3.4.6).
fn unmarked(datum: Datum) -> Datum {
    const MARK: u64 = 55_799;
    match datum {
        Datum::Tag(MARK, _, inner) => unmarked(*inner),
        Datum::Array(items, head) => Datum::Array(items.into_iter().map(unmarked).collect(), head),
        Datum::Map(entries, head) => {
            let entries = entries.into_iter().map(|(key, value)| (unmarked(key), unmarked(value)));
            Datum::Map(entries.collect(), head)
        }
        other => other,
    }
}
