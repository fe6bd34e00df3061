//! What the deployed engine takes and refuses.

use super::*;
use crate::datum::notation::parse_datum;

fn schema(properties: &str) -> Read<Schema> {
    let scope =
        format!(r#"{{"objects": {{"in": {{"id": "in", "properties": {properties}}}}}, "root": "in"}}"#);
    let text = format!(
        r#"{{"steps": {{"s": {{"id": "s", "input": {scope}, "outputs": {{"success": {{"schema": {scope}}}}}}}}}}}"#
    );
    Schema::read(&parse_datum(&text).expect("a value"))
}

fn accept(properties: &str, value: &str) -> Result<String, String> {
    let schema = schema(properties).map_err(|fault| fault.to_string())?;
    let value = parse_datum(value).expect("a value");
    schema.steps["s"].input.accept(&value).map(|value| value.to_string()).map_err(|fault| fault.to_string())
}

#[test]
fn another_schema_is_not_taken_for_the_one_before() {
    let hello = |id: &str| parse_datum(&format!(r#"{{"steps": {{{id}}}}}"#)).expect("a value");
    let step = r#""a": {"id": "a", "input": {"objects": {"o": {"id": "o", "properties": {}}}, "root": "o"}, "outputs": {}}"#;
    let (one, other) = (hello(step), hello(&step.replace("\"a\"", "\"b\"")));
    let steps = |datum| Vec::from_iter(Schema::known(datum).expect("a schema").steps.keys().cloned());
    for (datum, id) in [(&one, "a"), (&one, "a"), (&other, "b"), (&one, "a")] {
        assert_eq!(steps(datum), [id]);
        assert!(Schema::known(&hello(r#""a": 1"#)).is_err());
    }
}

#[test]
fn literals_of_workflows_are_converted() {
    let properties = r#"{"i": {"type": {"type_id": "integer"}}, "b": {"type": {"type_id": "bool"}}}"#;
    assert_eq!(accept(properties, r#"{"i": "5", "b": "yes"}"#).as_deref(), Ok(r#"{"i": 5, "b": true}"#));
    assert_eq!(accept(properties, r#"{"i": "x", "b": true}"#), Err("/i: is text, not an integer".into()));
    assert_eq!(accept(properties, r#"{"i": 1}"#), Err("`b` is missing".into()));
    assert_eq!(accept(properties, r#"{"i": 1, "b": true, "c": 1}"#), Err("has the unknown key `c`".into()));
}

#[test]
fn what_the_engine_refuses_is_refused() {
    let fault = |properties: &str| schema(properties).expect_err("a fault").to_string();
    assert!(
        fault(r#"{"a": {"type": {"type_id": "boolean"}}}"#).ends_with("/type/type_id: `boolean` is no type")
    );
    assert!(
        fault(r#"{"a": {"type": {"type_id": "integer", "min": -1}}}"#)
            .ends_with("/type/min: is -1, not an integer of 0 or more")
    );
    assert!(fault(r#"{"a": {"type": {"type_id": "ref", "id": "none"}}}"#).contains("which does not exist"));
    assert!(fault(r#"{"a": {"type": {"type_id": "string", "pattern": "(?=x)"}}}"#).contains("RE2"));
    assert!(fault(r#"{"a": {"type": {"type_id": "map", "keys": {"type_id": "bool"}, "values": {"type_id": "any"}}}}"#).contains("keys are"));
}

#[test]
fn limits_are_limits() {
    let properties =
        r#"{"name": {"type": {"type_id": "string", "min": 2, "max": 8, "pattern": "^[a-z]+$"}}}"#;
    assert!(accept(properties, r#"{"name": "ab"}"#).is_ok());
    for bad in [r#"{"name": "a"}"#, r#"{"name": "abcdefghi"}"#, r#"{"name": "aB"}"#, r#"{"name": true}"#] {
        assert!(accept(properties, bad).is_err(), "{bad}");
    }
}

/// Of each type one that the engine takes, and one defect of it that it refuses, with the word that tells it.
const DEFECTS: [(&str, &str, &str); 15] = [
    (r#"{"type_id": "string", "min": 2}"#, r#"{"type_id": "string", "min": 1.5}"#, "min"),
    (r#"{"type_id": "string", "pattern": "a+"}"#, r#"{"type_id": "string", "pattern": "a(?!b)"}"#, "RE2"),
    (r#"{"type_id": "pattern"}"#, r#"{"type_id": "pattern", "min": 1}"#, "unknown key"),
    (r#"{"type_id": "integer", "max": "7"}"#, r#"{"type_id": "integer", "max": -7}"#, "max"),
    (r#"{"type_id": "float", "min": -1.5}"#, r#"{"type_id": "float", "min": "x"}"#, "min"),
    (r#"{"type_id": "bool"}"#, r#"{"type_id": "boolean"}"#, "no type"),
    (
        r#"{"type_id": "enum_string", "values": {"a": {}}}"#,
        r#"{"type_id": "enum_string", "values": {}}"#,
        "needs a value",
    ),
    (
        r#"{"type_id": "enum_string", "values": {"a": {"name": "A"}}}"#,
        r#"{"type_id": "enum_string", "values": {"a": {"name": ""}}}"#,
        "is empty",
    ),
    (
        r#"{"type_id": "enum_integer", "values": {1: {}}}"#,
        r#"{"type_id": "enum_integer", "values": {"x": {}}}"#,
        "no integer",
    ),
    (r#"{"type_id": "list", "items": {"type_id": "any"}}"#, r#"{"type_id": "list"}"#, "items"),
    (
        r#"{"type_id": "map", "keys": {"type_id": "integer"}, "values": {"type_id": "any"}}"#,
        r#"{"type_id": "map", "keys": {"type_id": "enum_string", "values": {"a": {}}}, "values": {"type_id": "any"}}"#,
        "keys are",
    ),
    (
        r#"{"type_id": "ref", "id": "in"}"#,
        r#"{"type_id": "ref", "id": "in", "namespace": "other"}"#,
        "namespace",
    ),
    (
        r#"{"type_id": "integer", "units": {"base_unit": {"name_short_singular": "s", "name_short_plural": "s", "name_long_singular": "second", "name_long_plural": "seconds"}}}"#,
        r#"{"type_id": "integer", "units": {"base_unit": {"name_short_singular": "s"}}}"#,
        "name_short_plural",
    ),
    (
        r#"{"type_id": "one_of_int", "discriminator_field_name": "k", "types": {1: {"type_id": "object", "id": "o", "properties": {}}}}"#,
        r#"{"type_id": "one_of_int", "discriminator_field_name": "k", "types": {"1": {"type_id": "object", "id": "o", "properties": {}}}}"#,
        "wrong type",
    ),
    (
        r#"{"type_id": "one_of_string", "discriminator_field_name": "k", "discriminator_inlined": true, "types": {"a": {"type_id": "object", "id": "o", "properties": {"k": {"type": {"type_id": "string"}}}}}}"#,
        r#"{"type_id": "one_of_string", "discriminator_field_name": "k", "discriminator_inlined": true, "types": {"a": {"type_id": "object", "id": "o", "properties": {"k": {"type": {"type_id": "integer"}}}}}}"#,
        "another type",
    ),
];

#[test]
fn each_type_is_read_and_its_defects_are_told() {
    for (fine, broken, word) in DEFECTS {
        let property = |kind: &str| format!(r#"{{"p": {{"type": {kind}}}}}"#);
        let read = schema(&property(fine));
        assert!(read.is_ok(), "{fine}: {read:?}");
        let why = schema(&property(broken)).expect_err(broken).to_string();
        assert!(why.contains(word), "{broken}: {why}");
    }
}

#[test]
fn units_are_read_as_the_engine_reads_them() {
    let unit = |short: &str, long: &str| {
        format!(
            r#"{{"name_short_singular": "{short}", "name_short_plural": "{short}", "name_long_singular": "{long}", "name_long_plural": "{long}s"}}"#
        )
    };
    let units = format!(
        r#"{{"base_unit": {}, "multipliers": {{60: {}, 3600: {}}}}}"#,
        unit("s", "second"),
        unit("m", "minute"),
        unit("H", "hour")
    );
    let properties = format!(r#"{{"t": {{"type": {{"type_id": "integer", "units": {units}}}}}}}"#);
    for (text, seconds) in
        [("5m30s", "330"), ("1H", "3600"), ("2 minutes 1 second", "121"), ("7", "7"), (" 1H 1m 1s ", "3661")]
    {
        let taken = accept(&properties, &format!(r#"{{"t": "{text}"}}"#));
        assert_eq!(taken, Ok(format!(r#"{{"t": {seconds}}}"#)), "{text}");
    }
    for text in ["", "5x", "30s5m", "1.5s", "s", "-1m"] {
        assert!(accept(&properties, &format!(r#"{{"t": "{text}"}}"#)).is_err(), "{text}");
    }
}

#[test]
fn members_of_a_one_of_are_told_by_their_field() {
    let properties = r#"{"o": {"type": {"type_id": "one_of_int", "discriminator_field_name": "k", "types": {
        1: {"type_id": "object", "id": "a", "properties": {"x": {"type": {"type_id": "bool"}}}},
        2: {"type_id": "ref", "id": "in"}}}, "required": false}}"#;
    assert_eq!(
        accept(properties, r#"{"o": {"k": "1", "x": "yes"}}"#).as_deref(),
        Ok(r#"{"o": {"x": true, "k": 1}}"#)
    );
    assert!(accept(properties, r#"{"o": {"k": 2, "o": {"k": 2}}}"#).is_ok());
    for bad in [r#"{"o": {"x": true}}"#, r#"{"o": {"k": 3}}"#, r#"{"o": {"k": 1}}"#, r#"{"o": []}"#] {
        assert!(accept(properties, bad).is_err(), "{bad}");
    }
}

#[test]
fn properties_that_speak_of_each_other() {
    let text = r#"{"type_id": "string"}"#;
    let properties = format!(
        r#"{{"a": {{"type": {text}, "required": false}},
            "b": {{"type": {text}, "required": false, "required_if": ["a"]}},
            "c": {{"type": {text}, "required": false, "required_if_not": ["a"], "conflicts": ["b"]}}}}"#
    );
    for (value, fits) in [
        (r#"{"a": "", "b": ""}"#, true),
        (r#"{"c": ""}"#, true),
        (r#"{"a": ""}"#, false),
        (r#"{"b": ""}"#, false),
        (r#"{"a": "", "b": "", "c": ""}"#, false),
        ("{}", false),
    ] {
        let accepted = accept(&properties, value);
        assert_eq!(accepted.is_ok(), fits, "{value}: {accepted:?}");
    }
}
