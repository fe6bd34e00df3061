//! Types of the deployed schema in the words of the document.

use crate::datum::Datum;

/// An object of these properties.
pub(super) fn object(properties: &Datum) -> Datum {
    let fields = properties.as_map().unwrap_or_default().iter().map(|(name, property)| {
        let required = !matches!(property.get("required"), Some(Datum::Bool(false)));
        let kind = property.get("type").map_or(Datum::Null, kind);
        let name = name.as_text().unwrap_or_default().into_owned();
        (name, Datum::map([("type", kind), ("required", Datum::from(required))]))
    });
    Datum::map([("type", Datum::text("object")), ("properties", Datum::map(fields))])
}

/// A type: its tag is `type`, and lengths of texts have names of their own.
fn kind(deployed: &Datum) -> Datum {
    let name = deployed.get("type_id").and_then(Datum::as_text).unwrap_or_default().into_owned();
    if name == "object" {
        return object(deployed.get("properties").unwrap_or(&Datum::Null));
    }
    let mut fields = vec![("type", Datum::text(if name == "bool" { "boolean" } else { &name }))];
    let lengths = name == "string";
    for (key, word) in [
        ("min", if lengths { "min_length" } else { "min" }),
        ("max", if lengths { "max_length" } else { "max" }),
        ("pattern", "pattern"),
    ] {
        fields.extend(deployed.get(key).map(|value| (word, value.clone())));
    }
    for key in ["items", "keys", "values"] {
        fields.extend(deployed.get(key).map(|value| (key, kind(value))));
    }
    Datum::map(fields)
}
