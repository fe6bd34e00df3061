//! Objects and their properties: which must be there, and which may not be there together.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::field::Fields;
use super::{Accepted, Fault, Read, Scope, Type, is_as_it_stood};
use crate::datum::{Datum, Head};

/// A map with known keys.
#[derive(Clone, Debug)]
pub struct Object {
    /// Its properties by name.
    pub properties: BTreeMap<String, Property>,
}

/// One property of an object.
#[derive(Clone, Debug)]
pub struct Property {
    /// Its type.
    pub kind: Type,
    /// Whether it must be there.
    pub required: bool,
    /// It must be there if one of these is.
    pub required_if: Vec<String>,
    /// It must be there if none of these is.
    pub required_if_not: Vec<String>,
    /// It must not be there if one of these is.
    pub conflicts: Vec<String>,
    /// Its value where it is absent.
    pub default: Option<Datum>,
}

impl Object {
    pub(super) fn read(datum: &Datum) -> Read<(String, Self)> {
        Self::read_fields(&Fields::of(datum, &["id", "properties", "id_unenforced"])?)
    }

    pub(super) fn read_fields(fields: &Fields<'_>) -> Read<(String, Self)> {
        let id = fields.identifier("id")?;
        fields.flag("id_unenforced", false)?;
        let properties = fields.map("properties", |name, property| {
            if name.is_empty() {
                return Err(Fault::new("a property without a name"));
            }
            Ok((name.to_owned(), Property::read(property)?))
        })?;
        Ok((id, Self { properties: properties.ok_or_else(|| Fault::new("`properties` is missing"))? }))
    }

    pub(super) fn accept<'a>(&self, datum: &'a Datum, scope: &Scope) -> Accepted<'a> {
        let Some(entries) = datum.as_map() else {
            return Err(Fault::new(format!("is {}, not a map", datum.kind())));
        };
        let mut given: Vec<(Cow<'a, str>, Cow<'a, Datum>)> = Vec::new();
        for (key, value) in entries {
            let name =
                key.as_text().ok_or_else(|| Fault::new(format!("has the key {key}, which is no text")))?;
            let property = self
                .properties
                .get(&*name)
                .ok_or_else(|| Fault::new(format!("has the unknown key `{name}`")))?;
            if *value == Datum::Null && !property.required {
                continue;
            }
            let value = property.kind.accept(value, scope).map_err(|fault| fault.under(&name))?;
            given.push((name, value));
        }
        for (name, property) in &self.properties {
            if !given.iter().any(|(key, _)| key == name)
                && let Some(default) = &property.default
            {
                given.push((name.clone().into(), Cow::Owned(default.clone())));
            }
        }
        let has = |name: &String| given.iter().any(|(key, _)| key == name);
        for (name, property) in &self.properties {
            property.check_presence(name, has(name), &has)?;
        }
        let is_same = |((key, _), (_, accepted)): (&(Datum, Datum), &(_, Cow<'_, Datum>))| {
            matches!(key, Datum::Text(_, Head::Preferred)) && is_as_it_stood(accepted)
        };
        let is_plain = matches!(datum, Datum::Map(_, Head::Preferred)) && entries.len() == given.len();
        if is_plain && entries.iter().zip(&given).all(is_same) {
            return Ok(Cow::Borrowed(datum));
        }
        let owned = given.into_iter().map(|(key, value)| (key.into_owned(), value.into_owned()));
        Ok(Cow::Owned(Datum::map(owned)))
    }
}

impl Property {
    fn read(datum: &Datum) -> Read<Self> {
        const KEYS: [&str; 10] = [
            "type",
            "display",
            "required",
            "required_if",
            "required_if_not",
            "conflicts",
            "default",
            "examples",
            "disabled",
            "disabled_reason",
        ];
        let fields = Fields::of(datum, &KEYS)?;
        fields.display()?;
        fields.texts("examples")?;
        let default = fields.text("default")?.map(|text| {
            crate::codec::json::parse(text.as_bytes())
                .map_err(|error| Fault::new(format!("is no JSON: {error}")).under("default"))
        });
        Ok(Self {
            kind: fields.need("type", Type::read)?,
            required: fields.flag("required", true)?,
            required_if: fields.texts("required_if")?,
            required_if_not: fields.texts("required_if_not")?,
            conflicts: fields.texts("conflicts")?,
            default: default.transpose()?,
        })
    }

    fn check_presence(&self, name: &str, here: bool, has: &dyn Fn(&String) -> bool) -> Read<()> {
        if here {
            return match self.conflicts.iter().find(|other| has(other)) {
                Some(other) => Err(Fault::new(format!("conflicts with `{other}`")).under(name)),
                None => Ok(()),
            };
        }
        if self.required {
            return Err(Fault::new(format!("`{name}` is missing")));
        }
        if let Some(other) = self.required_if.iter().find(|other| has(other)) {
            return Err(Fault::new(format!("`{name}` is missing, `{other}` demands it")));
        }
        if !self.required_if_not.is_empty() && !self.required_if_not.iter().any(has) {
            return Err(Fault::new(format!(
                "`{name}` is missing, none of {:?} is there",
                self.required_if_not
            )));
        }
        Ok(())
    }
}
