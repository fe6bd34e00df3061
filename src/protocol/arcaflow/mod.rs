//! The Arcaflow plugin protocol: CBOR items over standard input and output.

#[cfg(test)]
mod captures;
pub mod document;
mod drive;
mod portable;
pub mod schema;
mod watch;

pub use drive::{DRIVES, drive};

use super::Watch;
use crate::datum::Datum;

/// The predicates of `$check`: `schema` (a hello's schema that the deployed engine accepts), `document_hello` (a hello
/// that fits the document's JSON schema, repaired), `portable` (a schema that both SDKs read alike), `cancel_handlers`,
/// `shallow`, `distinct_keys`.
///
/// # Errors
/// What is wrong with the value.
pub fn check(name: &str, datum: &Datum) -> Result<(), String> {
    match name {
        "schema" => schema::Schema::known(datum).map(|_| ()).map_err(|fault| fault.to_string()),
        "cancel_handlers" => schema::Schema::known(datum)
            .map_err(|fault| fault.to_string())
            .and_then(|it| cancel_handlers(&it)),
        "document_hello" => document::hello(datum),
        "portable" => portable::check(datum),
        "shallow" => shallow(datum, 1),
        "distinct_keys" => distinct_keys(datum),
        _ => Err(format!("arcaflow has no check `{name}`")),
    }
}

/// The names of the predicates.
pub const CHECKS: [&str; 6] =
    ["schema", "document_hello", "portable", "cancel_handlers", "shallow", "distinct_keys"];

/// No map in it has the same key twice.
fn distinct_keys(datum: &Datum) -> Result<(), String> {
    match datum {
        Datum::Array(items, _) => items.iter().try_for_each(distinct_keys),
        Datum::Map(entries, _) => {
            let mut keys: Vec<String> = entries.iter().map(|(key, _)| key.to_string()).collect();
            keys.sort();
            match keys.windows(2).find(|pair| pair[0] == pair[1]) {
                Some(pair) => Err(format!("the key {} twice", pair[0])),
                None => entries.iter().try_for_each(|(_, value)| distinct_keys(value)),
            }
        }
        Datum::Tag(_, _, inner) => distinct_keys(inner),
        _ => Ok(()),
    }
}

/// A handler `cancel` takes the object `cancelInput`, which demands nothing; else engines never use it.
fn cancel_handlers(schema: &schema::Schema) -> Result<(), String> {
    for (id, step) in &schema.steps {
        let Some(input) = step.signal_handlers.get("cancel") else { continue };
        let demands = input.root().properties.values().any(|property| property.required);
        if input.root_id() != "cancelInput" || demands {
            return Err(format!("a cancel handler of `{id}` that does not take an empty `cancelInput`"));
        }
    }
    Ok(())
}

/// At most 32 levels and 131,072 elements: what the deployed engine decodes (fxamacker/cbor, default options).
fn shallow(datum: &Datum, depth: usize) -> Result<(), String> {
    const DEPTH: usize = 32;
    const ELEMENTS: usize = 131_072;
    if depth > DEPTH {
        return Err(format!("more than {DEPTH} levels"));
    }
    match datum {
        Datum::Array(items, _) if items.len() > ELEMENTS => {
            Err(format!("a list of {} elements", items.len()))
        }
        Datum::Map(entries, _) if entries.len() > ELEMENTS => {
            Err(format!("a map of {} entries", entries.len()))
        }
        Datum::Array(items, _) => items.iter().try_for_each(|item| shallow(item, depth + 1)),
        Datum::Map(entries, _) => entries.iter().try_for_each(|(_, value)| shallow(value, depth + 1)),
        Datum::Tag(_, _, inner) => shallow(inner, depth + 1),
        _ => Ok(()),
    }
}

/// The stateful checks of rules.
pub fn watch(name: &str) -> Option<Box<dyn Watch>> {
    match name {
        "results-fit" => Some(Box::new(watch::ResultsFit::new(false))),
        "bare-results-fit" => Some(Box::new(watch::ResultsFit::new(true))),
        "one-null" => Some(Box::<watch::OneNull>::default()),
        "client-done-before-the-end" => Some(Box::<watch::SchemaRead>::default()),
        _ => None,
    }
}

/// The names of the stateful checks.
pub const WATCHES: [&str; 4] = ["results-fit", "bare-results-fit", "one-null", "client-done-before-the-end"];
