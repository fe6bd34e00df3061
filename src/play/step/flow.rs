//! `pause` and `resume`: stop and go on reading.

use std::sync::Arc;

use super::{Ran, StepAct};
use crate::actor::Act;
use crate::play::stage::Stage;
use crate::scenario::table::Table;

#[derive(Debug)]
struct Flow {
    reading: bool,
}

impl StepAct for Flow {
    fn run(&self, stage: &mut Stage<'_>) -> Ran {
        let Some(wire) = stage.connection() else { return Ran::NotYet };
        stage.act(Act::Flow { wire, reading: self.reading });
        Ran::Done
    }
}

pub(super) fn read_pause(table: &Table<'_>) -> Option<Arc<dyn StepAct>> {
    read(table, "pause", false)
}

pub(super) fn read_resume(table: &Table<'_>) -> Option<Arc<dyn StepAct>> {
    read(table, "resume", true)
}

fn read(table: &Table<'_>, key: &'static str, reading: bool) -> Option<Arc<dyn StepAct>> {
    if table.flag(key)? {
        return Some(Arc::new(Flow { reading }));
    }
    table.problem(table.key_span(key), format!("write `{key} = true`"));
    None
}
