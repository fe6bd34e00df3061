//! What the reference engine thinks of a hello.

use super::session::Dialect;
use crate::datum::Datum;
use crate::protocol::arcaflow::check;
use crate::protocol::arcaflow::schema::Schema;

/// A hello that is as it must be.
pub(super) struct Greeting {
    pub(super) version: Dialect,
    pub(super) schema: Schema,
}

/// Reads a hello of the deployed dialects.
///
/// Source: arcalot/arcaflow-plugin-sdk-go at dd8a9b5, atp/client.go, lines 15, 67-69, 141-174.
///
/// # Errors
/// Why it is refused.
pub(super) fn greeting(hello: &Datum, mutant: &str) -> Result<Greeting, String> {
    let entries = hello.as_map().ok_or_else(|| format!("it is {}, not a map", hello.kind()))?;
    for (key, _) in entries {
        let known = key.as_text().is_some_and(|key| key == "version" || key == "schema");
        if !known && mutant != "extra-key-ignored" {
            return Err(format!("it has the unknown key {key}"));
        }
    }
    let version = version(hello.get("version"), mutant)?;
    let schema = match hello.get("schema") {
        Some(Datum::Null) | None if mutant == "schema-optional" => {
            return Ok(Greeting { version, schema: super::contract::TYPES.clone() });
        }
        None => return Err("it has no schema".into()),
        Some(schema) => schema,
    };
    if mutant == "schema-not-checked" && Schema::read(schema).is_err() {
        return Ok(Greeting { version, schema: super::contract::TYPES.clone() });
    }
    let schema = Schema::read(schema).map_err(|fault| format!("its schema is broken: {fault}"))?;
    check("shallow", hello).map_err(|why| format!("it is too large: {why}"))?;
    Ok(Greeting { version, schema })
}

fn version(version: Option<&Datum>, mutant: &str) -> Result<Dialect, String> {
    let number = match version {
        None => return Err("it has no version".into()),
        Some(Datum::Int(number)) => number.value(),
        Some(Datum::Float(number, _)) if mutant == "float-version-accepted" => *number as i128,
        Some(other) => return Err(format!("its version is {other}, not an integer")),
    };
    match (number, mutant) {
        (1, "version-one-refused") | (3, "version-three-refused") => {}
        (1, _) => return Ok(Dialect::V1),
        (3, _) | (_, "version-not-checked") => return Ok(Dialect::V3),
        (2, "version-two-accepted") => return Ok(Dialect::V3),
        _ => {}
    }
    Err(format!("its version {number} is not supported (supported: 1, 3)"))
}
