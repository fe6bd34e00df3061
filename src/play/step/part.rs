//! `part = P`: one chunk of a body that is sent bit by bit. `event = P or [P, ..]`: server-sent events in one write.

use std::sync::Arc;

use super::raw::raw_bytes;
use super::{Ran, StepAct};
use crate::actor::{Payload, Pieces};
use crate::codec::Codec;
use crate::codec::sse::Sse;
use crate::datum::{Datum, Kind, Names, Pattern};
use crate::play::stage::Stage;
use crate::scenario::table::Table;

#[derive(Debug)]
struct Part {
    values: Vec<Pattern>,
    is_event: bool,
    split: Pieces,
}

impl StepAct for Part {
    fn run(&self, stage: &mut Stage<'_>) -> Ran {
        let mut payload = Payload::default();
        for pattern in &self.values {
            let written = pattern.value(stage.bindings()).and_then(|value| {
                stage.note_sent(&value);
                self.write(&value, &mut payload)
            });
            if let Err(why) = written {
                return Ran::Failed(why);
            }
        }
        stage.write_part(payload, self.split.clone())
    }

    fn names(&self, names: &mut Names) {
        self.values.iter().for_each(|pattern| pattern.names(names));
    }
}

impl Part {
    fn write(&self, value: &Datum, payload: &mut Payload) -> Result<(), String> {
        if self.is_event {
            return Sse::default().encode(Kind::Message, value, payload);
        }
        payload.append(raw_bytes(value)?);
        Ok(())
    }
}

pub(super) fn read_part(table: &Table<'_>) -> Option<Arc<dyn StepAct>> {
    read(table, "part", false)
}

pub(super) fn read_event(table: &Table<'_>) -> Option<Arc<dyn StepAct>> {
    read(table, "event", true)
}

fn read(table: &Table<'_>, key: &'static str, is_event: bool) -> Option<Arc<dyn StepAct>> {
    let values = table.closed_patterns(key);
    Some(Arc::new(Part { values, is_event, split: super::send::split(table) }))
}
