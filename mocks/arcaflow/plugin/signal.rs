//! Runs that wait, and the signals that reach them.

use super::{IMPATIENCE, Plugin, Waiting, run_text};
use crate::actor::{Exit, Nanos};
use crate::datum::Datum;
use crate::mocks::Acting;

impl Plugin {
    pub(super) fn signal_to_step(&mut self, run: Option<Datum>, data: Option<&Datum>, out: &mut Acting<'_>) {
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
                let at = if self.is("cancel-hits-oldest") { 0 } else { at };
                if self.is("cancel-ends-all") {
                    self.waiting.iter_mut().for_each(|waiting| waiting.until = out.now);
                }
                self.last.cancelled.insert(name);
                if !self.is("cancel-ignored") {
                    self.waiting[at].cancelled = true;
                    self.waiting[at].until = out.now;
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

    pub(super) fn time(&mut self, out: &mut Acting<'_>) {
        if self.is("impatient") && !self.has_task && out.now >= IMPATIENCE {
            return self.end(0, out);
        }
        if self.is("child-after-hello") && self.children == 0 {
            self.spawn(out);
        }
        while let Some(at) = self.waiting.iter().position(|waiting| waiting.until <= out.now) {
            let Waiting { run, cancelled, .. } = self.waiting.remove(at);
            let output = if cancelled { "cancelled" } else { "success" };
            self.result(run, output, Datum::map::<String>([]), String::new(), out);
        }
        self.set_alarm(out);
    }

    pub(super) fn set_alarm(&mut self, out: &mut Acting<'_>) {
        if let Some(next) = self.waiting.iter().map(|waiting| waiting.until).min() {
            out.wake(next);
        }
    }
}
