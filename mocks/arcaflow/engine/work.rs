//! The work: how it is begun, and what a plugin says while it goes on.

use std::borrow::Cow;

use super::session::{Answer, Dialect, Session};
use super::slip;
use crate::actor::{CloseHow, Nanos, SECOND};
use crate::datum::{Datum, brief};
use crate::mocks::Acting;
use crate::protocol::arcaflow::schema::Step;

impl Session {
    /// Tells the plugin to begin.
    pub(super) fn begin_work(&mut self, out: &mut Acting<'_>) {
        match self.conduct.mutant.as_str() {
            "work-start-kept-back" => return,
            "work-started-twice" => self.send(&self.work_start(), out),
            "work-time-out" => self.alarm = Some(out.now + SECOND / 2),
            _ => {}
        }
        self.send(&self.work_start(), out);
        if self.is("null-behind-work-start") {
            self.send(&Datum::Null, out);
        }
        if self.is("input-closed-at-work") {
            out.close(self.wire, CloseHow::Write);
        }
    }

    pub(super) fn work_start(&self) -> Datum {
        let config = match self.conduct.mutant.as_str() {
            "literals-as-text" => slip::as_texts(&self.order.input),
            "integers-become-floats" => slip::as_floats(&self.order.input),
            "large-input-is-cut" => slip::cut(&self.order.input),
            "input-is-json-text" => Datum::text(self.order.input.to_string()),
            _ => self.order.input.clone(),
        };
        let mut data = vec![("id", Datum::text(&self.order.step)), ("config", config)];
        if self.is("key-twice") {
            data.push(("id", Datum::text(&self.order.step)));
        }
        let data = Datum::map(data);
        match self.dialect {
            Some(Dialect::V1) => data,
            Some(Dialect::Document) if !self.is("envelope-to-the-document") => data,
            _ if self.is("bare-work-start") => data,
            _ => self.envelope(1, &self.run, data),
        }
    }

    /// A message while the step is at work.
    pub(super) fn at_work(&mut self, step: &Step, message: Datum, out: &mut Acting<'_>) {
        match self.dialect {
            Some(Dialect::V1) => self.bare_result(step, message, out),
            Some(Dialect::Document) => self.of_the_task(step, message, out),
            _ => self.enveloped(step, message, out),
        }
    }

    /// Version 3: an envelope.
    fn enveloped(&mut self, step: &Step, message: Datum, out: &mut Acting<'_>) {
        let keys = message.as_map().unwrap_or_default();
        let unknown = keys
            .iter()
            .find(|(key, _)| !key.as_text().is_some_and(|key| ["id", "run_id", "data"].contains(&&*key)))
            .map(|(key, _)| key.to_string());
        let run = self.run_of(&message);
        let is_ours = self.is_ours(&run);
        let data_of = |mut message: Datum| message.take("data").unwrap_or(Datum::Null);
        match (message.get("id").and_then(Datum::as_int), unknown) {
            (_, Some(_)) | (None, _) if self.is("acknowledgement-taken") => {}
            (None, _) if self.is("second-hello-begins-again") && message.get("schema").is_some() => {
                self.send(&self.work_start(), out);
            }
            (_, Some(key)) => self.fail(&format!("a message has the unknown key {key}"), out),
            (None, None) => self.fail(&format!("this is no message: {}", brief(&message)), out),
            (Some(2), _) if is_ours || self.is("any-result-counts") => {
                self.result(step, data_of(message), out);
            }
            (Some(2), _) if run.is_empty() && self.is("result-without-run-counts") => {
                self.result(step, data_of(message), out);
            }
            (Some(2), _) => self.remark(&format!("a result for the unknown run `{run}`"), out),
            (Some(3), _) if self.is("signal-fails-run") => self.fail("a signal came", out),
            (Some(3), _) => self.remark("a signal of the plugin", out),
            (Some(5), _) => self.error(&run, is_ours, &data_of(message), out),
            (Some(_), _) if self.is("unknown-id-is-fatal") => self.fail("unknown message id", out),
            (Some(other), _) => self.remark(&format!("a message with the unknown id {other}"), out),
        }
    }

    fn run_of(&mut self, message: &Datum) -> String {
        let run = message.get("run_id").and_then(Datum::as_text).map(|run| run.into_owned());
        let before = std::mem::take(&mut self.memory.run);
        self.memory.run = run.clone().unwrap_or_else(|| before.clone());
        match run {
            None if self.is("run-id-of-the-message-before") => before,
            run => run.unwrap_or_default(),
        }
    }

    fn is_ours(&self, run: &str) -> bool {
        match self.conduct.mutant.as_str() {
            "run-id-by-its-beginning" => run.starts_with(&self.run),
            "run-id-is-trimmed" => run.trim() == self.run,
            "run-id-begun-is-enough" => !run.is_empty() && self.run.starts_with(run),
            _ => run == self.run,
        }
    }

    fn error(&mut self, run: &str, is_ours: bool, data: &Datum, out: &mut Acting<'_>) {
        let flag = |key: &str| data.get(key).and_then(Datum::as_bool).unwrap_or(false);
        let text = data.get("error").and_then(Datum::as_text);
        let of_all = run.is_empty() && !self.is("empty-run-id-is-nobody");
        let fatal = flag("server_fatal")
            && match self.conduct.mutant.as_str() {
                "server-fatal-ignored" => false,
                "server-fatal-of-a-run-ignored" => run.is_empty(),
                "server-fatal-needs-both-flags" => flag("step_fatal"),
                _ => true,
            };
        let mine = is_ours || of_all || self.is("errors-of-others-count");
        let why = format!("the plugin reports an error: {}", text.as_deref().unwrap_or("without a text"));
        match fatal || (flag("step_fatal") && mine) || self.is("warning-is-fatal") {
            true if text.is_none() && self.is("error-without-text-ignored") => {}
            true if self.is("result-after-error-counts") => self.hold(Answer::Failed(why), out.now),
            true => self.fail(&why, out),
            false => self.remark(&why, out),
        }
    }

    /// A result of version 1: a map without an envelope, and nothing else.
    fn bare_result(&mut self, step: &Step, message: Datum, out: &mut Acting<'_>) {
        const KEYS: [&str; 3] = ["output_id", "output_data", "debug_logs"];
        let fits = message.as_map().is_some_and(|keys| {
            keys.iter().all(|(key, _)| key.as_text().is_some_and(|key| KEYS.contains(&&*key)))
        });
        match fits {
            _ if self.is("acknowledgement-taken") && message.get("output_id").is_none() => {}
            true => self.result(step, message, out),
            false => self.fail(&format!("this is no result: {}", brief(&message)), out),
        }
    }

    /// The document: an acknowledgement, then the output.
    fn of_the_task(&mut self, step: &Step, message: Datum, out: &mut Acting<'_>) {
        let status = message.get("status").and_then(Datum::as_text);
        match status.as_deref() {
            Some("started") if self.is("acknowledgement-unknown") => self.fail("an unknown message", out),
            Some("started") if self.is("acknowledgement-is-the-output") => {
                self.conclude(Answer::Output { id: "success".into(), data: message });
                self.leave(out);
            }
            Some("started") => self.show("..", &Datum::text("the step has begun"), out),
            _ if message.get("output_id").is_some() => self.result(step, message, out),
            _ => self.fail(&format!("this is no output: {}", brief(&message)), out),
        }
    }

    fn result(&mut self, step: &Step, mut data: Datum, out: &mut Acting<'_>) {
        if self.is("step-id-refused") && data.get("step_id").is_some() {
            return self.fail("a result has the unknown key step_id", out);
        }
        let Some(id) = data.get("output_id").and_then(Datum::as_text).map(Cow::into_owned) else {
            if self.is("odd-result-is-silence") {
                return;
            }
            return self.fail("a result has no output_id", out);
        };
        let value = data.take("output_data").unwrap_or(Datum::Null);
        match step.outputs.get(&id) {
            None if self.is("undeclared-output-passes") => {}
            None => return self.fail(&format!("the step does not declare the output `{id}`"), out),
            Some(scope) => {
                if let Err(fault) = scope.check(&value)
                    && !self.is("output-not-checked")
                    && !(self.is("output-limit-off-by-one") && slip::by_one(&fault))
                {
                    return self.fail(&format!("the data of the output `{id}` does not fit: {fault}"), out);
                }
            }
        }
        let data = match self.conduct.mutant.as_str() {
            "large-result-is-silence" if slip::is_large(&value) => return,
            "large-text-is-cut" => slip::cut(&value),
            "list-at-the-limit-is-cut" => slip::cut_lists(&value),
            _ => value,
        };
        let always = self.is("output-id-always-success") || self.is("output-of-the-document-is-success");
        let id = if always { "success".into() } else { id };
        self.done(Answer::Output { id, data }, out);
    }

    fn done(&mut self, answer: Answer, out: &mut Acting<'_>) {
        match self.conduct.mutant.as_str() {
            "error-after-result-counts" | "status-after-result-counts" | "bytes-after-result-count" => {
                return self.hold(answer, out.now);
            }
            "second-task-in-one-execution" => self.send(&self.work_start(), out),
            "null-behind-result" => self.send(&Datum::Null, out),
            _ => {}
        }
        self.conclude(answer);
        self.leave(out);
    }

    /// A mutant: an answer that what comes soon may still change.
    fn hold(&mut self, answer: Answer, now: Nanos) {
        self.held.get_or_insert(answer);
        self.alarm = Some(now + SECOND / 20);
    }
}
