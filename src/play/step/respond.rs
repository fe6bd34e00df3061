//! `respond = { status, headers, body }`: one HTTP response; `body = "stream"` sends the head only.

use std::sync::Arc;

use super::request::{Body, Headers, filled, uses};
use super::{Ran, StepAct};
use crate::actor::Pieces;
use crate::datum::Names;
use crate::play::stage::Stage;
use crate::scenario::table::Table;

#[derive(Debug)]
struct Respond {
    status: String,
    headers: Headers,
    body: Body,
    split: Pieces,
}

impl StepAct for Respond {
    fn run(&self, stage: &mut Stage<'_>) -> Ran {
        let bindings = stage.bindings();
        let status = filled(&self.status, bindings).and_then(|status| {
            status.parse::<i64>().map_err(|_| format!("{status:?} is no status of a response"))
        });
        match (status, self.headers.filled(bindings), self.body.sent(bindings)) {
            (Ok(status), Ok(headers), Ok(body)) => stage.respond(status, headers, body, self.split.clone()),
            (Err(why), ..) | (_, Err(why), _) | (.., Err(why)) => Ran::Failed(why),
        }
    }

    fn names(&self, names: &mut Names) {
        uses(&self.status, names);
        self.headers.names(names);
        self.body.names(names);
    }
}

pub(super) fn read(table: &Table<'_>) -> Option<Arc<dyn StepAct>> {
    let inner = table.table("respond")?;
    let respond = Respond {
        status: inner.need_text("status").text,
        headers: Headers::read(&inner),
        body: Body::read(&inner),
        split: super::send::split(table),
    };
    inner.finish();
    Some(Arc::new(respond))
}
