//! Checks that remember what came before.

use std::sync::Arc;

use super::schema::{Fault, Schema};
use crate::datum::{Bindings, Datum, Kind, View};
use crate::protocol::Watch;

/// Every result names an output that some step declares, and its data fits that output's schema.
///
/// Source: arcalot/arcaflow-plugin-sdk-python 0.14.3, arcaflow_plugin_sdk/schema.py, call_step.
pub(super) struct ResultsFit {
    schema: Option<Arc<Schema>>,
    /// Whether results have no envelope (v1, document).
    bare: bool,
}

impl ResultsFit {
    pub(super) fn new(bare: bool) -> Self {
        Self { schema: None, bare }
    }
}

impl Watch for ResultsFit {
    fn see(&mut self, view: View<'_>, _: &Bindings) -> Result<(), String> {
        let (Kind::Message, Some(message)) = (view.kind, view.datum) else { return Ok(()) };
        if let Some(schema) = message.get("schema") {
            self.schema = Schema::known(schema).ok();
            return Ok(());
        }
        if let Some(steps) = message.get("steps").filter(|_| self.bare) {
            self.schema = Schema::known(&super::document::deployed(steps)).ok();
            return Ok(());
        }
        let is_result = message.get("id").and_then(Datum::as_int) == Some(2);
        let data = match self.bare {
            true => Some(message).filter(|_| message.get("output_id").is_some()),
            false => message.get("data").filter(|_| is_result),
        };
        match (&self.schema, data) {
            (Some(schema), Some(data)) => fits(schema, data),
            _ => Ok(()),
        }
    }
}

fn fits(schema: &Schema, data: &Datum) -> Result<(), String> {
    let id = data.get("output_id").and_then(Datum::as_text).unwrap_or_default();
    let declared: Vec<_> = schema.steps.values().filter_map(|step| step.outputs.get(&*id)).collect();
    if declared.is_empty() {
        return Err(format!("no step declares the output `{id}`"));
    }
    let value = data.get("output_data").unwrap_or(&Datum::Null);
    let results: Vec<_> = declared.iter().map(|scope| scope.check(value)).collect();
    let nearness =
        |result: &Result<(), Fault>| result.as_ref().map_or_else(|fault| fault.path.depth(), |()| usize::MAX);
    match results
        .into_iter()
        .reduce(|best, next| if nearness(&best) >= nearness(&next) { best } else { next })
    {
        Some(Err(fault)) => Err(format!("the data of the output `{id}` does not fit its schema: {fault}")),
        _ => Ok(()),
    }
}

/// No plugin is sent more nulls than the one that asks for its hello: there are as many as there were starts.
#[derive(Default)]
pub(super) struct OneNull {
    starts: u32,
    nulls: u32,
}

impl Watch for OneNull {
    fn see(&mut self, view: View<'_>, _: &Bindings) -> Result<(), String> {
        match (view.kind, view.datum) {
            (Kind::Opened, _) => self.starts += 1,
            (Kind::Message, Some(Datum::Null)) => self.nulls += 1,
            _ => {}
        }
        if self.nulls <= self.starts { Ok(()) } else { Err("a null where none was wanted any more".into()) }
    }
}

/// Each start before the work start, which can only have read the schema, gets client done before its input is closed.
#[derive(Default)]
pub(super) struct SchemaRead {
    at_work: bool,
    done: u32,
    ends: u32,
}

impl Watch for SchemaRead {
    fn see(&mut self, view: View<'_>, _: &Bindings) -> Result<(), String> {
        let id = view.datum.and_then(|message| message.get("id")).and_then(Datum::as_int);
        match (view.kind, id) {
            (Kind::Message, Some(1)) => self.at_work = true,
            (Kind::Message, Some(4)) => self.done += 1,
            (Kind::End, _) if !self.at_work => self.ends += 1,
            _ => {}
        }
        if self.ends <= self.done { Ok(()) } else { Err("the end of a start that got no client done".into()) }
    }
}
