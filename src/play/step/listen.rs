//! `listen = NAME`, `unlisten = NAME`: a listener of ours; listening again keeps the address.

use std::sync::Arc;

use super::{Made, Ran, StepAct};
use crate::datum::{Names, mentioned};
use crate::play::stage::Stage;
use crate::scenario::table::Table;

#[derive(Debug)]
struct Listen {
    name: String,
    at: Option<String>,
}

impl StepAct for Listen {
    fn run(&self, stage: &mut Stage<'_>) -> Ran {
        match stage.listen(&self.name, self.at.as_deref()) {
            Ok(act) => Ran::Asked(act),
            Err(why) => Ran::Failed(why),
        }
    }

    fn names(&self, names: &mut Names) {
        let at = self.at.as_deref().unwrap_or_default();
        names.uses.extend(mentioned(at).into_iter().map(str::to_owned));
    }

    fn makes<'a>(&'a self, _: Option<&'a str>) -> Option<Made<'a>> {
        Some(Made { name: &self.name, like: None, codec: None, is_exchange: false })
    }
}

#[derive(Debug)]
struct Unlisten(String);

impl StepAct for Unlisten {
    fn run(&self, stage: &mut Stage<'_>) -> Ran {
        match stage.unlisten(&self.0) {
            Ok(()) => Ran::Done,
            Err(why) => Ran::Failed(why),
        }
    }
}

pub(super) fn read(table: &Table<'_>) -> Option<Arc<dyn StepAct>> {
    Some(Arc::new(Listen { name: table.text("listen")?.text, at: table.text("at").map(|text| text.text) }))
}

pub(super) fn read_unlisten(table: &Table<'_>) -> Option<Arc<dyn StepAct>> {
    Some(Arc::new(Unlisten(table.text("unlisten")?.text)))
}
