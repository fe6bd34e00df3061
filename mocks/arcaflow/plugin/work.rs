//! Runs of version 3: their start, what the step does, their result.

use std::collections::BTreeMap;

use super::{CHILD_SLEEPS, Dialect, Plugin, Waiting, run_text};
use crate::actor::{Act, Exit, Payload, Target, WireId};
use crate::codec::cbor;
use crate::datum::{Datum, Head};
use crate::mocks::Acting;
use crate::mocks::arcaflow::contract::{Deed, run, types};

impl Plugin {
    pub(super) fn work(&mut self, run: Option<Datum>, mut message: Datum, out: &mut Acting<'_>) {
        let Some(run) = run.filter(|run| run.as_text().is_some_and(|text| !text.is_empty())) else {
            return self.error("", "the work start has no run_id", true, false, out);
        };
        let name = run_text(Some(&run));
        if self.is("state-leaks-into-message") {
            self.last.start = Some(message.clone());
        }
        let Some(mut data) =
            message.take("data").or((!self.is("start-without-data-ignored")).then_some(Datum::Null))
        else {
            return;
        };
        self.last.run = Some(run.clone());
        let step = data.get("id").and_then(Datum::as_text).unwrap_or_default().into_owned();
        let none = self.is("input-missing-is-empty").then(|| Datum::map::<String>([]));
        let Some(config) = data.take("config").or(none).filter(|_| !step.is_empty()) else {
            if self.is("incomplete-start-ignored") {
                return;
            }
            let name = if self.is("refusal-loses-run-id") { "" } else { name.as_str() };
            return self.error(name, "the work start lacks id or config", true, false, out);
        };
        let again = !self.last.runs.insert(name.clone());
        if again && self.is("run-id-stays-taken") {
            return self.error(&name, "this run id was used before", true, false, out);
        }
        if self.is("late-runs-dropped") && self.waiting.len() >= 100 {
            return;
        }
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
        let Some(known) = types(&step) else {
            return self.refuse(&name, "unknown step", out);
        };
        match self.accepted(&known.input, config) {
            Ok(input) => self.perform(&step, run, input, out),
            Err(why) => self.refuse(&name, &why, out),
        }
    }

    /// A work start that cannot be done: the run fails, the plugin goes on.
    pub(super) fn refuse(&mut self, run: &str, why: &str, out: &mut Acting<'_>) {
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

    pub(super) fn perform(&mut self, step: &str, run_id: Datum, input: Datum, out: &mut Acting<'_>) {
        let input = if self.is("values-of-the-run-before") { self.with_those_before(input) } else { input };
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
                let until = self.waiting.last().map_or(out.now, |last| last.until) + millis * 1_000_000;
                self.waiting.push(Waiting { run: run_id, until, cancelled: false });
                self.set_alarm(out);
            }
            Deed::Wait(_)
                if self.is("state-of-earlier-run")
                    && self.last.cancelled.contains(&run_text(Some(&run_id))) =>
            {
                self.result(run_id, "cancelled", Datum::map::<String>([]), String::new(), out);
            }
            Deed::Wait(millis) => {
                let until = out.now + millis * 1_000_000;
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

    pub(super) fn spawn(&mut self, out: &mut Acting<'_>) {
        self.children += 1;
        let argv = vec!["sleep".to_owned(), CHILD_SLEEPS.to_owned()];
        let to = Target::Spawn { argv, env: BTreeMap::new(), dir: None };
        out.act(Act::Open { wire: WireId::own(self.children), to });
    }

    pub(super) fn output(
        &mut self,
        step: &str,
        run: Datum,
        id: &str,
        data: Datum,
        logs: String,
        out: &mut Acting<'_>,
    ) {
        let declared = types(step).and_then(|types| types.outputs.get(id));
        let checked = match declared {
            None => Err(format!("the step gave the output `{id}`, which it does not declare")),
            Some(scope) if step != "big" => scope.check(&data).map_err(|fault| fault.to_string()),
            Some(_) => Ok(()),
        };
        if self.is("other-steps-output") && step == "form" {
            return self.result(run, "cancelled", Datum::map::<String>([]), logs, out);
        }
        match checked {
            Err(why) if !self.is("outputs-not-checked") => self.refuse(&run_text(Some(&run)), &why, out),
            _ => {
                let data = self.distorted(step, data);
                let id = if self.is("output-id-always-success") { "success" } else { id };
                self.result(run, id, data, logs, out);
            }
        }
    }

    /// A mutant: what an input leaves out is what the input before it had.
    fn with_those_before(&mut self, input: Datum) -> Datum {
        let before = self.last.input.replace(input.clone()).unwrap_or(Datum::Null);
        let alike = ["i", "s", "o"].iter().all(|key| before.get(key).is_some() && input.get(key).is_some());
        let old = before.as_map().unwrap_or_default().iter().filter(|_| alike);
        let old = old.filter(|(key, _)| key.as_text().is_some_and(|key| input.get(&key).is_none())).cloned();
        let entries = input.as_map().unwrap_or_default().iter().cloned().chain(old).collect();
        Datum::Map(entries, Head::Preferred)
    }

    /// Mutants that change values on their way through.
    pub(super) fn distorted(&self, step: &str, data: Datum) -> Datum {
        match (self.mutant.as_str(), step) {
            ("floats-become-integers", "types") => replace(data, "f", Datum::from(1_i64)),
            ("texts-are-trimmed", "echo") => {
                let text = data.get("message").and_then(Datum::as_text).unwrap_or_default().trim().to_owned();
                replace(data, "message", Datum::text(text))
            }
            ("booleans-become-numbers", "any") => match data.get("data").and_then(Datum::as_map) {
                Some(entries) => {
                    let number = |(key, value): &(Datum, Datum)| {
                        let number = value.as_bool().map(|value| Datum::from(i64::from(value)));
                        (key.clone(), number.unwrap_or_else(|| value.clone()))
                    };
                    let entries = entries.iter().map(number).collect();
                    replace(data, "data", Datum::Map(entries, Head::Preferred))
                }
                None => data,
            },
            ("absent-becomes-null", "types") if data.get("b").is_none() => {
                let mut entries = data.as_map().unwrap_or_default().to_vec();
                entries.push((Datum::text("b"), Datum::Null));
                Datum::Map(entries, Head::Preferred)
            }
            ("numbers-through-floats", "any") => match data.get("data").and_then(Datum::as_int) {
                Some(value) => replace(data, "data", Datum::from(value as f64 as i64)),
                None => data,
            },
            ("zeros-lose-their-sign", "any") => match data.get("data") {
                Some(Datum::Float(value, _)) if *value == 0.0 => replace(data, "data", Datum::from(0.0)),
                _ => data,
            },
            ("text-cut-at-64k", "echo") => {
                let text = data.get("message").and_then(Datum::as_text).unwrap_or_default();
                let cut: String = text.chars().take(65_536).collect();
                replace(data.clone(), "message", Datum::text(cut))
            }
            ("undeclared-key-in-output", "echo") => {
                let mut entries = data.as_map().unwrap_or_default().to_vec();
                entries.push((Datum::text("took_ms"), Datum::from(1_i64)));
                Datum::Map(entries, Head::Preferred)
            }
            _ => data,
        }
    }

    pub(super) fn result(&mut self, run: Datum, id: &str, data: Datum, logs: String, out: &mut Acting<'_>) {
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
            "run-id-in-lower-case" => Datum::text(run_text(Some(&run)).to_lowercase()),
            "run-id-cut-at-64" => Datum::text(run_text(Some(&run)).chars().take(64).collect::<String>()),
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
}

pub(super) fn replace(data: Datum, key: &str, value: Datum) -> Datum {
    let entries = data.as_map().unwrap_or_default().iter().map(|(name, old)| {
        let is_key = name.as_text().as_deref() == Some(key);
        (name.clone(), if is_key { value.clone() } else { old.clone() })
    });
    Datum::Map(entries.collect(), Head::Preferred)
}
