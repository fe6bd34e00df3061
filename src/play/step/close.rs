//! `close = "write"`, `"both"`, `"reset"`, `"body"`: half close, close, RST, or the end of a body sent bit by bit.

use std::sync::Arc;

use super::{Ran, StepAct};
use crate::actor::{Act, CloseHow};
use crate::play::stage::Stage;
use crate::scenario::table::Table;

#[derive(Debug)]
struct Close(CloseHow);

impl StepAct for Close {
    fn run(&self, stage: &mut Stage<'_>) -> Ran {
        let Some(wire) = stage.connection() else { return Ran::NotYet };
        stage.act(Act::Close { wire, how: self.0 });
        stage.closed(wire, self.0);
        Ran::Done
    }
}

#[derive(Debug)]
struct CloseBody;

impl StepAct for CloseBody {
    fn run(&self, stage: &mut Stage<'_>) -> Ran {
        stage.end_body()
    }
}

pub(super) fn read(table: &Table<'_>) -> Option<Arc<dyn StepAct>> {
    const HOW: [(&str, CloseHow); 3] =
        [("write", CloseHow::Write), ("both", CloseHow::Both), ("reset", CloseHow::Reset)];
    let text = table.text("close")?;
    if text.text == "body" {
        return Some(Arc::new(CloseBody));
    }
    match HOW.iter().find(|(name, _)| *name == text.text) {
        Some((_, how)) => Some(Arc::new(Close(*how))),
        None => {
            table.unknown("way to close", &text, HOW.map(|(name, _)| name).into_iter().chain(["body"]));
            None
        }
    }
}
