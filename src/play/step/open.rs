//! `open = NAME`: a connection to the subject, as a lane of that name.

use std::sync::Arc;

use super::{Made, Ran, StepAct};
use crate::datum::{Names, mentioned};
use crate::play::stage::Stage;
use crate::scenario::table::Table;

#[derive(Debug)]
struct Open {
    name: String,
    to: Option<String>,
}

impl StepAct for Open {
    fn run(&self, stage: &mut Stage<'_>) -> Ran {
        match stage.open(&self.name, self.to.as_deref()) {
            Ok(act) => Ran::Asked(act),
            Err(why) => Ran::Failed(why),
        }
    }

    fn names(&self, names: &mut Names) {
        let to = self.to.as_deref().unwrap_or_default();
        names.uses.extend(mentioned(to).into_iter().map(str::to_owned));
    }

    fn makes<'a>(&'a self, _: Option<&'a str>) -> Option<Made<'a>> {
        Some(Made { name: &self.name, like: None, codec: None, is_exchange: false })
    }
}

pub(super) fn read(table: &Table<'_>) -> Option<Arc<dyn StepAct>> {
    Some(Arc::new(Open { name: table.text("open")?.text, to: table.text("to").map(|text| text.text) }))
}
