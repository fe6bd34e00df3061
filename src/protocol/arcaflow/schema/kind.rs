//! All types: which there are, by the word that names them.

use super::field::Fields;
use super::{
    Accepted, EnumInteger, Fault, Float, Integer, List, Map, Object, OneOf, Read, Scope, Text, as_it_stands,
};
use super::{boolean, text};
use crate::datum::Datum;
use std::borrow::Cow;

/// A type of values.
#[derive(Clone, Debug)]
pub enum Type {
    /// A text; length in bytes.
    String(Text),
    /// A text that is a regular expression.
    Pattern,
    /// An integer.
    Integer(Integer),
    /// A float within bounds.
    Float(Float),
    /// A boolean.
    Bool,
    /// One of these texts.
    EnumString(Vec<String>),
    /// One of these integers.
    EnumInteger(EnumInteger),
    /// A list.
    List(List),
    /// A map.
    Map(Map),
    /// An object.
    Object(Object),
    /// A scope of its own.
    Scope(Scope),
    /// An object of the enclosing scope.
    Ref(String),
    /// One of several objects, told by a field.
    OneOf(OneOf),
    /// Anything but null.
    Any,
}

impl Type {
    pub(super) fn read(datum: &Datum) -> Read<Self> {
        let all = Fields::any(datum)?;
        let name = all.text("type_id")?.ok_or_else(|| Fault::new("`type_id` is missing"))?;
        let with = |keys: &[&'static str]| Fields::of(datum, &[&["type_id"], keys].concat());
        match name.as_str() {
            "string" => Text::read(&with(&["min", "max", "pattern"])?).map(Self::String),
            "pattern" => with(&[]).map(|_| Self::Pattern),
            "integer" => Integer::read(&with(&["min", "max", "units"])?).map(Self::Integer),
            "float" => Float::read(&with(&["min", "max", "units"])?).map(Self::Float),
            "bool" => with(&[]).map(|_| Self::Bool),
            "enum_string" => {
                let values = with(&["values"])?.shown("values")?;
                let text = |key| text::to_text(key).map(Cow::into_owned);
                let text = |key| text(key).map_err(|_| Fault::new("a value is no text"));
                values.into_iter().map(text).collect::<Read<_>>().map(Self::EnumString)
            }
            "enum_integer" => EnumInteger::read(&with(&["values", "units"])?).map(Self::EnumInteger),
            "list" => List::read(&with(&["items", "min", "max"])?).map(Self::List),
            "map" => Map::read(&with(&["keys", "values", "min", "max"])?).map(Self::Map),
            "object" => {
                let fields = with(&["id", "properties", "id_unenforced"])?;
                Object::read_fields(&fields).map(|(_, object)| Self::Object(object))
            }
            "scope" => Scope::read_fields(&with(&["objects", "root"])?).map(Self::Scope),
            "ref" => read_ref(&with(&["id", "namespace", "display"])?),
            "one_of_string" | "one_of_int" => {
                let fields = with(&["types", "discriminator_field_name", "discriminator_inlined"])?;
                OneOf::read(&fields, name == "one_of_int").map(Self::OneOf)
            }
            "any" => with(&[]).map(|_| Self::Any),
            other => Err(Fault::new(format!("`{other}` is no type")).under("type_id")),
        }
    }

    /// Checks references and discriminators against the enclosing scope.
    pub(super) fn resolve(&self, scope: &Scope) -> Read<()> {
        match self {
            Self::Ref(id) if scope.object(id).is_none() => {
                Err(Fault::new(format!("refers to `{id}`, which does not exist")))
            }
            Self::List(list) => list.items.resolve(scope),
            Self::Map(map) => map.values.resolve(scope),
            Self::Object(object) => {
                object.properties.values().try_for_each(|property| property.kind.resolve(scope))
            }
            Self::OneOf(one_of) => one_of.resolve(scope),
            _ => Ok(()),
        }
    }

    pub(super) fn accept<'a>(&self, datum: &'a Datum, scope: &Scope) -> Accepted<'a> {
        match self {
            Self::String(text) => text.accept(datum),
            Self::Pattern => text::accept_pattern(datum),
            Self::Integer(integer) => integer.accept(datum),
            Self::Float(float) => float.accept(datum),
            Self::Bool => boolean::to_bool(datum).map(|value| as_it_stands(datum, value.into())),
            Self::EnumString(values) => text::accept_enum(values, datum),
            Self::EnumInteger(values) => values.accept(datum),
            Self::List(list) => list.accept(datum, scope),
            Self::Map(map) => map.accept(datum, scope),
            Self::Object(object) => object.accept(datum, scope),
            Self::Scope(inner) => inner.root().accept(datum, inner),
            Self::Ref(id) => match scope.object(id) {
                Some(object) => object.accept(datum, scope),
                None => Err(Fault::new(format!("refers to `{id}`, which does not exist"))),
            },
            Self::OneOf(one_of) => one_of.accept(datum, scope),
            Self::Any => accept_any(datum).map(|()| Cow::Borrowed(datum)),
        }
    }
}

fn read_ref(fields: &Fields<'_>) -> Read<Type> {
    fields.display()?;
    if fields.text("namespace")?.is_some_and(|namespace| !namespace.is_empty()) {
        return Err(Fault::new("refers into a namespace, which a plugin cannot have"));
    }
    fields.identifier("id").map(Type::Ref)
}

fn accept_any(datum: &Datum) -> Read<()> {
    match datum {
        Datum::Null | Datum::Undefined | Datum::Simple(_) | Datum::Tag(..) => {
            Err(Fault::new(format!("{} is not taken by `any`", datum.kind())))
        }
        Datum::Array(items, _) => items.iter().try_for_each(accept_any),
        Datum::Map(entries, _) => entries.iter().try_for_each(|(_, value)| accept_any(value)),
        _ => Ok(()),
    }
}
