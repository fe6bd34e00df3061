//! The hello of the document, and its types in the words of the deployed schema.
//!
//! Source: the document, "Step 1: Hello message". Its JSON schema cannot be used as it stands; what
//! `hello-of-the-document.json` repairs is listed in suites/arcaflow/README.md.

use std::sync::LazyLock;

use boon::{Compiler, SchemaIndex, Schemas, ValidationError};
use serde_json::Value;

use super::schema::Schema;
use crate::codec::json;
use crate::datum::Datum;

static HELLO: LazyLock<(Schemas, SchemaIndex)> = LazyLock::new(|| {
    let schema = serde_json::from_str(include_str!("hello-of-the-document.json")).expect("the file is JSON");
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.add_resource("hello.json", schema).expect("its name is a URL");
    let index = compiler.compile("hello.json", &mut schemas).expect("the file is a JSON schema");
    (schemas, index)
});

/// Whether a hello fits the document's JSON schema, repaired.
///
/// # Errors
/// What does not fit first, and where.
pub(super) fn hello(datum: &Datum) -> Result<(), String> {
    let mut bytes = Vec::new();
    json::encode(datum, &mut bytes)?;
    let value = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    let (schemas, index) = &*HELLO;
    schemas.validate(&value, *index).map_err(|error| {
        let first = first(&error);
        let place = first.instance_location.to_string();
        let at = if place.is_empty() { String::new() } else { format!("{place}: ") };
        match value.pointer(&place) {
            Some(Value::Object(_) | Value::Array(_)) | None => format!("{at}{}", first.kind),
            Some(got) => format!("{at}{}, got {got}", first.kind),
        }
    })
}

/// What an error comes from: the others only say which part of the schema it was met in.
fn first<'a, 's, 'v>(error: &'a ValidationError<'s, 'v>) -> &'a ValidationError<'s, 'v> {
    error.causes.first().map_or(error, first)
}

/// The schema of a hello that fits.
///
/// # Errors
/// What does not fit first, and where.
pub fn schema(datum: &Datum) -> Result<Schema, String> {
    hello(datum)?;
    Schema::read(&deployed(datum.get("steps").unwrap_or(&Datum::Null))).map_err(|fault| fault.to_string())
}

/// The steps of the document's hello as the schema of a deployed one: what their data must be is the same.
pub(super) fn deployed(steps: &Datum) -> Datum {
    let steps = entries(steps).map(|(id, step)| {
        let input = step.get("input").unwrap_or(&Datum::Null);
        let outputs = step.get("outputs").unwrap_or(&Datum::Null);
        let outputs = entries(outputs).map(|(id, output)| {
            (id, Datum::map([("schema", scope(output.get("schema").unwrap_or(&Datum::Null)))]))
        });
        let parts = [
            ("id", Datum::text(&id)),
            ("input", scope(input.get("schema").unwrap_or(input))),
            ("outputs", Datum::map(outputs)),
        ];
        (id.clone(), Datum::map(parts))
    });
    Datum::map([("steps", Datum::map(steps))])
}

fn entries(map: &Datum) -> impl Iterator<Item = (String, &Datum)> {
    let entries = map.as_map().unwrap_or_default().iter();
    entries.map(|(key, value)| (key.as_text().unwrap_or_default().into_owned(), value))
}

fn scope(object: &Datum) -> Datum {
    let root = Datum::map([("id", Datum::text("root")), ("properties", properties(object))]);
    Datum::map([("root", Datum::text("root")), ("objects", Datum::map([("root", root)]))])
}

fn properties(object: &Datum) -> Datum {
    let fields = object.get("properties").unwrap_or(&Datum::Null);
    Datum::map(entries(fields).map(|(name, field)| {
        let required = matches!(field.get("required"), Some(Datum::Bool(true)));
        let kind = kind(field.get("type").unwrap_or(&Datum::Null));
        let mut property = vec![("type", kind), ("required", Datum::from(required))];
        for rule in ["required_if", "required_if_not", "conflicts"] {
            property.extend(field.get(rule).map(|names| (rule, names.clone())));
        }
        (name, Datum::map(property))
    }))
}

fn kind(of_the_document: &Datum) -> Datum {
    let of = of_the_document;
    let name = of.get("type").and_then(Datum::as_text).unwrap_or_default().into_owned();
    let mut fields = Vec::new();
    let mut take = |key: &str, word: &'static str| {
        fields.extend(of.get(key).map(|value| (word, value.clone())));
    };
    let type_id = match name.as_str() {
        "boolean" => "bool",
        "string" => {
            take("min_length", "min");
            take("max_length", "max");
            take("pattern", "pattern");
            "string"
        }
        "list" | "map" | "integer" | "float" => {
            take("min", "min");
            take("max", "max");
            name.as_str()
        }
        "object" => {
            fields.push(("id", Datum::text("object")));
            fields.push(("properties", properties(of)));
            "object"
        }
        "enum" => return enumeration(of),
        "oneof" => return one_of(of),
        other => other,
    };
    fields.extend(of.get("items").map(|items| ("items", kind(items))));
    fields.extend(of.get("keys").map(|keys| ("keys", kind(keys))));
    fields.extend(of.get("values").map(|values| ("values", kind(values))));
    fields.push(("type_id", Datum::text(type_id)));
    Datum::map(fields)
}

fn enumeration(of: &Datum) -> Datum {
    let values = of.get("values").and_then(Datum::as_array).unwrap_or_default();
    let is_text = values.first().is_none_or(|value| value.as_text().is_some());
    let shown = values.iter().map(|value| (value.clone(), Datum::map::<String>([])));
    let values = Datum::Map(shown.collect(), crate::datum::Head::Preferred);
    Datum::map([
        ("type_id", Datum::text(if is_text { "enum_string" } else { "enum_integer" })),
        ("values", values),
    ])
}

fn one_of(of: &Datum) -> Datum {
    let discriminator = of.get("discriminator_field_schema").and_then(|schema| schema.get("type"));
    let by_number = discriminator.and_then(Datum::as_text).is_some_and(|name| name == "integer");
    let types = entries(of.get("one_of").unwrap_or(&Datum::Null)).map(|(key, object)| {
        let number = key.parse::<i64>().ok().filter(|_| by_number);
        (number.map_or_else(|| Datum::text(&key), Datum::from), kind(object))
    });
    let types = Datum::Map(types.collect(), crate::datum::Head::Preferred);
    let name = of.get("discriminator_field_name").cloned().unwrap_or(Datum::Null);
    Datum::map([
        ("type_id", Datum::text(if by_number { "one_of_int" } else { "one_of_string" })),
        ("types", types),
        ("discriminator_field_name", name),
        ("discriminator_inlined", Datum::from(false)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datum::notation::parse_datum;

    fn hello_with(kind: &str) -> Datum {
        let text = format!(
            r#"{{"version": 1, "steps": {{"s": {{
                "input": {{"type": "object", "properties": {{"p": {{"required": true, "type": {kind}}}}}}},
                "outputs": {{"success": {{"schema": {{"type": "object", "properties": {{}}}}}}}}}}}}}}"#
        );
        parse_datum(&text).unwrap_or_else(|error| panic!("{text}: {error:?}"))
    }

    #[test]
    fn each_type_of_the_document_is_read_and_stands_for_a_deployed_one() {
        for kind in [
            r#"{"type": "boolean"}"#,
            r#"{"type": "pattern"}"#,
            r#"{"type": "string", "min_length": 1, "max_length": 2, "pattern": "^a"}"#,
            r#"{"type": "integer", "min": 1, "max": 2}"#,
            r#"{"type": "float", "min": 0.5}"#,
            r#"{"type": "enum", "values": ["a", "b"]}"#,
            r#"{"type": "enum", "values": [1, 2]}"#,
            r#"{"type": "list", "items": {"type": "string"}, "min": 1}"#,
            r#"{"type": "map", "keys": {"type": "string"}, "values": {"type": "boolean"}}"#,
            r#"{"type": "object", "properties": {"q": {"type": {"type": "integer"}}}}"#,
            r#"{"type": "oneof", "discriminator_field_name": "kind", "discriminator_field_schema": {"type": "string"},
                "one_of": {"a": {"type": "object", "properties": {}}}}"#,
            r#"{"type": "oneof", "discriminator_field_name": "kind", "discriminator_field_schema": {"type": "integer"},
                "one_of": {"1": {"type": "object", "properties": {}}}}"#,
        ] {
            let datum = hello_with(kind);
            assert_eq!(hello(&datum), Ok(()), "{kind}");
            let schema = Schema::read(&deployed(datum.get("steps").expect("steps")));
            assert!(schema.is_ok(), "{kind}: {schema:?}");
        }
    }

    #[test]
    fn what_the_document_does_not_know_is_refused_with_its_place() {
        for (kind, part) in [
            (r#""string""#, "/steps/s/input/properties/p/type"),
            (r#"{"type": "any"}"#, "any"),
            (r#"{"type_id": "string"}"#, "type"),
            (r#"{"type": "string", "min": 1}"#, "min"),
            (r#"{"type": "map", "keys": {"type": "float"}, "values": {"type": "boolean"}}"#, "keys"),
            (r#"{"type": "enum", "values": [{"type": "string"}]}"#, "values"),
        ] {
            let why = hello(&hello_with(kind)).expect_err(kind);
            assert!(why.contains(part), "{kind}: {why}");
        }
    }

    #[test]
    fn a_field_is_optional_unless_it_says_otherwise() {
        let datum = parse_datum(
            r#"{"s": {"input": {"type": "object", "properties": {"p": {"type": {"type": "string"}}}}, "outputs": {}}}"#,
        )
        .expect("notation");
        let schema = deployed(&datum);
        let property = ["steps", "s", "input", "objects", "root", "properties", "p", "required"]
            .iter()
            .try_fold(&schema, |at, key| at.get(key));
        assert_eq!(property, Some(&Datum::Bool(false)));
    }
}
