//! `signal = "TERM"`: a signal to the subject.

use std::sync::Arc;

use super::{Ran, StepAct};
use crate::actor::Act;
use crate::play::stage::Stage;
use crate::scenario::table::Table;

/// The signals that a scenario can send, by their numbers on every Unix.
const SIGNALS: [(&str, i32); 6] =
    [("HUP", 1), ("INT", 2), ("QUIT", 3), ("KILL", 9), ("TERM", 15), ("PIPE", 13)];

#[derive(Debug)]
struct Signal(i32);

impl StepAct for Signal {
    fn run(&self, stage: &mut Stage<'_>) -> Ran {
        let Some(wire) = stage.process() else { return Ran::NotYet };
        stage.ends_subject(wire);
        stage.act(Act::Signal { wire, signal: self.0 });
        Ran::Done
    }

    fn default_lane(&self) -> Option<&'static str> {
        Some("process")
    }

    fn needs_own_process(&self) -> bool {
        true
    }
}

pub(super) fn read(table: &Table<'_>) -> Option<Arc<dyn StepAct>> {
    let text = table.text("signal")?;
    match SIGNALS.iter().find(|(name, _)| *name == text.text) {
        Some((_, number)) => Some(Arc::new(Signal(*number))),
        None => {
            table.unknown("signal", &text, SIGNALS.map(|(name, _)| name));
            None
        }
    }
}
