//! `send = P or [P, ..]`: messages, encoded; with `split` in pieces.

use std::sync::Arc;

use super::{Ran, StepAct};
use crate::actor::{Part, Payload, Pieces};
use crate::datum::{Kind, Names, Pattern};
use crate::play::stage::Stage;
use crate::scenario::table::Table;

#[derive(Debug)]
struct Send {
    values: Vec<Pattern>,
    split: Pieces,
}

impl StepAct for Send {
    fn run(&self, stage: &mut Stage<'_>) -> Ran {
        let Some(wire) = stage.connection() else { return Ran::NotYet };
        let mut payload = Payload::default();
        for pattern in &self.values {
            let encoded = pattern.value(stage.bindings()).and_then(|value| {
                stage.note_sent(&value);
                stage.encode(wire, Kind::Message, &value, &mut payload)
            });
            if let Err(why) = encoded {
                return Ran::Failed(why);
            }
        }
        stage.write(wire, Part::Main, payload, self.split.clone());
        Ran::Done
    }

    fn names(&self, names: &mut Names) {
        self.values.iter().for_each(|pattern| pattern.names(names));
    }
}

pub(super) fn read(table: &Table<'_>) -> Option<Arc<dyn StepAct>> {
    Some(Arc::new(Send { values: table.closed_patterns("send"), split: split(table) }))
}

/// `split = n` or `[4, 16]`.
pub(super) fn split(table: &Table<'_>) -> Pieces {
    match table.counts("split") {
        None => Pieces::Whole,
        Some(Ok(0)) => {
            table.problem(table.key_span("split"), "a piece has at least one byte");
            Pieces::Whole
        }
        Some(Ok(size)) => Pieces::Each(size),
        Some(Err(sizes)) => Pieces::Sizes(sizes),
    }
}
