//! `trigger = { op, .. }`: an operation of the subject's driver; `package = "good"` becomes the path of that package.

use std::sync::Arc;

use super::{Made, Ran, StepAct};
use crate::datum::{Datum, Names, Pattern, mentioned};
use crate::play::stage::Stage;
use crate::scenario::table::{Table, Text};

/// Keys of a trigger that the notation is read in; all others are texts.
const NOTATION: [&str; 6] = ["input", "request", "requests", "settings", "plugins", "spawn"];

#[derive(Debug)]
struct Trigger {
    op: String,
    fields: Vec<(String, Field)>,
}

#[derive(Debug)]
enum Field {
    Text(String),
    Value(Pattern),
}

impl StepAct for Trigger {
    fn run(&self, stage: &mut Stage<'_>) -> Ran {
        let mut fields = Vec::new();
        for (key, field) in &self.fields {
            let value = match field {
                Field::Value(pattern) => pattern.value(stage.bindings()),
                Field::Text(text) => stage
                    .bindings()
                    .insert_into(text)
                    .map(Datum::text)
                    .map_err(|name| format!("`{name}` is not bound")),
            };
            match value {
                Ok(value) if key == "package" => {
                    let path = stage.package_file(&value.as_text().unwrap_or_default());
                    fields.push((key.clone(), Datum::text(path)));
                }
                Ok(value) => fields.push((key.clone(), value)),
                Err(why) => return Ran::Failed(why),
            }
        }
        stage.trigger(&self.op, fields)
    }

    fn names(&self, names: &mut Names) {
        for (_, field) in &self.fields {
            match field {
                Field::Value(pattern) => pattern.names(names),
                Field::Text(text) => names.uses.extend(mentioned(text).into_iter().map(str::to_owned)),
            }
        }
    }

    fn makes<'a>(&'a self, on: Option<&'a str>) -> Option<Made<'a>> {
        on.map(|name| Made { name, like: Some("driver"), codec: None, is_exchange: true })
    }

    fn default_lane(&self) -> Option<&'static str> {
        Some("driver")
    }
}

pub(super) fn read(table: &Table<'_>) -> Option<Arc<dyn StepAct>> {
    let inner = table.table("trigger")?;
    let op = inner.need_text("op").text;
    let field = |(key, text): (Text, Text)| {
        let field = if NOTATION.contains(&key.text.as_str()) {
            let pattern = inner.compile(&text)?;
            if let Err(error) = pattern.closed() {
                inner.problem(text.span, error.message);
            }
            Field::Value(pattern)
        } else {
            Field::Text(text.text)
        };
        Some((key.text, field))
    };
    let fields =
        inner.every_text().into_iter().filter(|(key, _)| key.text != "op").filter_map(field).collect();
    Some(Arc::new(Trigger { op, fields }))
}
