//! What both SDKs read alike: patterns without Python's extras, integer limits of 0 or more, keys of maps that are texts
//! or integers.
//!
//! Source: sdk-go schema/schema_schema.go, lines 33-54, 345-378, 902-948, against schema.py of sdk-python 0.14.3, lines
//! 1222-1246, 1889-1926, 2005-2016. Each is judged for itself, wherever it stands and whatever else is wrong.

use regex::Regex;

use crate::datum::Datum;

/// Whether a schema keeps to it.
///
/// # Errors
/// What only one SDK reads, and where.
pub(super) fn check(datum: &Datum) -> Result<(), String> {
    look(datum).map_err(|(at, why)| format!("{at}: {why}"))
}

/// What only one SDK reads, after the path to it.
fn look(datum: &Datum) -> Result<(), (String, String)> {
    match datum {
        Datum::Map(entries, _) => {
            alike(datum).map_err(|why| (String::new(), why))?;
            entries.iter().try_for_each(|(key, value)| {
                look(value)
                    .map_err(|(at, why)| (format!("/{}{at}", key.as_inserted().unwrap_or_default()), why))
            })
        }
        Datum::Array(items, _) => items.iter().try_for_each(look),
        _ => Ok(()),
    }
}

fn alike(kind: &Datum) -> Result<(), String> {
    let text = |datum: Option<&Datum>| datum.and_then(Datum::as_text).map(|text| text.into_owned());
    match text(kind.get("type_id")).as_deref() {
        Some("string") => match text(kind.get("pattern")) {
            Some(pattern) if Regex::new(&pattern).is_err() => {
                Err(format!("the pattern `{pattern}` is no regular expression of RE2"))
            }
            _ => Ok(()),
        },
        Some("integer") => {
            let negative = |key: &&&str| kind.get(key).and_then(Datum::as_int).is_some_and(|limit| limit < 0);
            match ["min", "max"].iter().find(negative) {
                Some(key) => Err(format!("`{key}` of an integer is below 0")),
                None => Ok(()),
            }
        }
        Some("map") => match text(kind.get("keys").and_then(|keys| keys.get("type_id"))).as_deref() {
            Some("string" | "integer") | None => Ok(()),
            Some(other) => Err(format!("the keys of a map are {other}")),
        },
        Some("one_of_string" | "one_of_int") if kind.get("types").is_none() => {
            Err("a one-of has no `types`, which the Python SDK demands".into())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datum::notation::parse_datum;

    #[test]
    fn what_only_python_reads_is_told_with_its_place() {
        for (kind, told) in [
            (r#"{"type_id": "string", "pattern": "(?<=a)b"}"#, "pattern"),
            (r#"{"type_id": "integer", "min": -1}"#, "`min`"),
            (
                r#"{"type_id": "map", "keys": {"type_id": "enum_string"}, "values": {"type_id": "any"}}"#,
                "keys",
            ),
        ] {
            let schema = parse_datum(&format!(r#"{{"steps": {{"s": {kind}}}}}"#)).expect("notation");
            let why = check(&schema).expect_err(kind);
            assert!(why.starts_with("/steps/s: ") && why.contains(told), "{why}");
        }
        let fine = parse_datum(r#"{"type_id": "float", "min": -1.5}"#).expect("notation");
        assert_eq!(check(&fine), Ok(()));
    }
}
