//! The reference plugin: on standard input and output, in each profile of the protocol.

mod hello;
mod task;

use std::collections::BTreeMap;

use super::contract::{Deed, SCHEMA, TYPES, run};
use super::mutants::is_mutant;
use crate::actor::{
    Act, Actor, CloseHow, EVERYBODY, Event, Exit, Nanos, Part, Payload, Target, What, WireId,
};
use crate::codec::cbor::{self, Cbor};
use crate::codec::{Codec, Message};
use crate::datum::{Datum, Head};
use crate::mocks::{Acting, Role, actor, flag, option};

/// How long the child of the step `spawn` sleeps, in seconds.
const CHILD_SLEEPS: &str = "60";
/// How long a mutant waits for work.
const IMPATIENCE: Nanos = 200_000_000;

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
    now: Nanos,
}

/// What some mutants remember where they should not.
#[derive(Default)]
struct Last {
    logs: String,
    start: Option<Datum>,
    results: Vec<Payload>,
    buffered: Vec<u8>,
}

/// A run of the step `wait`.
struct Waiting {
    run: Datum,
    until: Nanos,
    cancelled: bool,
}

impl Role for Plugin {
    fn on(&mut self, event: &Event, out: &mut Acting<'_>) {
        self.now = event.at;
        self.take(&event.what, out);
    }
}

impl Plugin {
    fn is(&self, mutant: &str) -> bool {
        self.mutant == mutant
    }

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
            out.wake(self.now + IMPATIENCE);
        }
        if self.is("listens-before-work") {
            let at = crate::actor::Address::Tcp("127.0.0.1:0".into());
            out.act(Act::Listen { wire: WireId::own(90), at, over_stale: false, mode: EVERYBODY });
        }
    }

    fn bytes(&mut self, bytes: &[u8], out: &mut Acting<'_>) {
        if self.is("loses-second-of-read") {
            return self.first_message_of(bytes, out);
        }
        if self.is("cut-read-is-lost") && self.codec_is_inside() && self.greeted {
            self.codec = Cbor::default();
        }
        self.last.buffered.extend_from_slice(&bytes[..bytes.len().min(16)]);
        self.codec.feed(bytes);
        self.drain(out);
    }

    fn codec_is_inside(&self) -> bool {
        let mut copy = Cbor::default();
        copy.feed(&self.last.buffered);
        copy.finish().is_some()
    }

    /// A mutant: treats a read as a message.
    fn first_message_of(&mut self, bytes: &[u8], out: &mut Acting<'_>) {
        self.codec.feed(bytes);
        if let Some(Ok(message)) = self.codec.next() {
            self.last.buffered.clear();
            self.message(message, out);
            while self.codec.next().is_some() {}
        }
    }

    fn drain(&mut self, out: &mut Acting<'_>) {
        while self.leaving.is_none() {
            match self.codec.next() {
                None => return,
                Some(Ok(message)) => {
                    self.last.buffered.clear();
                    self.message(message, out);
                }
                Some(Err(malformed)) => return self.malformed(&malformed.reason, out),
            }
        }
    }

    fn malformed(&mut self, reason: &str, out: &mut Acting<'_>) {
        if self.is("ill-formed-hangs") {
            return;
        }
        if self.is("ill-formed-silently-ends") {
            return out.exit(Exit::Code(0));
        }
        if self.is("bad-utf8-passes") && reason.contains("UTF-8") {
            return;
        }
        if self.dialect != Dialect::V3 {
            return self.crash(reason, out);
        }
        let server_fatal = !self.is("ill-formed-not-fatal");
        self.error("", reason, false, server_fatal, out);
        self.leaving = Some(1);
    }

    fn message(&mut self, message: Message, out: &mut Acting<'_>) {
        let gave_up = self.is("gives-up-waiting") && self.now > IMPATIENCE;
        if !self.greeted && (gave_up || self.is("atp-is-not-enough")) {
            return;
        }
        if !self.greeted {
            return self.greet(out);
        }
        if self.dialect != Dialect::V3 {
            return self.task(&message.datum, out);
        }
        let datum =
            if self.is("state-leaks-into-message") { self.completed(message.datum) } else { message.datum };
        if let Some(why) = self.dislikes(&datum) {
            return self.refuse(&run_text(datum.get("run_id")), why, out);
        }
        let id = datum.get("id");
        let run = datum.get("run_id").cloned();
        match (datum.as_map(), id.and_then(Datum::as_int)) {
            (None, _) => self.fatal("the message is no map", out),
            (Some(_), None) => self.fatal("the message has no id", out),
            (_, Some(1)) => self.work(run, &datum, out),
            (_, Some(3)) => self.signal_to_step(run, datum.get("data"), out),
            (_, Some(4)) => self.client_done(out),
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

    /// Mutants that take fewer messages than there are.
    fn dislikes(&self, datum: &Datum) -> Option<&'static str> {
        match self.mutant.as_str() {
            "indefinite-length-refused" => has_indefinite(datum).then_some("a length is missing"),
            "nesting-refused" => (depth(datum) > 16).then_some("too deep"),
            "unknown-keys-refused" => {
                let known = ["id", "run_id", "data"].map(Datum::text);
                let entries = datum.as_map().unwrap_or_default();
                entries.iter().any(|(key, _)| !known.contains(key)).then_some("an unknown key")
            }
            "bare-client-done-refused" => {
                let is_bare = datum.as_map().is_some_and(|entries| entries.len() < 3);
                (is_bare && datum.get("id").and_then(Datum::as_int) == Some(4)).then_some("a key is missing")
            }
            _ => None,
        }
    }

    /// A mutant: fills what a message lacks from the message before it.
    fn completed(&mut self, datum: Datum) -> Datum {
        let lacks = datum.as_map().is_none_or(|entries| entries.len() < 3);
        match (lacks, self.last.start.clone()) {
            (true, Some(last)) if datum.get("id").is_none_or(|id| id.as_int() == Some(1)) => last,
            _ => datum,
        }
    }

    fn work(&mut self, run: Option<Datum>, message: &Datum, out: &mut Acting<'_>) {
        let Some(run) = run.filter(|run| run.as_text().is_some_and(|text| !text.is_empty())) else {
            return self.error("", "the work start has no run_id", true, false, out);
        };
        let name = run_text(Some(&run));
        let data = message.get("data");
        let step =
            data.and_then(|data| data.get("id")).and_then(Datum::as_text).unwrap_or_default().into_owned();
        let Some(config) = data.and_then(|data| data.get("config")).filter(|_| !step.is_empty()) else {
            if self.is("incomplete-start-ignored") {
                return;
            }
            let name = if self.is("refusal-loses-run-id") { "" } else { name.as_str() };
            return self.error(name, "the work start lacks id or config", true, false, out);
        };
        self.last.start = Some(message.clone());
        if self.is("second-start-replaces-first") && self.waiting.iter().any(|waiting| waiting.run == run) {
            self.waiting.clear();
            return self.error(&name, "this run id is at work already", false, false, out);
        }
        if self.waiting.iter().any(|waiting| waiting.run == run) && !self.is("live-run-id-twice") {
            return self.error(&name, "this run id is at work already", false, false, out);
        }
        if self.is("one-run-at-a-time") && !self.waiting.is_empty() {
            return self.error(&name, "busy", true, false, out);
        }
        let Some(known) = TYPES.steps.get(&step) else {
            return self.refuse(&name, "unknown step", out);
        };
        match self.accepted(&known.input, config) {
            Ok(input) => self.perform(&step, run, &input, out),
            Err(why) => self.refuse(&name, &why, out),
        }
    }

    fn accepted(
        &self,
        input: &crate::protocol::arcaflow::schema::Scope,
        config: &Datum,
    ) -> Result<Datum, String> {
        if self.is("text-not-converted") {
            input.check(config).map_err(|fault| fault.to_string())?;
        }
        if self.is("limits-not-checked") {
            return Ok(config.clone());
        }
        if self.is("limit-off-by-one") && config.get("count").and_then(Datum::as_int) == Some(6) {
            return Ok(config.clone());
        }
        if self.is("limits-exclusive") && config.get("count").and_then(Datum::as_int) == Some(5) {
            return Err("count is too large".into());
        }
        if self.is("optional-is-required") && config.get("i").is_some() && config.get("m").is_none() {
            return Err("m is missing".into());
        }
        input.accept(config).map_err(|fault| fault.to_string())
    }

    /// A work start that cannot be done: the run fails, the plugin goes on.
    fn refuse(&mut self, run: &str, why: &str, out: &mut Acting<'_>) {
        if self.dialect != Dialect::V3 {
            return self.crash(why, out);
        }
        match self.mutant.as_str() {
            "refusal-is-silent" => {}
            "refusal-is-server-fatal" => self.error(run, why, true, true, out),
            "refusal-without-run-id" => self.error("", why, true, false, out),
            "refusal-not-step-fatal" => self.error(run, why, false, false, out),
            "refusal-ends-plugin" => {
                out.complain(why);
                out.exit(Exit::Code(1));
            }
            _ => self.error(run, why, true, false, out),
        }
    }

    fn perform(&mut self, step: &str, run_id: Datum, input: &Datum, out: &mut Acting<'_>) {
        match run(step, input) {
            Deed::Output { id, data, logs } => self.output(step, run_id, id, data, logs, out),
            Deed::Raise(why) => match self.mutant.as_str() {
                "raise-ends-plugin" => out.exit(Exit::Code(1)),
                "raise-is-success" => {
                    self.result(run_id, "success", Datum::map::<String>([]), String::new(), out)
                }
                _ => self.refuse(&run_text(Some(&run_id)), &why, out),
            },
            Deed::Exit(_) if self.is("exit-is-silence") => {}
            Deed::Exit(_) if self.dialect != Dialect::V3 => {
                self.crash("the step has ended the process", out);
            }
            Deed::Exit(status) => out.exit(Exit::Code(if self.is("exit-status-zero") { 0 } else { status })),
            Deed::Wait(millis) if self.is("waits-in-line") => {
                let until = self.waiting.last().map_or(self.now, |last| last.until) + millis * 1_000_000;
                self.waiting.push(Waiting { run: run_id, until, cancelled: false });
                self.set_alarm(out);
            }
            Deed::Wait(millis) => {
                let until = self.now + millis * 1_000_000;
                self.waiting.push(Waiting { run: run_id, until, cancelled: false });
                self.set_alarm(out);
            }
            Deed::Noise(text) => {
                let bytes = text.into_bytes();
                if self.is("noise-in-stream") {
                    out.print(bytes);
                } else {
                    out.complain(&String::from_utf8_lossy(&bytes));
                }
                self.result(run_id, "success", Datum::map::<String>([]), String::new(), out);
            }
            Deed::Spawn => {
                self.spawn(out);
                self.result(run_id, "success", Datum::map::<String>([]), String::new(), out);
            }
        }
    }

    fn output(&mut self, step: &str, run: Datum, id: &str, data: Datum, logs: String, out: &mut Acting<'_>) {
        let outputs = &TYPES.steps[step].outputs;
        let checked = match outputs.get(id) {
            None => Err(format!("the step gave the output `{id}`, which it does not declare")),
            Some(scope) if step != "big" => scope.check(&data).map_err(|fault| fault.to_string()),
            Some(_) => Ok(()),
        };
        match checked {
            Err(why) if !self.is("outputs-not-checked") => self.refuse(&run_text(Some(&run)), &why, out),
            _ => {
                let data = self.distorted(step, data);
                let id = if self.is("output-id-always-success") { "success" } else { id };
                self.result(run, id, data, logs, out);
            }
        }
    }

    /// Mutants that change values on their way through.
    fn distorted(&self, step: &str, data: Datum) -> Datum {
        match (self.mutant.as_str(), step) {
            ("floats-become-integers", "types") => replace(data, "f", Datum::from(1_i64)),
            ("absent-becomes-null", "types") if data.get("b").is_none() => {
                let mut entries = data.as_map().unwrap_or_default().to_vec();
                entries.push((Datum::text("b"), Datum::Null));
                Datum::Map(entries, crate::datum::Head::Preferred)
            }
            ("text-cut-at-64k", "echo") => {
                let text = data.get("message").and_then(Datum::as_text).unwrap_or_default();
                let cut: String = text.chars().take(65_536).collect();
                replace(data.clone(), "message", Datum::text(cut))
            }
            ("undeclared-key-in-output", "echo") => {
                let mut entries = data.as_map().unwrap_or_default().to_vec();
                entries.push((Datum::text("took_ms"), Datum::from(1_i64)));
                Datum::Map(entries, crate::datum::Head::Preferred)
            }
            _ => data,
        }
    }

    fn result(&mut self, run: Datum, id: &str, data: Datum, logs: String, out: &mut Acting<'_>) {
        if self.dialect != Dialect::V3 {
            return self.give(id, data, &logs, out);
        }
        let logs = if self.is("logs-of-earlier-runs") {
            self.last.logs += &logs;
            self.last.logs.clone()
        } else {
            logs
        };
        let run = match self.mutant.as_str() {
            "run-id-becomes-empty" => Datum::text(""),
            "results-swapped" => self.waiting.first().map_or(run.clone(), |other| other.run.clone()),
            _ => run,
        };
        let mut data = vec![("output_id", Datum::text(id)), ("output_data", data)];
        if !self.is("without-debug-logs") {
            data.push(("debug_logs", Datum::text(logs)));
        }
        let message = self.envelope(2, run, Datum::map(data));
        if self.is("flushed-only-at-exit") {
            let mut payload = Payload::default();
            cbor::encode(&message, &mut payload);
            return self.last.results.push(payload);
        }
        self.send(&message, out);
        if self.is("result-twice") {
            self.send(&message, out);
        }
    }

    fn envelope(&self, id: i64, run: Datum, data: Datum) -> Datum {
        Datum::map([("id", Datum::from(id)), ("run_id", run), ("data", data)])
    }

    fn error(&mut self, run: &str, why: &str, step_fatal: bool, server_fatal: bool, out: &mut Acting<'_>) {
        let data = Datum::map([
            ("error", Datum::text(why)),
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

    fn signal_to_step(&mut self, run: Option<Datum>, data: Option<&Datum>, out: &mut Acting<'_>) {
        let name = run_text(run.as_ref());
        let signal = data.and_then(|data| data.get("signal_id")).and_then(Datum::as_text).unwrap_or_default();
        let fits =
            data.and_then(|data| data.get("data")).and_then(Datum::as_map).is_some_and(<[_]>::is_empty);
        let found = self.waiting.iter().position(|waiting| Some(&waiting.run) == run.as_ref());
        if found.is_none() && self.is("late-signal-hangs") {
            self.waiting.push(Waiting { run: Datum::Null, until: Nanos::MAX, cancelled: false });
            return;
        }
        let why = match found {
            None => "no run of this id takes signals",
            Some(_) if signal != "cancel" => "the step takes no such signal",
            Some(_) if !fits => "the data of the signal does not fit",
            Some(at) => {
                if !self.is("cancel-ignored") {
                    self.waiting[at].cancelled = true;
                    self.waiting[at].until = self.now;
                    self.time(out);
                }
                return;
            }
        };
        match self.mutant.as_str() {
            "bad-signal-crashes" => out.exit(Exit::Code(2)),
            "bad-signal-fails-run" => self.error(&name, why, true, false, out),
            "bad-signal-ignored" => {}
            _ => self.error(&name, why, false, false, out),
        }
    }

    fn client_done(&mut self, out: &mut Acting<'_>) {
        match self.mutant.as_str() {
            "client-done-ignored" => {}
            "client-done-drops-runs" => out.exit(Exit::Code(0)),
            "client-done-status-one" => self.leaving = Some(1),
            _ => self.leaving = Some(0),
        }
    }

    fn input_ended(&mut self, out: &mut Acting<'_>) {
        let ignored = self.is("end-of-input-ignored") || self.is("end-of-input-awaited");
        if self.leaving.is_some() || ignored {
            return;
        }
        if self.dialect != Dialect::V3 && self.is_done {
            return self.leaving = Some(0);
        }
        if self.codec.finish().is_some() && self.greeted {
            if self.is("claimed-length-is-awaited") {
                return;
            }
            return self.malformed("the stream ends inside a message", out);
        }
        self.leaving = Some(if self.is("end-of-input-status-zero") { 0 } else { 1 });
    }

    fn time(&mut self, out: &mut Acting<'_>) {
        if self.is("impatient") && !self.has_task && self.now >= IMPATIENCE {
            return self.end(0, out);
        }
        while let Some(at) = self.waiting.iter().position(|waiting| waiting.until <= self.now) {
            let Waiting { run, cancelled, .. } = self.waiting.remove(at);
            let output = if cancelled { "cancelled" } else { "success" };
            self.result(run, output, Datum::map::<String>([]), String::new(), out);
        }
        self.set_alarm(out);
    }

    fn set_alarm(&mut self, out: &mut Acting<'_>) {
        if let Some(next) = self.waiting.iter().map(|waiting| waiting.until).min() {
            out.wake(next);
        }
    }

    fn signal(&mut self, signal: i32, out: &mut Acting<'_>) {
        match signal {
            15 if self.dialect != Dialect::V3 => self.terminated(out),
            15 => self.end(0, out),
            2 if self.is("interrupt-ends-plugin") => self.end(130, out),
            _ => {}
        }
    }

    /// Ends once nothing runs any more.
    fn leave_if_idle(&mut self, out: &mut Acting<'_>) {
        if let Some(status) = self.leaving
            && self.waiting.is_empty()
        {
            self.end(status, out);
        }
    }

    /// Ends now; no child is left behind.
    fn end(&mut self, status: i32, out: &mut Acting<'_>) {
        for payload in std::mem::take(&mut self.last.results) {
            out.print(payload);
        }
        for child in 1..=self.children {
            out.act(Act::Signal { wire: WireId::own(child), signal: 15 });
        }
        out.close(WireId::STDIO, CloseHow::Write);
        out.exit(Exit::Code(status));
    }

    fn spawn(&mut self, out: &mut Acting<'_>) {
        self.children += 1;
        let argv = vec!["sleep".to_owned(), CHILD_SLEEPS.to_owned()];
        let to = Target::Spawn { argv, env: BTreeMap::new(), dir: None };
        out.act(Act::Open { wire: WireId::own(self.children), to });
    }

    fn send(&mut self, message: &Datum, out: &mut Acting<'_>) {
        let mut payload = Payload::default();
        match message {
            Datum::Map(entries, head) if self.is("key-twice") && entries.len() > 2 => {
                let twice = entries.iter().chain(entries.first()).cloned().collect();
                cbor::encode(&Datum::Map(twice, *head), &mut payload);
            }
            _ => cbor::encode(message, &mut payload),
        }
        out.print(payload);
        if self.is("line-end-after-message") {
            out.print(b"\n".to_vec());
        }
    }
}

/// The run id as messages repeat it.
fn run_text(run: Option<&Datum>) -> String {
    run.and_then(Datum::as_text).unwrap_or_default().into_owned()
}

fn replace(data: Datum, key: &str, value: Datum) -> Datum {
    let entries = data.as_map().unwrap_or_default().iter().map(|(name, old)| {
        let is_key = name.as_text().as_deref() == Some(key);
        (name.clone(), if is_key { value.clone() } else { old.clone() })
    });
    Datum::Map(entries.collect(), crate::datum::Head::Preferred)
}

/// Whether a map, list or text in it says its end instead of its length.
fn has_indefinite(datum: &Datum) -> bool {
    match datum {
        Datum::Map(_, Head::Indefinite) | Datum::Array(_, Head::Indefinite) => true,
        Datum::Map(entries, _) => entries.iter().any(|(_, value)| has_indefinite(value)),
        Datum::Array(items, _) => items.iter().any(has_indefinite),
        _ => false,
    }
}

fn depth(datum: &Datum) -> usize {
    let inner = match datum {
        Datum::Map(entries, _) => entries.iter().map(|(_, value)| depth(value)).max(),
        Datum::Array(items, _) => items.iter().map(depth).max(),
        _ => return 0,
    };
    1 + inner.unwrap_or_default()
}
