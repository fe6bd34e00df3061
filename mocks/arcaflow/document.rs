//! Types of the deployed schema in the words of the document.

use crate::datum::{Datum, Head};

/// An object of these properties; what they refer to stands among the `shared` objects, since the document knows no
/// references.
pub(super) fn object(properties: &Datum, shared: &Datum) -> Datum {
    let fields = properties.as_map().unwrap_or_default().iter().map(|(name, property)| {
        let required = !matches!(property.get("required"), Some(Datum::Bool(false)));
        let kind = property.get("type").map_or(Datum::Null, |deployed| kind(deployed, shared));
        let mut field = vec![("type", kind), ("required", Datum::from(required))];
        for rule in ["required_if", "required_if_not", "conflicts"] {
            field.extend(property.get(rule).map(|names| (rule, names.clone())));
        }
        (name.as_text().unwrap_or_default().into_owned(), Datum::map(field))
    });
    Datum::map([("type", Datum::text("object")), ("properties", Datum::map(fields))])
}

/// A type: its tag is `type`, and lengths of texts have names of their own.
fn kind(deployed: &Datum, shared: &Datum) -> Datum {
    let text = |key: &str| deployed.get(key).and_then(Datum::as_text).unwrap_or_default().into_owned();
    let name = text("type_id");
    match name.as_str() {
        "object" => return object(deployed.get("properties").unwrap_or(&Datum::Null), shared),
        "ref" => {
            let referred = shared.get(&text("id")).and_then(|object| object.get("properties"));
            return object(referred.unwrap_or(&Datum::Null), shared);
        }
        "enum_string" | "enum_integer" => return enumeration(deployed),
        "one_of_string" => return one_of(deployed, shared),
        _ => {}
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
        fields.extend(deployed.get(key).map(|value| (key, kind(value, shared))));
    }
    Datum::map(fields)
}

fn enumeration(deployed: &Datum) -> Datum {
    let values = deployed.get("values").and_then(Datum::as_map).unwrap_or_default();
    let values = Datum::array(values.iter().map(|(value, _)| value.clone()));
    Datum::map([("type", Datum::text("enum")), ("values", values)])
}

fn one_of(deployed: &Datum, shared: &Datum) -> Datum {
    let types = deployed.get("types").and_then(Datum::as_map).unwrap_or_default();
    let types = types.iter().map(|(key, member)| (key.clone(), kind(member, shared))).collect();
    let field = deployed.get("discriminator_field_name").cloned().unwrap_or(Datum::Null);
    Datum::map([
        ("type", Datum::text("oneof")),
        ("discriminator_field_name", field),
        ("discriminator_field_schema", Datum::map([("type", Datum::text("string"))])),
        ("one_of", Datum::Map(types, Head::Preferred)),
    ])
}
