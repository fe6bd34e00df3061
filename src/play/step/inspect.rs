//! `inspect = "process"` or `"files"`: what the subject is, has started and opened; the tree under `${dir}`.

use std::sync::Arc;

use super::{Made, Ran, StepAct};
use crate::actor::{Act, Inspect as Look};
use crate::play::stage::Stage;
use crate::scenario::table::Table;

#[derive(Debug)]
struct Inspect(Look);

impl StepAct for Inspect {
    fn run(&self, stage: &mut Stage<'_>) -> Ran {
        let Some(wire) = stage.relay().or_else(|| stage.process()) else { return Ran::NotYet };
        let act = stage.act(Act::Inspect { wire, what: self.0 });
        stage.expect_answer(act);
        Ran::Done
    }

    fn makes<'a>(&'a self, on: Option<&'a str>) -> Option<Made<'a>> {
        on.map(|name| Made { name, like: Some("process"), codec: None, is_exchange: false })
    }

    fn default_lane(&self) -> Option<&'static str> {
        Some("process")
    }
}

pub(super) fn read(table: &Table<'_>) -> Option<Arc<dyn StepAct>> {
    let text = table.text("inspect")?;
    match text.text.as_str() {
        "process" | "processes" => Some(Arc::new(Inspect(Look::Process))),
        "files" => Some(Arc::new(Inspect(Look::Files))),
        _ => {
            table.unknown("thing to inspect", &text, ["process", "files"]);
            None
        }
    }
}
