//! The profiles of one task: a bare work start, perhaps an acknowledgement, one bare output, or a crash.
//!
//! Source: the document, "Step 2: Start work message" to "Step 3/b: Output"; and arcaflow-plugin-sdk-python at
//! 5fee110, src/arcaflow_plugin_sdk/atp.py, lines 71-119, for version 1 as it was deployed.

use super::{Dialect, Plugin};
use crate::actor::Exit;
use crate::datum::Datum;
use crate::mocks::Acting;
use crate::mocks::arcaflow::contract::types;

impl Plugin {
    /// Takes the one task; a second one is not read any more.
    pub(super) fn task(&mut self, mut start: Datum, out: &mut Acting<'_>) {
        if self.has_task && !self.is("second-task-is-done") {
            return;
        }
        self.has_task = true;
        let step = start.get("id").and_then(Datum::as_text).unwrap_or_default().into_owned();
        let config = start.take("config").unwrap_or(Datum::Null);
        let input = match types(&step) {
            None => Err(format!("there is no step `{step}`")),
            Some(known) => self.accepted(&known.input, config),
        };
        match input {
            Ok(_) if self.is("input-schema-lies") && step == "limited" => {
                self.unfit("the input is not to my liking", out)
            }
            Ok(input) => {
                self.acknowledge(out);
                self.perform(&step, Datum::Null, input, out);
            }
            Err(why) => self.unfit(&why, out),
        }
    }

    fn acknowledge(&mut self, out: &mut Acting<'_>) {
        let wanted = match self.dialect {
            Dialect::Document => !self.is("no-acknowledgement") && !self.is("acknowledges-when-done"),
            _ => self.is("acknowledges-in-version-1"),
        };
        if wanted {
            self.say_started(out);
        }
    }

    fn say_started(&mut self, out: &mut Acting<'_>) {
        let mut started = vec![("status", Datum::text("started"))];
        if self.is("acknowledgement-says-more") {
            started.push(("step", Datum::text("echo")));
        }
        self.send(&Datum::map(started), out);
    }

    /// Gives the output of the task.
    pub(super) fn give(&mut self, id: &str, data: Datum, logs: &str, out: &mut Acting<'_>) {
        if self.is("acknowledges-when-done") {
            self.say_started(out);
        }
        let mut output = vec![("output_id", Datum::text(id)), ("output_data", data)];
        match self.mutant.as_str() {
            "output-without-logs" => {}
            "logs-are-a-list" => output.push(("debug_logs", Datum::array([Datum::text(logs)]))),
            _ => output.push(("debug_logs", Datum::text(logs))),
        }
        let output = Datum::map(output);
        self.send(&output, out);
        if self.is("output-twice") {
            self.send(&output, out);
        }
        if self.dialect == Dialect::V1 && !self.is("stays-after-output") {
            self.leaving = Some(i32::from(id == "error" && self.is("error-output-is-status-one")));
        }
        self.is_done = true;
    }

    /// The work start asks for what there is not.
    fn unfit(&mut self, why: &str, out: &mut Acting<'_>) {
        match self.mutant.as_str() {
            "unfit-input-status-zero" => {
                out.complain(why);
                self.end(0, out);
            }
            "unfit-input-is-silent" => self.end(1, out),
            "unfit-input-gets-output" => {
                self.give("error", Datum::map([("reason", Datum::text(why))]), "", out);
                self.crash(why, out);
            }
            _ => self.crash(why, out),
        }
    }

    /// The work cannot be done: words on standard error, and a status that says so.
    pub(super) fn crash(&mut self, why: &str, out: &mut Acting<'_>) {
        if self.is("failure-is-an-output") {
            return self.give("error", Datum::map([("reason", Datum::text(why))]), "", out);
        }
        if !self.is("crash-is-silent") {
            out.complain(why);
        }
        self.end(if self.is("crash-status-zero") { 0 } else { 1 }, out);
    }

    /// SIGTERM: clean up and end, whatever the work is at.
    pub(super) fn terminated(&mut self, out: &mut Acting<'_>) {
        match self.mutant.as_str() {
            "sigterm-ignored" => {}
            "sigterm-after-output-ignored" if self.is_done => {}
            "sigterm-cuts-a-message" if !self.waiting.is_empty() => {
                out.print(b"\xa3\x69output_id".to_vec());
                self.end(0, out);
            }
            "sigterm-leaves-children" => out.exit(Exit::Code(0)),
            "sigterm-by-default" => out.exit(Exit::Signal(15)),
            _ => self.end(0, out),
        }
    }
}
