//! What the reference engine thinks of a hello.

use super::session::Dialect;
use super::slip;
use crate::datum::Datum;
use crate::mocks::arcaflow::contract::SCHEMA;
use crate::protocol::arcaflow::schema::Schema;
use crate::protocol::arcaflow::{check, document};

/// A hello that is as it must be.
pub(super) struct Greeting {
    pub(super) version: Dialect,
    pub(super) schema: Schema,
}

/// Reads a hello: of the document if that is the dialect, or if no dialect is given and the hello is of its form.
///
/// # Errors
/// Why it is refused.
pub(super) fn greeting(hello: &Datum, dialect: Option<Dialect>, mutant: &str) -> Result<Greeting, String> {
    let documented = match dialect {
        Some(dialect) => dialect == Dialect::Document,
        None => hello.get("steps").is_some() && hello.get("schema").is_none(),
    };
    if documented { of_the_document(hello, mutant) } else { deployed(hello, mutant) }
}

/// Source: the document, "Step 1: Hello message".
fn of_the_document(hello: &Datum, mutant: &str) -> Result<Greeting, String> {
    if mutant == "document-hello-needs-a-schema" && hello.get("schema").is_none() {
        return Err("it has no schema".into());
    }
    let schema = document::schema(hello)?;
    if mutant == "one-of-unknown" && hello.to_string().contains("\"oneof\"") {
        return Err("it has the unknown type oneof".into());
    }
    match hello.get("version").and_then(Datum::as_int) {
        Some(1) => Ok(Greeting { version: Dialect::Document, schema }),
        _ => Err("its version is not supported (supported: 1)".into()),
    }
}

/// Source: arcalot/arcaflow-plugin-sdk-go at dd8a9b5, atp/client.go, lines 15, 67-69, 141-174.
fn deployed(hello: &Datum, mutant: &str) -> Result<Greeting, String> {
    let entries = hello.as_map().ok_or_else(|| format!("it is {}, not a map", hello.kind()))?;
    for (key, _) in entries {
        let known = key.as_text().is_some_and(|key| key == "version" || key == "schema");
        if !known && mutant != "extra-key-ignored" {
            return Err(format!("it has the unknown key {key}"));
        }
    }
    let version = version(hello.get("version"), mutant)?;
    let schema = match hello.get("schema") {
        Some(Datum::Null) | None if mutant == "schema-optional" => &SCHEMA,
        None => return Err("it has no schema".into()),
        Some(schema) => schema,
    };
    if mutant == "optional-keys-refused" && hello.to_string().contains("\"display\"") {
        return Err("its schema has the unknown key display".into());
    }
    let schema = match Schema::read(schema) {
        Err(fault) if slip::overlooks(mutant, &fault) => Schema::read(&SCHEMA),
        read => read,
    };
    let schema = schema.map_err(|fault| format!("its schema is broken: {fault}"))?;
    check("shallow", hello).map_err(|why| format!("it is too large: {why}"))?;
    Ok(Greeting { version, schema })
}

fn version(version: Option<&Datum>, mutant: &str) -> Result<Dialect, String> {
    let number = match version {
        None if mutant == "version-missing-is-one" => 1,
        None => return Err("it has no version".into()),
        Some(Datum::Int(number)) if mutant == "version-cut-to-32-bits" => number.value() & 0xffff_ffff,
        Some(Datum::Int(number)) => number.value(),
        Some(Datum::Float(number, _)) if mutant == "float-version-accepted" => *number as i128,
        Some(Datum::Bool(true)) if mutant == "true-is-version-one" => 1,
        Some(other) => return Err(format!("its version is {other}, not an integer")),
    };
    match (number, mutant) {
        (1, "version-one-refused") | (3, "version-three-refused") => {}
        (1, _) => return Ok(Dialect::V1),
        (3, _) | (_, "version-not-checked") | (4.., "later-versions-accepted") => return Ok(Dialect::V3),
        (2, "version-two-accepted") => return Ok(Dialect::V3),
        _ => {}
    }
    Err(format!("its version {number} is not supported (supported: 1, 3)"))
}
