//! YAML texts as values, for `$yaml` and for manifests.

use yaml_rust2::{Yaml, YamlLoader};

use crate::datum::Datum;

/// Reads one YAML document.
///
/// # Errors
/// What is wrong, with line and column; also no document or more than one.
pub fn parse(text: &str) -> Result<Datum, String> {
    match YamlLoader::load_from_str(text).map_err(|error| error.to_string())?.as_slice() {
        [document] => Ok(datum(document)),
        documents => Err(format!("one document is wanted, these are {}", documents.len())),
    }
}

fn datum(yaml: &Yaml) -> Datum {
    match yaml {
        Yaml::Real(text) => text.parse::<f64>().map_or_else(|_| text.clone().into(), Datum::from),
        Yaml::Integer(value) => (*value).into(),
        Yaml::String(text) => text.clone().into(),
        Yaml::Boolean(value) => (*value).into(),
        Yaml::Array(items) => Datum::array(items.iter().map(datum)),
        Yaml::Hash(entries) => {
            let entries = entries.iter().map(|(key, value)| (datum(key), datum(value)));
            Datum::Map(entries.collect(), crate::datum::Head::Preferred)
        }
        Yaml::Null | Yaml::Alias(_) | Yaml::BadValue => Datum::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_becomes_a_value() {
        let value = parse("name: x\nlist:\n  - 1\n  - true\nnothing:\n").unwrap();
        assert_eq!(value.to_string(), r#"{"name": "x", "list": [1, true], "nothing": null}"#);
        assert!(parse("a: [").is_err());
    }
}
