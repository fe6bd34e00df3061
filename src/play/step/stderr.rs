//! `stderr = "text"`: our relay writes to its standard error.

use std::sync::Arc;

use super::{Ran, StepAct};
use crate::actor::{Part, Payload, Pieces};
use crate::datum::{Datum, Names};
use crate::play::stage::Stage;
use crate::scenario::table::Table;

#[derive(Debug)]
struct Stderr(String);

impl StepAct for Stderr {
    fn run(&self, stage: &mut Stage<'_>) -> Ran {
        let Some(wire) = stage.connection() else { return Ran::NotYet };
        match stage.bindings().insert_into(&self.0) {
            Ok(text) => {
                stage.note_sent(&Datum::text(&text));
                stage.write(wire, Part::Stderr, Payload::from(text.into_bytes()), Pieces::Whole);
                Ran::Done
            }
            Err(name) => Ran::Failed(format!("`{name}` is not bound")),
        }
    }

    fn names(&self, names: &mut Names) {
        names.uses.extend(crate::datum::mentioned(&self.0).into_iter().map(str::to_owned));
    }
}

pub(super) fn read(table: &Table<'_>) -> Option<Arc<dyn StepAct>> {
    Some(Arc::new(Stderr(table.text("stderr")?.text)))
}
