//! The steps of the conformance contract: their schema and what they do.

use std::sync::{LazyLock, OnceLock};

use super::document;
use crate::datum::{Datum, notation};
use crate::protocol::arcaflow::schema::Step;

/// What a step does with an input that fits.
#[derive(Clone, Debug, PartialEq)]
pub enum Deed {
    /// It gives this output, with these debug logs.
    Output { id: &'static str, data: Datum, logs: String },
    /// It raises an error.
    Raise(String),
    /// It ends the process.
    Exit(i32),
    /// It gives `success` after so many milliseconds, `cancelled` if it is told before.
    Wait(u64),
    /// It writes to file descriptor 1, then succeeds.
    Noise(String),
    /// It starts a child, then succeeds.
    Spawn,
}

/// Runs a step of the contract; `input` has passed the step's schema.
pub fn run(step: &str, input: Datum) -> Deed {
    let number = |key: &str| input.get(key).and_then(Datum::as_int).unwrap_or_default();
    let text = |key: &str| input.get(key).and_then(Datum::as_text).unwrap_or_default().into_owned();
    let success = |data: Datum| Deed::Output { id: "success", data, logs: String::new() };
    let empty = || Datum::map::<String>([]);
    match step {
        "choose" if text("pick") == "success" => {
            success(Datum::map([("value", input.get("value").cloned().unwrap_or(Datum::Null))]))
        }
        "choose" => Deed::Output {
            id: "error",
            data: Datum::map([("reason", Datum::text("asked to"))]),
            logs: String::new(),
        },
        "log" => {
            let logs: String = (1..=number("lines")).map(|n| format!("log line {n}\n")).collect();
            Deed::Output { id: "success", data: input, logs }
        }
        "big" => {
            success(Datum::map([("data", Datum::Gen(crate::datum::Generated::Text(number("size") as u64)))]))
        }
        "wait" => Deed::Wait(number("ms") as u64),
        "crash" => match text("how").as_str() {
            "raise" => Deed::Raise("asked to raise".into()),
            "exit" => Deed::Exit(7),
            "undeclared" => Deed::Output { id: "nope", data: empty(), logs: String::new() },
            "illtyped" => success(Datum::map([("extra", Datum::from(1_i64))])),
            _ => success(empty()),
        },
        "noise" => Deed::Noise(text("text")),
        "spawn" => Deed::Spawn,
        "form" => success(Datum::map(
            input.get("level").filter(|level| **level != Datum::Null).map(|level| ("level", level.clone())),
        )),
        _ => success(input),
    }
}

/// The schema of the contract's steps, as it stands in the hello.
pub static SCHEMA: LazyLock<Datum> = LazyLock::new(|| {
    let steps = STEPS.iter().map(|(id, input, outputs, signals)| {
        let outputs = outputs.iter().map(|(output, properties)| {
            let error = Datum::from(*output == "error");
            (
                (*output).to_owned(),
                Datum::map([("schema", scope(&format!("{id}-{output}"), properties)), ("error", error)]),
            )
        });
        let mut step = vec![
            ("id", Datum::text(*id)),
            ("input", scope(&format!("{id}-input"), input)),
            ("outputs", Datum::map(outputs)),
        ];
        if !signals.is_empty() {
            let handler =
                Datum::map([("id", Datum::text("cancel")), ("data_schema", scope("cancelInput", "{}"))]);
            step.push(("signal_handlers", Datum::map([("cancel", handler)])));
        }
        ((*id).to_owned(), Datum::map(step))
    });
    Datum::map([("steps", Datum::map(steps))])
});

/// The same steps in the words of the document, for its hello. It has no type for `any`, and no signals.
pub static STEPS_OF_THE_DOCUMENT: LazyLock<Datum> = LazyLock::new(|| {
    let shared = Datum::map([("address", Datum::map([("properties", parsed(ADDRESS))]))]);
    let object = |properties| document::object(&parsed(properties), &shared);
    let steps = STEPS.iter().filter(|(id, ..)| *id != "any").map(|(id, input, outputs, _)| {
        let outputs = outputs
            .iter()
            .map(|(output, properties)| ((*output).to_owned(), Datum::map([("schema", object(properties))])));
        let step = Datum::map([("input", object(input)), ("outputs", Datum::map(outputs))]);
        ((*id).to_owned(), step)
    });
    Datum::map(steps)
});

/// The types of a step, for checking inputs and outputs: read once it is asked for, as most processes run one step.
pub fn types(step: &str) -> Option<&'static Step> {
    static READ: [OnceLock<Step>; STEPS.len()] = [const { OnceLock::new() }; STEPS.len()];
    let at = STEPS.iter().position(|(id, ..)| *id == step)?;
    let read = || {
        let types = SCHEMA.get("steps").and_then(|steps| steps.get(step)).expect("the schema has every step");
        Step::read(types).expect("the contract's schema is valid")
    };
    Some(READ[at].get_or_init(read))
}

fn parsed(properties: &str) -> Datum {
    notation::parse_datum(properties).expect("the contract's schema is notation")
}

fn scope(id: &str, properties: &str) -> Datum {
    let object = |id: &str, properties| {
        (id.to_owned(), Datum::map([("id", Datum::text(id)), ("properties", parsed(properties))]))
    };
    let refers = properties.contains("\"ref\"");
    let shared = refers.then(|| object("address", ADDRESS));
    let objects = std::iter::once(object(id, properties)).chain(shared);
    Datum::map([("objects", Datum::map(objects)), ("root", Datum::text(id))])
}

/// Step, properties of its input, its outputs with their properties, and its signals.
type Definition = (&'static str, &'static str, &'static [(&'static str, &'static str)], &'static str);

const STEPS: [Definition; 12] = [
    ("echo", MESSAGE, &[("success", MESSAGE)], ""),
    (
        "choose",
        r#"{"pick": {"type": {"type_id": "string"}}, "value": {"type": {"type_id": "integer"}}}"#,
        &[
            ("success", r#"{"value": {"type": {"type_id": "integer"}}}"#),
            ("error", r#"{"reason": {"type": {"type_id": "string"}}}"#),
        ],
        "",
    ),
    ("any", ANY, &[("success", ANY)], ""),
    ("types", TYPES_OF_TYPES, &[("success", TYPES_OF_TYPES)], ""),
    (
        "limited",
        LIMITED,
        &[(
            "success",
            r#"{"name": {"type": {"type_id": "string"}}, "count": {"type": {"type_id": "integer"}}}"#,
        )],
        "",
    ),
    ("log", LINES, &[("success", LINES)], ""),
    (
        "big",
        r#"{"size": {"type": {"type_id": "integer", "min": 0}}}"#,
        &[("success", r#"{"data": {"type": {"type_id": "string"}}}"#)],
        "",
    ),
    (
        "wait",
        r#"{"ms": {"type": {"type_id": "integer", "min": 0}}}"#,
        &[("success", "{}"), ("cancelled", "{}")],
        "cancel",
    ),
    ("crash", r#"{"how": {"type": {"type_id": "string"}}}"#, &[("success", "{}")], ""),
    ("noise", r#"{"text": {"type": {"type_id": "string"}}}"#, &[("success", "{}")], ""),
    ("spawn", "{}", &[("success", "{}")], ""),
    // Beyond the contract: every type, every limit, and properties that speak of each other, for scenarios that drive.
    ("form", FORM, &[("success", r#"{"level": {"type": {"type_id": "integer"}}}"#)], ""),
];

const ADDRESS: &str = r#"{"street": {"type": {"type_id": "string", "min": 1, "max": 4}}}"#;
const FORM: &str = r#"{
    "name": {"type": {"type_id": "string", "min": 2, "max": 8, "pattern": "^[a-z]+$"}},
    "level": {"type": {"type_id": "integer", "min": 1, "max": 5}, "required": false, "default": "3"},
    "share": {"type": {"type_id": "float", "min": 0.5, "max": 2.5}, "required": false},
    "on": {"type": {"type_id": "bool"}, "required": false},
    "mode": {"type": {"type_id": "enum_string", "values": {"fast": {}, "slow": {"name": "Slow"}}}, "required": false},
    "port": {"type": {"type_id": "enum_integer", "values": {80: {}, 443: {}}}, "required": false},
    "counts": {"type": {"type_id": "list", "items": {"type_id": "integer"}, "min": 1, "max": 3}, "required": false},
    "rates": {"type": {"type_id": "map", "keys": {"type_id": "string"}, "values": {"type_id": "float"}, "min": 1, "max": 2}, "required": false},
    "when": {"type": {"type_id": "one_of_string", "discriminator_field_name": "kind", "discriminator_inlined": false, "types": {
        "once": {"type_id": "object", "id": "once", "properties": {"at": {"type": {"type_id": "integer"}}}},
        "there": {"type_id": "ref", "id": "address"}}}, "required": false},
    "address": {"type": {"type_id": "ref", "id": "address"}, "required": false},
    "expression": {"type": {"type_id": "pattern"}, "required": false},
    "user": {"type": {"type_id": "string"}, "required": false, "conflicts": ["token"]},
    "password": {"type": {"type_id": "string"}, "required": false, "required_if": ["user"]},
    "token": {"type": {"type_id": "string"}, "required": false, "required_if_not": ["password"]}
}"#;

const MESSAGE: &str = r#"{"message": {"type": {"type_id": "string"}}}"#;
const ANY: &str = r#"{"data": {"type": {"type_id": "any"}}}"#;
const LINES: &str = r#"{"lines": {"type": {"type_id": "integer", "min": 0}}}"#;
const LIMITED: &str = r#"{
    "name": {"type": {"type_id": "string", "min": 2, "max": 8, "pattern": "^[a-z]+$"}},
    "count": {"type": {"type_id": "integer", "min": 1, "max": 5}}
}"#;
const TYPES_OF_TYPES: &str = r#"{
    "b": {"type": {"type_id": "bool"}, "required": false},
    "i": {"type": {"type_id": "integer"}},
    "f": {"type": {"type_id": "float"}},
    "s": {"type": {"type_id": "string"}},
    "l": {"type": {"type_id": "list", "items": {"type_id": "integer"}}},
    "m": {"type": {"type_id": "map", "keys": {"type_id": "string"}, "values": {"type_id": "integer"}}, "required": false},
    "o": {"type": {"type_id": "object", "id": "point", "properties": {"x": {"type": {"type_id": "integer"}}}}}
}"#;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::arcaflow::schema::Schema;

    #[test]
    fn the_contract_is_a_schema_that_the_engine_accepts() {
        let schema = Schema::read(&SCHEMA).expect("it is valid");
        assert_eq!(schema.steps.len(), STEPS.len());
        for (id, step) in &schema.steps {
            assert_eq!(types(id).map(|types| types.input.root_id()), Some(step.input.root_id()));
        }
        assert_eq!(schema.steps["wait"].signal_handlers["cancel"].root_id(), "cancelInput");
        assert!(types("none").is_none());
    }
}
