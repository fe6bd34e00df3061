//! `exit = 7`: our relay ends with a status.

use std::sync::Arc;

use super::{Ran, StepAct};
use crate::actor::{Act, Exit as Status};
use crate::play::stage::Stage;
use crate::scenario::table::Table;

#[derive(Debug)]
struct Exit(i32);

impl StepAct for Exit {
    fn run(&self, stage: &mut Stage<'_>) -> Ran {
        let Some(wire) = stage.connection() else { return Ran::NotYet };
        stage.act(Act::Exit { wire, status: Status::Code(self.0) });
        stage.closed(wire, crate::actor::CloseHow::Both);
        Ran::Done
    }
}

pub(super) fn read(table: &Table<'_>) -> Option<Arc<dyn StepAct>> {
    match table.count("exit")? {
        status @ 0..=255 => Some(Arc::new(Exit(status as i32))),
        _ => {
            table.problem(table.key_span("exit"), "an exit status is 0 to 255");
            None
        }
    }
}
