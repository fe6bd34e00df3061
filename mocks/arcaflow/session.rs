//! One plugin process of the reference engine, from its start to its end.

use std::collections::BTreeMap;

use super::greeting::{Greeting, greeting};
use crate::actor::{
    Act, ActId, CloseHow, Event, Exit, Failure, Nanos, Part, Payload, SECOND, Target, What, WireId,
};
use crate::codec::Codec;
use crate::codec::cbor::{self, Cbor};
use crate::datum::{Datum, Head, brief};
use crate::mocks::Acting;
use crate::protocol::arcaflow::schema::Step;

/// How long a plugin that has closed its output has to say with which status it ends.
const STATUS: Nanos = SECOND / 2;
/// How long `--profile auto` waits for a hello that comes unasked.
const UNASKED: Nanos = SECOND;
/// Most bytes of standard error that an error message carries.
const STDERR: usize = 2048;

/// How the engine behaves.
#[derive(Clone, Debug)]
pub(super) struct Conduct {
    pub(super) mutant: String,
    /// The dialect; `None` finds out which one the plugin wants.
    pub(super) dialect: Option<Dialect>,
    /// How long a plugin has to end by itself.
    pub(super) closure: Nanos,
    /// Whether the exchange is shown on standard error.
    pub(super) trace: bool,
}

impl Conduct {
    pub(super) fn is(&self, mutant: &str) -> bool {
        self.mutant == mutant
    }
}

/// The deployed dialects, by the version that a hello announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    V1,
    V3,
}

/// What to run.
pub(super) struct Order {
    pub(super) peer: Vec<String>,
    pub(super) step: String,
    pub(super) input: Datum,
}

/// What a run comes to.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Output { id: String, data: Datum },
    Failed(String),
    NotStarted(String),
}

/// Where a session is.
#[derive(Clone, Debug)]
enum State {
    Starting,
    /// The hello is awaited; the null was sent or, with `--profile auto`, is not yet.
    Hello,
    /// The step is at work.
    Work(Box<Step>),
    /// Everything is said; the plugin has its closure time to end.
    Leaving,
    Over,
}

/// One plugin process.
pub(super) struct Session {
    conduct: Conduct,
    wire: WireId,
    spawn: ActId,
    order: Order,
    run: String,
    codec: Cbor,
    state: State,
    dialect: Option<Dialect>,
    asked: bool,
    ended: bool,
    /// Its output ended inside a message.
    cut: bool,
    cancelled: bool,
    alarm: Option<Nanos>,
    now: Nanos,
    answer: Option<Answer>,
    answered: bool,
    stderr: Vec<u8>,
}

impl Session {
    /// Starts the plugin.
    pub(super) fn start(conduct: Conduct, number: u32, order: Order, out: &mut Acting<'_>) -> Self {
        let wire = WireId::own(number);
        let to = Target::Spawn { argv: order.peer.clone(), env: BTreeMap::new(), dir: None };
        let spawn = out.act(Act::Open { wire, to });
        let run = if conduct.is("run-id-empty") { String::new() } else { format!("{}-{number}", order.step) };
        Self {
            conduct,
            wire,
            spawn,
            order,
            run,
            codec: Cbor::default(),
            state: State::Starting,
            dialect: None,
            asked: false,
            ended: false,
            cut: false,
            cancelled: false,
            alarm: None,
            now: 0,
            answer: None,
            answered: false,
            stderr: Vec::new(),
        }
    }

    /// The answer, once.
    pub(super) fn answer(&mut self) -> Option<Answer> {
        self.answer.take()
    }

    /// When the session wants to be woken.
    pub(super) fn alarm(&self) -> Option<Nanos> {
        self.alarm
    }

    /// Whether the plugin is gone.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.state, State::Over) && self.answer.is_none()
    }

    fn is(&self, mutant: &str) -> bool {
        self.conduct.is(mutant)
    }

    pub(super) fn on(&mut self, event: &Event, out: &mut Acting<'_>) {
        self.now = event.at;
        match &event.what {
            What::Opened { wire, .. } if *wire == self.wire => self.opened(out),
            What::Bytes { wire, part: Part::Main, bytes } if *wire == self.wire => self.bytes(&bytes.0, out),
            What::Bytes { wire, part: Part::Stderr, bytes } if *wire == self.wire => {
                self.noted(&bytes.0, out)
            }
            What::Ended { wire, part: Part::Main } if *wire == self.wire => self.ended(),
            What::Exited { wire, status } if *wire == self.wire => self.exited(*status, out),
            What::Failed { act, why, .. } if *act == self.spawn => {
                let missing = matches!(why.failure, Failure::NotFound | Failure::NotExecutable);
                let text = why.text.clone();
                self.conclude(if missing { Answer::NotStarted(text) } else { Answer::Failed(text) });
                self.state = State::Over;
            }
            _ => {}
        }
        if self.alarm.is_some_and(|at| at <= self.now) {
            self.alarm = None;
            self.rang(out);
        }
    }

    fn opened(&mut self, out: &mut Acting<'_>) {
        self.state = State::Hello;
        if self.is("work-before-hello") {
            self.send(&self.work_start(), out);
        }
        match self.conduct.dialect {
            Some(_) => self.ask(out),
            None => self.alarm = Some(self.now + UNASKED),
        }
    }

    /// Asks for the hello.
    fn ask(&mut self, out: &mut Acting<'_>) {
        self.asked = true;
        match self.conduct.mutant.as_str() {
            "no-null" => {}
            "null-is-empty-map" => self.send(&Datum::map::<String>([]), out),
            "null-twice" => {
                self.send(&Datum::Null, out);
                self.send(&Datum::Null, out);
            }
            _ => self.send(&Datum::Null, out),
        }
        if self.is("hello-time-out") {
            self.alarm = Some(self.now + SECOND / 2);
        }
    }

    fn bytes(&mut self, bytes: &[u8], out: &mut Acting<'_>) {
        if self.is("read-is-message") {
            self.codec = Cbor::default();
        }
        self.codec.feed(bytes);
        while let Some(next) = self.codec.next() {
            match next {
                _ if matches!(self.state, State::Leaving | State::Over) => return,
                Ok(message) => {
                    self.show("<-", &message.datum, out);
                    self.message(&message.datum, out);
                }
                Err(_) if self.is("ill-formed-is-silence") => return,
                Err(malformed) => {
                    let why = format!("the plugin's output is no CBOR: {}", malformed.reason);
                    return self.fail(&why, out);
                }
            }
        }
    }

    /// Keeps the end of what the plugin writes to standard error.
    fn noted(&mut self, bytes: &[u8], out: &mut Acting<'_>) {
        if self.is("stderr-fails-run") {
            return self.fail("the plugin wrote to standard error", out);
        }
        self.stderr.extend_from_slice(bytes);
        let surplus = self.stderr.len().saturating_sub(STDERR);
        self.stderr.drain(..surplus);
    }

    fn message(&mut self, message: &Datum, out: &mut Acting<'_>) {
        if self.is("indefinite-length-refused") && matches!(message, Datum::Map(_, Head::Indefinite)) {
            return self.fail("a message of indefinite length", out);
        }
        match (&self.state, self.dialect) {
            (State::Hello, _) => self.greeted(message, out),
            (State::Work(step), Some(Dialect::V1)) => {
                let step = step.clone();
                self.bare_result(&step, message, out);
            }
            (State::Work(step), _) => {
                let step = step.clone();
                self.at_work(&step, message, out);
            }
            _ => {}
        }
    }

    /// The hello: the step begins, unless something about it is not as it must be.
    fn greeted(&mut self, message: &Datum, out: &mut Acting<'_>) {
        self.alarm = None;
        if self.conduct.dialect.is_none() {
            let how = if self.asked { "waits for a null before its hello" } else { "says hello unasked" };
            out.complain(&format!("auto: the plugin {how}"));
        }
        let Greeting { version, mut schema } = match greeting(message, &self.conduct.mutant) {
            Ok(greeting) => greeting,
            Err(_) if self.is("broken-schema-is-silence") => return,
            Err(why) => return self.fail(&format!("the plugin's hello is refused: {why}"), out),
        };
        self.dialect = Some(version);
        let Some(step) = schema.steps.remove(&self.order.step) else {
            let known: Vec<_> = schema.steps.into_keys().collect();
            let (step, known) = (&self.order.step, known.join(", "));
            let why = format!("the plugin has no step `{step}` (it has: {known})");
            return self.refuse(&why, out);
        };
        match step.input.accept(&self.order.input) {
            _ if self.is("input-not-checked") => {}
            Ok(input) => self.order.input = input,
            Err(fault) => return self.refuse(&format!("the input does not fit: {fault}"), out),
        }
        self.send(&self.work_start(), out);
        self.state = State::Work(Box::new(step));
    }

    /// The step is not begun: the session only read the schema.
    fn refuse(&mut self, why: &str, out: &mut Acting<'_>) {
        if self.is("refusal-without-client-done") {
            self.dialect = None;
        }
        self.fail(why, out);
    }

    fn work_start(&self) -> Datum {
        let config =
            if self.is("literals-as-text") { as_texts(&self.order.input) } else { self.order.input.clone() };
        let mut data = vec![("id", Datum::text(&self.order.step)), ("config", config)];
        if self.is("key-twice") {
            data.push(("id", Datum::text(&self.order.step)));
        }
        let data = Datum::map(data);
        match self.dialect {
            Some(Dialect::V1) => data,
            _ if self.is("bare-work-start") => data,
            _ => self.envelope(1, &self.run, data),
        }
    }

    fn envelope(&self, id: i64, run: &str, data: Datum) -> Datum {
        Datum::map([("id", Datum::from(id)), ("run_id", Datum::text(run)), ("data", data)])
    }

    /// A message while the step is at work, in the dialect of version 3.
    fn at_work(&mut self, step: &Step, message: &Datum, out: &mut Acting<'_>) {
        let keys = message.as_map().unwrap_or_default();
        let unknown = keys
            .iter()
            .find(|(key, _)| !key.as_text().is_some_and(|key| ["id", "run_id", "data"].contains(&&*key)));
        let run = message.get("run_id").and_then(Datum::as_text).unwrap_or_default();
        let is_ours = run == self.run;
        let data = message.get("data").unwrap_or(&Datum::Null);
        match (message.get("id").and_then(Datum::as_int), unknown) {
            (_, Some(_)) | (None, _) if self.is("acknowledgement-taken") => {}
            (_, Some((key, _))) => self.fail(&format!("a message has the unknown key {key}"), out),
            (None, None) => self.fail(&format!("this is no message: {}", brief(message)), out),
            (Some(2), _) if is_ours || self.is("any-result-counts") => self.result(step, data, out),
            (Some(2), _) if run.is_empty() && self.is("result-without-run-counts") => {
                self.result(step, data, out);
            }
            (Some(2), _) => self.remark(&format!("a result for the unknown run `{run}`"), out),
            (Some(3), _) if self.is("signal-fails-run") => self.fail("a signal came", out),
            (Some(3), _) => self.remark("a signal of the plugin", out),
            (Some(5), _) => self.error(&run, is_ours, data, out),
            (Some(_), _) if self.is("unknown-id-is-fatal") => self.fail("unknown message id", out),
            (Some(other), _) => self.remark(&format!("a message with the unknown id {other}"), out),
        }
    }

    fn error(&mut self, run: &str, is_ours: bool, data: &Datum, out: &mut Acting<'_>) {
        let flag = |key: &str| data.get(key).and_then(Datum::as_bool).unwrap_or(false);
        let text = data.get("error").and_then(Datum::as_text).unwrap_or_default();
        let of_all = run.is_empty() && !self.is("empty-run-id-is-nobody");
        let fatal = flag("server_fatal") && !self.is("server-fatal-ignored");
        let why = format!("the plugin reports an error: {text}");
        if fatal || (flag("step_fatal") && (is_ours || of_all)) || self.is("warning-is-fatal") {
            return self.fail(&why, out);
        }
        self.remark(&why, out);
    }

    /// A result of version 1: a map without an envelope, and nothing else.
    fn bare_result(&mut self, step: &Step, message: &Datum, out: &mut Acting<'_>) {
        const KEYS: [&str; 3] = ["output_id", "output_data", "debug_logs"];
        let fits = message.as_map().is_some_and(|keys| {
            keys.iter().all(|(key, _)| key.as_text().is_some_and(|key| KEYS.contains(&&*key)))
        });
        match fits {
            _ if self.is("acknowledgement-taken") && message.get("output_id").is_none() => {}
            true => self.result(step, message, out),
            false => self.fail(&format!("this is no result: {}", brief(message)), out),
        }
    }

    fn result(&mut self, step: &Step, data: &Datum, out: &mut Acting<'_>) {
        if self.is("step-id-refused") && data.get("step_id").is_some() {
            return self.fail("a result has the unknown key step_id", out);
        }
        let Some(id) = data.get("output_id").and_then(Datum::as_text) else {
            return self.fail("a result has no output_id", out);
        };
        let value = data.get("output_data").cloned().unwrap_or(Datum::Null);
        match step.outputs.get(&*id) {
            None if self.is("undeclared-output-passes") => {}
            None => return self.fail(&format!("the step does not declare the output `{id}`"), out),
            Some(scope) => {
                if let Err(fault) = scope.check(&value)
                    && !self.is("output-not-checked")
                {
                    return self.fail(&format!("the data of the output `{id}` does not fit: {fault}"), out);
                }
            }
        }
        if self.is("large-result-is-silence") && data.get("output_data").is_some_and(is_large) {
            return;
        }
        let id = if self.is("output-id-always-success") { "success".into() } else { id.into_owned() };
        self.conclude(Answer::Output { id, data: value });
        self.leave(out);
    }

    /// The plugin's output has ended; its status may follow.
    fn ended(&mut self) {
        self.ended = true;
        self.cut = self.codec.finish().is_some();
        let waits = matches!(self.state, State::Hello | State::Work(_));
        if waits && !self.is("end-is-awaited") {
            self.alarm = Some(self.now + STATUS);
        }
    }

    fn exited(&mut self, status: Exit, out: &mut Acting<'_>) {
        let how = match status {
            Exit::Code(code) => format!("with status {code}"),
            Exit::Signal(signal) => format!("by signal {signal}"),
        };
        if !self.answered && !self.is("end-is-awaited") {
            self.fail(&format!("the plugin ended {how} {}", self.what_is_missing()), out);
        }
        self.state = State::Over;
        self.alarm = None;
    }

    fn what_is_missing(&self) -> &'static str {
        match (&self.state, self.cut) {
            (State::Hello | State::Starting, false) => "before its hello",
            (State::Hello | State::Starting, true) => "inside its hello",
            (_, false) => "before its result",
            (_, true) => "inside a message",
        }
    }

    fn rang(&mut self, out: &mut Acting<'_>) {
        match self.state {
            State::Hello if !self.asked => self.ask(out),
            State::Hello if self.is("hello-time-out") => self.fail("the hello took too long", out),
            State::Hello | State::Work(_) if self.ended => {
                let why = format!("the plugin closed its output {}", self.what_is_missing());
                self.fail(&why, out);
            }
            State::Work(_) if self.cancelled => {
                self.conclude(Answer::Failed("cancelled; the plugin did not end the step in time".into()));
                self.end_by_force(out);
            }
            State::Leaving => self.end_by_force(out),
            _ => {}
        }
    }

    fn end_by_force(&mut self, out: &mut Acting<'_>) {
        out.act(Act::Signal { wire: self.wire, signal: 9 });
        self.state = State::Leaving;
    }

    /// The user wants the run to stop.
    pub(super) fn cancel(&mut self, now: Nanos, out: &mut Acting<'_>) {
        self.now = now;
        let takes_cancel = match &self.state {
            State::Work(step) => {
                let empty = |scope: &crate::protocol::arcaflow::schema::Scope| {
                    scope.root_id() == "cancelInput"
                        && !scope.root().properties.values().any(|property| property.required)
                };
                step.signal_handlers.get("cancel").is_some_and(empty)
            }
            State::Starting | State::Hello if self.is("cancel-waits-for-hello") => return,
            State::Starting | State::Hello => false,
            State::Leaving | State::Over => return,
        };
        let speaks = self.dialect == Some(Dialect::V3);
        match self.conduct.mutant.as_str() {
            "cancel-without-handler" => {}
            _ if !takes_cancel || !speaks => return self.fail("cancelled", out),
            "cancel-is-kill" => return self.kill("cancelled", out),
            _ => {}
        }
        self.cancelled = true;
        if self.is("closure-never-ends") {
            self.alarm = None;
        } else {
            self.alarm = Some(self.now + self.conduct.closure);
        }
        let data = Datum::map([("signal_id", Datum::text("cancel")), ("data", Datum::map::<String>([]))]);
        self.send(&self.envelope(3, &self.run, data), out);
    }

    /// No further order will come: what runs is given up.
    pub(super) fn stop(&mut self, now: Nanos, out: &mut Acting<'_>) {
        self.now = now;
        if !matches!(self.state, State::Leaving | State::Over) {
            self.fail("the engine was stopped", out);
        }
    }

    /// Ends the plugin at once.
    pub(super) fn kill(&mut self, why: &str, out: &mut Acting<'_>) {
        self.conclude(Answer::Failed(why.into()));
        if !matches!(self.state, State::Over) {
            self.end_by_force(out);
        }
    }

    /// The run has failed: with what the plugin wrote to standard error, since that may say why.
    pub(super) fn fail(&mut self, why: &str, out: &mut Acting<'_>) {
        if self.answered {
            return;
        }
        let stderr = String::from_utf8_lossy(&self.stderr);
        let why = match stderr.trim() {
            "" => why.to_owned(),
            _ if self.is("stderr-hidden") => why.to_owned(),
            told => format!("{why}; it wrote: {told}"),
        };
        self.conclude(Answer::Failed(why));
        self.leave(out);
    }

    fn conclude(&mut self, answer: Answer) {
        if !std::mem::replace(&mut self.answered, true) {
            self.answer = Some(answer);
        }
    }

    /// Says goodbye and lets the plugin have its closure time.
    fn leave(&mut self, out: &mut Acting<'_>) {
        let says_done = match self.dialect {
            Some(Dialect::V3) => !self.is("no-client-done"),
            Some(Dialect::V1) => self.is("client-done-to-v1"),
            None => false,
        };
        if says_done {
            self.send(&self.envelope(4, "", Datum::map::<String>([])), out);
        }
        self.state = State::Leaving;
        if self.is("kills-after-client-done") {
            return self.end_by_force(out);
        }
        if !self.is("plugin-kept-after-refusal") {
            out.close(self.wire, CloseHow::Write);
            self.alarm = Some(self.now + self.conduct.closure);
        }
    }

    fn send(&self, message: &Datum, out: &mut Acting<'_>) {
        self.show("->", message, out);
        let mut payload = Payload::default();
        cbor::encode(message, &mut payload);
        out.write(self.wire, payload);
        if self.is("line-end-after-message") {
            out.write(self.wire, b"\n".to_vec());
        }
    }

    fn show(&self, way: &str, message: &Datum, out: &mut Acting<'_>) {
        if self.conduct.trace {
            out.complain(&format!("{way} {}", brief(message)));
        }
    }

    /// What a user may want to know and what does no harm.
    fn remark(&self, text: &str, out: &mut Acting<'_>) {
        out.complain(&format!("ignored: {text}"));
    }
}

/// A mutant: the deployed engine's way with literals.
fn as_texts(value: &Datum) -> Datum {
    match value {
        Datum::Map(entries, head) => {
            Datum::Map(entries.iter().map(|(key, value)| (key.clone(), as_texts(value))).collect(), *head)
        }
        Datum::Array(items, head) => Datum::Array(items.iter().map(as_texts).collect(), *head),
        other => other.as_inserted().map_or_else(|| other.clone(), Datum::text),
    }
}

/// Whether a value holds more than 64 KiB of text or a long list.
fn is_large(value: &Datum) -> bool {
    match value {
        Datum::Text(text, _) => text.len() > 65_536,
        Datum::Array(items, _) => items.len() > 65_536 || items.iter().any(is_large),
        Datum::Map(entries, _) => entries.iter().any(|(_, value)| is_large(value)),
        _ => false,
    }
}
