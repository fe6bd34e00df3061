//! `start = { .. }`: starts the subject (again); with `on`, a further process of it.

use std::sync::Arc;

use super::{Made, Ran, StepAct};
use crate::play::stage::Stage;
use crate::scenario::Launch;
use crate::scenario::table::Table;

#[derive(Debug)]
struct Start {
    launch: Launch,
    codec: Option<String>,
    further: bool,
}

impl StepAct for Start {
    fn run(&self, stage: &mut Stage<'_>) -> Ran {
        match stage.start(&self.launch, self.further) {
            Ok(act) => Ran::Asked(act),
            Err(why) => Ran::Failed(why),
        }
    }

    fn makes<'a>(&'a self, on: Option<&'a str>) -> Option<Made<'a>> {
        let codec = self.codec.as_deref();
        on.filter(|name| *name != "process").map(|name| Made { name, like: None, codec, is_exchange: false })
    }

    fn default_lane(&self) -> Option<&'static str> {
        Some("process")
    }

    fn starts_subject(&self) -> bool {
        !self.further
    }

    fn needs_own_process(&self) -> bool {
        true
    }
}

pub(super) fn read(table: &Table<'_>) -> Option<Arc<dyn StepAct>> {
    let further = table.text("on").is_some_and(|on| on.text != "process");
    let inner = table.table("start")?;
    let codec = inner.text("codec").map(|text| text.text).or(table.text("codec").map(|text| text.text));
    let mut launch = crate::scenario::launch(&inner);
    if table.has("args") {
        launch.args = Some(table.texts("args"));
    }
    Some(Arc::new(Start { launch, codec, further }))
}
