//! How a session comes to its end.

use super::session::{Answer, Dialect, Session, State};
use crate::actor::{Act, CloseHow, Nanos, SECOND};
use crate::datum::Datum;
use crate::mocks::Acting;
use crate::protocol::arcaflow::schema::{Scope, Step};

/// How long a plugin has to end after client done or `cancel`, unless `--closure` says otherwise.
const CLOSURE: Nanos = 5 * SECOND;
/// How long it has after SIGTERM.
///
/// Source: the document, "Execution model".
const GRACE: Nanos = 30 * SECOND;

impl Session {
    /// The user wants the run to stop.
    pub(super) fn cancel(&mut self, out: &mut Acting<'_>) {
        let takes_cancel = match &self.state {
            State::Work(_) if self.cancelled => return,
            State::Work(step) => takes_cancel(step),
            State::Starting | State::Hello if self.is("cancel-waits-for-hello") => return,
            State::Starting | State::Hello => false,
            State::Leaving | State::Over => return,
        };
        match (self.dialect, &self.state) {
            (Some(Dialect::Document), _) if self.is("cancel-kills-the-plugin") => {
                return self.kill("cancelled", out);
            }
            (Some(Dialect::Document), State::Work(_)) => {
                self.cancelled = true;
                return self.terminate(out);
            }
            (Some(Dialect::V3), _) if takes_cancel || self.is("cancel-without-handler") => {}
            _ if self.is("cancel-without-handler") => {}
            _ => return self.fail("cancelled", out),
        }
        if self.is("cancel-is-kill") {
            return self.kill("cancelled", out);
        }
        self.cancelled = true;
        self.alarm = match self.conduct.mutant.as_str() {
            "closure-never-ends" => None,
            "closure-from-the-start" => Some(self.begun + self.closure()),
            _ => Some(out.now + self.closure()),
        };
        let empty = if self.is("cancel-data-null") { Datum::Null } else { Datum::map::<String>([]) };
        let data = Datum::map([("signal_id", Datum::text("cancel")), ("data", empty)]);
        self.send(&self.envelope(3, &self.run, data), out);
    }

    /// No further order will come: what runs is given up.
    pub(super) fn stop(&mut self, out: &mut Acting<'_>) {
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
        self.memory.failed = true;
        let stderr = String::from_utf8_lossy(&self.stderr);
        let why = match stderr.trim() {
            "" => why.to_owned(),
            _ if self.is("stderr-hidden") => why.to_owned(),
            told => format!("{why}; it wrote: {told}"),
        };
        self.conclude(Answer::Failed(why));
        self.leave(out);
    }

    pub(super) fn conclude(&mut self, answer: Answer) {
        if !std::mem::replace(&mut self.answered, true) {
            self.answer = Some(answer);
        }
    }

    /// Says goodbye and lets the plugin have its time to end.
    pub(super) fn leave(&mut self, out: &mut Acting<'_>) {
        self.state = State::Leaving;
        if self.dialect == Some(Dialect::Document) {
            return self.terminate(out);
        }
        self.say_done(out);
        if self.is("kills-after-client-done") {
            return self.end_by_force(out);
        }
        if !self.is("plugin-kept-after-refusal") {
            out.close(self.wire, CloseHow::Write);
            self.alarm = Some(out.now + self.closure()).filter(|_| !self.is("stays-with-the-plugin"));
        }
    }

    fn say_done(&mut self, out: &mut Acting<'_>) {
        let says_done = match self.dialect {
            Some(Dialect::V3) => !self.is("no-client-done"),
            Some(Dialect::V1) => self.is("client-done-to-v1"),
            Some(Dialect::Document) | None => false,
        };
        if !says_done {
            return;
        }
        let run = if self.is("client-done-names-the-run") { &self.run } else { "" };
        let data = if self.is("client-done-data-null") { Datum::Null } else { Datum::map::<String>([]) };
        let done = self.envelope(4, run, data);
        self.send(&done, out);
        if self.is("client-done-twice") {
            self.send(&done, out);
        }
    }

    /// SIGTERM, once; by force when its time is over.
    fn terminate(&mut self, out: &mut Acting<'_>) {
        if self.terminated.is_none() {
            let signal = if self.is("killed-without-sigterm") { 9 } else { 15 };
            out.act(Act::Signal { wire: self.wire, signal });
            self.terminated = Some(match self.conduct.mutant.as_str() {
                "grace-of-ten-seconds" => out.now + 10 * SECOND,
                "grace-from-the-start" => self.begun + self.closure(),
                "sigterm-is-enough" => Nanos::MAX,
                _ => out.now + self.closure(),
            });
        }
        self.alarm = self.terminated.filter(|at| *at < Nanos::MAX);
    }

    pub(super) fn end_by_force(&mut self, out: &mut Acting<'_>) {
        out.act(Act::Signal { wire: self.wire, signal: 9 });
        self.state = State::Leaving;
    }

    fn closure(&self) -> Nanos {
        let usual = if self.dialect == Some(Dialect::Document) { GRACE } else { CLOSURE };
        self.conduct.closure.unwrap_or(usual)
    }
}

/// Whether a step has a handler `cancel` that asks for nothing.
///
/// Source: arcalot/arcaflow-engine at 8a1ac71, internal/step/plugin/provider.go, lines 451-460.
fn takes_cancel(step: &Step) -> bool {
    let empty = |scope: &Scope| {
        scope.root_id() == "cancelInput"
            && !scope.root().properties.values().any(|property| property.required)
    };
    step.signal_handlers.get("cancel").is_some_and(empty)
}
