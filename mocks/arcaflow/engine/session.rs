//! One plugin process of the reference engine, from its start to its end.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::greeting::{Greeting, greeting};
use super::slip;
use crate::actor::{Act, ActId, CloseHow, Exit, Failure, Nanos, Part, Payload, SECOND, Target, What, WireId};
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
    /// How long a plugin has to end by itself, where the command line says so.
    pub(super) closure: Option<Nanos>,
    /// Whether the exchange is shown on standard error.
    pub(super) trace: bool,
}

impl Conduct {
    pub(super) fn is(&self, mutant: &str) -> bool {
        self.mutant == mutant
    }
}

/// What plugins speak: the deployed dialects, by the version that a hello announces, and the document's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    V1,
    V3,
    Document,
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
pub(super) enum State {
    Starting,
    /// The hello is awaited; where a null asks for it, it was sent or, with `--profile auto`, is not yet.
    Hello,
    /// The step is at work.
    Work(Arc<Step>),
    /// Everything is said; the plugin has its closure time to end.
    Leaving,
    Over,
}

/// One plugin process.
pub(super) struct Session {
    pub(super) conduct: Conduct,
    pub(super) wire: WireId,
    spawn: ActId,
    pub(super) order: Order,
    pub(super) run: String,
    codec: Cbor,
    pub(super) state: State,
    pub(super) dialect: Option<Dialect>,
    asked: bool,
    ended: bool,
    /// Its output ended inside a message.
    cut: bool,
    pub(super) cancelled: bool,
    /// SIGTERM was sent; until then the plugin may live.
    pub(super) terminated: Option<Nanos>,
    pub(super) alarm: Option<Nanos>,
    /// When the plugin was started.
    pub(super) begun: Nanos,
    pub(super) answer: Option<Answer>,
    pub(super) answered: bool,
    /// A mutant's answer that is not told yet.
    pub(super) held: Option<Answer>,
    pub(super) stderr: Vec<u8>,
    pub(super) memory: slip::Memory,
}

impl Session {
    /// Starts the plugin.
    pub(super) fn start(
        conduct: Conduct,
        number: u32,
        order: Order,
        memory: slip::Memory,
        out: &mut Acting<'_>,
    ) -> Self {
        let wire = WireId::own(number);
        let to = Target::Spawn { argv: order.peer.clone(), env: BTreeMap::new(), dir: None };
        let spawn = out.act(Act::Open { wire, to });
        let run = if conduct.is("run-id-empty") { String::new() } else { format!("{}-{number}", order.step) };
        let dialect = conduct.dialect.filter(|dialect| *dialect == Dialect::Document);
        Self {
            conduct,
            wire,
            spawn,
            order,
            run,
            codec: Cbor::default(),
            state: State::Starting,
            dialect,
            asked: false,
            ended: false,
            cut: false,
            cancelled: false,
            terminated: None,
            alarm: None,
            begun: 0,
            answer: None,
            answered: false,
            held: None,
            stderr: Vec::new(),
            memory,
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

    pub(super) fn is(&self, mutant: &str) -> bool {
        self.conduct.is(mutant)
    }

    pub(super) fn take(&mut self, what: &What, out: &mut Acting<'_>) {
        match what {
            What::Opened { wire, .. } if *wire == self.wire => self.opened(out),
            What::Bytes { wire, part: Part::Main, bytes } if *wire == self.wire => self.bytes(&bytes.0, out),
            What::Bytes { wire, part: Part::Stderr, bytes } if *wire == self.wire => {
                self.noted(&bytes.0, out)
            }
            What::Ended { wire, part: Part::Main } if *wire == self.wire => self.ended(out.now),
            What::Exited { wire, status } if *wire == self.wire => self.exited(*status, out),
            What::Failed { act, why, .. } if *act == self.spawn => {
                let missing = matches!(why.failure, Failure::NotFound | Failure::NotExecutable);
                let text = why.text.clone();
                self.conclude(if missing { Answer::NotStarted(text) } else { Answer::Failed(text) });
                self.state = State::Over;
            }
            _ => {}
        }
        if self.alarm.is_some_and(|at| at <= out.now) {
            self.alarm = None;
            self.rang(out);
        }
    }

    fn opened(&mut self, out: &mut Acting<'_>) {
        self.state = State::Hello;
        self.begun = out.now;
        if self.is("work-before-hello") {
            self.send(&self.work_start(), out);
        }
        match self.conduct.dialect {
            Some(Dialect::Document) if !self.is("null-to-the-document") => self.asked = true,
            Some(_) => self.ask(out),
            None => self.alarm = Some(out.now + UNASKED),
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
            self.alarm = Some(out.now + SECOND / 2);
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
                    self.message(message.datum, out);
                    if self.is("second-of-read-is-lost") {
                        self.codec = Cbor::default();
                    }
                }
                Err(_) if self.is("ill-formed-is-silence") => return,
                Err(_) if self.is("junk-before-hello-skipped") && matches!(self.state, State::Hello) => {
                    self.codec = Cbor::default();
                    return;
                }
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
        if self.is("stderr-is-read-as-output") {
            return self.bytes(bytes, out);
        }
        self.stderr.extend_from_slice(bytes);
        let surplus = self.stderr.len().saturating_sub(STDERR);
        self.stderr.drain(..surplus);
    }

    fn message(&mut self, message: Datum, out: &mut Acting<'_>) {
        if self.is("indefinite-length-refused") && matches!(message, Datum::Map(_, Head::Indefinite)) {
            return self.fail("a message of indefinite length", out);
        }
        match &self.state {
            State::Hello if message.as_map().is_none() && self.is("junk-before-hello-skipped") => {}
            State::Hello => self.greeted(&message, out),
            State::Work(step) => {
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
        if self.is("schema-read-is-just-closed") && !std::mem::replace(&mut self.memory.has_read, true) {
            return self.start_again(out);
        }
        let hello = slip::hello(&self.conduct.mutant, &mut self.memory, message);
        let Greeting { version, mut schema } =
            match greeting(&hello, self.conduct.dialect, &self.conduct.mutant) {
                Ok(_) if self.is("failed-stays-failed") && self.memory.failed => {
                    return self.fail("another run failed", out);
                }
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
            Ok(Cow::Borrowed(_)) => {}
            Ok(Cow::Owned(input)) => self.order.input = input,
            Err(fault) if self.is("input-limit-off-by-one") && slip::by_one(&fault) => {}
            Err(fault) => return self.refuse(&format!("the input does not fit: {fault}"), out),
        }
        self.state = State::Work(Arc::new(step));
        self.begin_work(out);
    }

    /// A mutant: the schema is read, and the work has a start of its own.
    fn start_again(&mut self, out: &mut Acting<'_>) {
        out.close(self.wire, CloseHow::Write);
        self.wire = WireId::own(self.wire.name + 1000);
        let to = Target::Spawn { argv: self.order.peer.clone(), env: BTreeMap::new(), dir: None };
        self.spawn = out.act(Act::Open { wire: self.wire, to });
        self.codec = Cbor::default();
        self.state = State::Starting;
    }

    /// The step is not begun: the session only read the schema.
    fn refuse(&mut self, why: &str, out: &mut Acting<'_>) {
        if self.is("refusal-without-client-done") {
            self.dialect = None;
        }
        self.fail(why, out);
    }

    pub(super) fn envelope(&self, id: i64, run: &str, data: Datum) -> Datum {
        Datum::map([("id", Datum::from(id)), ("run_id", Datum::text(run)), ("data", data)])
    }

    /// The plugin's output has ended; its status may follow.
    fn ended(&mut self, now: Nanos) {
        self.ended = true;
        self.cut = self.codec.finish().is_some();
        let waits = matches!(self.state, State::Hello | State::Work(_));
        if waits && !self.is("end-is-awaited") && self.held.is_none() {
            self.alarm = Some(now + STATUS);
        }
    }

    fn exited(&mut self, status: Exit, out: &mut Acting<'_>) {
        let how = match status {
            Exit::Code(code) => format!("with status {code}"),
            Exit::Signal(signal) => format!("by signal {signal}"),
        };
        if !self.answered && !self.is("end-is-awaited") {
            self.status(status);
            self.fail(&format!("the plugin ended {how} {}", self.what_is_missing()), out);
        }
        self.state = State::Over;
        self.alarm = None;
    }

    /// Mutants: what was held is told now, unless the status undoes it.
    fn status(&mut self, status: Exit) {
        let undone = self.is("status-after-result-counts") && status != Exit::Code(0);
        if let Some(answer) = self.held.take().filter(|_| !undone) {
            self.conclude(answer);
        }
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
            _ if self.held.is_some() => {
                self.held.take().into_iter().for_each(|answer| self.conclude(answer));
                self.leave(out);
            }
            State::Hello if !self.asked && !self.ended => self.ask(out),
            State::Hello if self.is("hello-time-out") => self.fail("the hello took too long", out),
            State::Hello | State::Work(_) if self.ended => {
                let why = format!("the plugin closed its output {}", self.what_is_missing());
                self.fail(&why, out);
            }
            State::Work(_) if self.cancelled => {
                self.conclude(Answer::Failed("cancelled; the plugin did not end the step in time".into()));
                self.end_by_force(out);
            }
            State::Work(_) if self.is("work-time-out") => self.fail("the work took too long", out),
            State::Leaving => self.end_by_force(out),
            _ => {}
        }
    }

    pub(super) fn send(&self, message: &Datum, out: &mut Acting<'_>) {
        self.show("->", message, out);
        let mut payload = Payload::default();
        cbor::encode(message, &mut payload);
        out.write(self.wire, payload);
        if self.is("line-end-after-message") {
            out.write(self.wire, b"\n".to_vec());
        }
    }

    pub(super) fn show(&self, way: &str, message: &Datum, out: &mut Acting<'_>) {
        if self.conduct.trace {
            out.complain(&format!("{way} {}", brief(message)));
        }
    }

    /// What a user may want to know and what does no harm.
    pub(super) fn remark(&self, text: &str, out: &mut Acting<'_>) {
        out.complain(&format!("ignored: {text}"));
    }
}
