//! One of several objects, told by a field.

use std::borrow::Cow;

use super::field::Fields;
use super::number::to_integer;
use super::{Accepted, Fault, Object, Read, Scope, Type};
use crate::datum::{Datum, Head, Int};

/// The type of values that are one of several objects.
#[derive(Clone, Debug)]
pub struct OneOf {
    /// The types by the value of the field.
    pub types: Vec<(Datum, Type)>,
    /// The field.
    pub field: String,
    /// Whether the members have the field themselves.
    pub inlined: bool,
    /// Whether the field is an integer.
    pub by_int: bool,
}

impl OneOf {
    pub(super) fn read(fields: &Fields<'_>, by_int: bool) -> Read<Self> {
        // The engine does without them (sdk-go v0.15.0, schema/schema_schema.go, lines 599 and 660): then no value fits.
        let mut types = Vec::new();
        for (key, member) in fields.entries("types")? {
            let under = |fault: Fault| fault.under(&key.to_string()).under("types");
            if by_int != key.as_int().is_some() {
                return Err(Fault::new(format!("the key {key} is of the wrong type")).under("types"));
            }
            let kind = Type::read(member).map_err(under)?;
            if !matches!(kind, Type::Ref(_) | Type::Scope(_) | Type::Object(_)) {
                return Err(under(Fault::new("a member is ref, scope or object")));
            }
            types.push((key.clone(), kind));
        }
        let field = fields.text("discriminator_field_name")?;
        let field = field.ok_or_else(|| Fault::new("`discriminator_field_name` is missing"))?;
        Ok(Self { types, field, inlined: fields.flag("discriminator_inlined", false)?, by_int })
    }

    /// Checks the members: an inlined discriminator is a property of each, of the right type; any other of none
    /// (sdk-go schema/oneof.go, lines 409-429).
    pub(super) fn resolve(&self, scope: &Scope) -> Read<()> {
        for (key, kind) in &self.types {
            kind.resolve(scope)?;
            let own = member(kind, scope).and_then(|object| object.properties.get(&self.field));
            let wrong = match own {
                Some(_) if !self.inlined => "has the discriminator although it is not inlined",
                None if self.inlined => "lacks the inlined discriminator",
                Some(own) if !self.fits(&own.kind) => "has a discriminator of another type",
                _ => continue,
            };
            return Err(Fault::new(format!("the member {key} {wrong}")));
        }
        Ok(())
    }

    fn fits(&self, kind: &Type) -> bool {
        match kind {
            Type::Integer(_) | Type::EnumInteger(_) => self.by_int,
            Type::String(_) | Type::EnumString(_) => !self.by_int,
            _ => false,
        }
    }

    pub(super) fn accept<'a>(&self, datum: &'a Datum, scope: &Scope) -> Accepted<'a> {
        let Some(entries) = datum.as_map() else {
            return Err(Fault::new(format!("is {}, not a map", datum.kind())));
        };
        let field = self.field.as_str();
        let told = datum.get(field).ok_or_else(|| Fault::new(format!("`{field}` is missing")))?;
        let converted = self.discriminator(told).map_err(|fault| fault.under(field))?;
        let same = |key: &Datum| key.as_inserted() == converted.as_inserted();
        let Some((key, kind)) = self.types.iter().find(|(key, _)| same(key)) else {
            return Err(Fault::new(format!("{told} is none of its kinds")).under(field));
        };
        if self.inlined {
            return kind.accept(datum, scope);
        }
        let is_field = |key: &Datum| key.as_text().as_deref() == Some(field);
        let rest = entries.iter().filter(|(key, _)| !is_field(key)).cloned().collect();
        let rest = Datum::Map(rest, Head::Preferred);
        let accepted = kind.accept(&rest, scope)?;
        let mut entries = accepted.as_map().unwrap_or_default().to_vec();
        entries.push((Datum::text(field), key.clone()));
        Ok(Cow::Owned(Datum::Map(entries, Head::Preferred)))
    }

    fn discriminator(&self, told: &Datum) -> Read<Datum> {
        if !self.by_int {
            return super::text::to_text(told).map(Datum::text);
        }
        let value = to_integer(told, None)?;
        Int::new(value).map(Datum::Int).ok_or_else(|| Fault::new("is out of range"))
    }
}

/// The object behind a member.
pub(super) fn member<'a>(kind: &'a Type, scope: &'a Scope) -> Option<&'a Object> {
    match kind {
        Type::Ref(id) => scope.object(id),
        Type::Scope(inner) => Some(inner.root()),
        Type::Object(object) => Some(object),
        _ => None,
    }
}
