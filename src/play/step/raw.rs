//! `raw = P`: these bytes, past every framing; a text as UTF-8.

use std::sync::Arc;

use super::{Ran, StepAct};
use crate::actor::{Part, Payload, Pieces};
use crate::codec::Sink;
use crate::datum::{Datum, Names, Pattern};
use crate::play::stage::Stage;
use crate::scenario::table::Table;

#[derive(Debug)]
struct Raw {
    value: Pattern,
    split: Pieces,
}

impl StepAct for Raw {
    fn run(&self, stage: &mut Stage<'_>) -> Ran {
        let Some(wire) = stage.connection() else { return Ran::NotYet };
        let value = match self.value.value(stage.bindings()) {
            Ok(value) => value,
            Err(why) => return Ran::Failed(why),
        };
        stage.note_sent(&value);
        match raw_bytes(&value) {
            Ok(payload) => stage.write(wire, Part::Main, payload, self.split.clone()),
            Err(why) => return Ran::Failed(why),
        }
        Ran::Done
    }

    fn names(&self, names: &mut Names) {
        self.value.names(names);
    }
}

/// The bytes that a value stands for outside of any format; a list of them one after the other.
pub(crate) fn raw_bytes(value: &Datum) -> Result<Payload, String> {
    let mut payload = Payload::default();
    match value {
        Datum::Gen(generated) => payload.generated(generated),
        Datum::Package(name) => payload.package(name),
        Datum::Array(items, _) => {
            for item in items {
                payload.append(raw_bytes(item)?);
            }
        }
        other => match (other.as_text(), other.as_bytes()) {
            (Some(text), _) => payload.bytes(text.as_bytes()),
            (None, Some(bytes)) => payload.bytes(&bytes),
            (None, None) => return Err(format!("{} are no bytes: raw takes a text or bytes", other.kind())),
        },
    }
    Ok(payload)
}

pub(super) fn read(table: &Table<'_>) -> Option<Arc<dyn StepAct>> {
    Some(Arc::new(Raw { value: table.closed_pattern("raw")?, split: super::send::split(table) }))
}
