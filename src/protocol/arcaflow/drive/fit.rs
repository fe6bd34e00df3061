//! Values that fit a type: the plainest one, and objects with chosen properties.

use crate::datum::{Datum, Head, Int};
use crate::protocol::arcaflow::schema::{Object, Scope, Type};

use super::pattern;

/// How deep values of recursive types go.
const DEPTH: usize = 6;

/// The plainest input of a scope: what must be there, and what has a default, each as small as its limits allow.
pub(super) fn plain(scope: &Scope) -> Option<Datum> {
    let root = scope.root();
    let filled: Vec<&str> = root
        .properties
        .iter()
        .filter(|(_, own)| own.default.is_some())
        .map(|(name, _)| name.as_str())
        .collect();
    let input = object(root, scope, &filled, DEPTH).or_else(|| object(root, scope, &[], DEPTH));
    input.filter(|input| scope.accept(input).is_ok())
}

/// An object with these properties and what they demand; `None` where they cannot stand together.
pub(super) fn with(scope: &Scope, names: &[&str]) -> Option<Datum> {
    object(scope.root(), scope, names, DEPTH)
}

pub(super) fn object(object: &Object, scope: &Scope, wanted: &[&str], depth: usize) -> Option<Datum> {
    let names = names(object, wanted)?;
    let value = |name: &String| {
        Some((name.clone(), value(&object.properties[name].kind, scope, depth.checked_sub(1)?)?))
    };
    names.iter().map(value).collect::<Option<Vec<_>>>().map(Datum::map)
}

/// The properties that must be there when the wanted ones are.
fn names(object: &Object, wanted: &[&str]) -> Option<Vec<String>> {
    let mut names: Vec<String> = wanted.iter().map(|name| (*name).to_owned()).collect();
    loop {
        let here = |name: &String| names.contains(name);
        let filled = |name: &String| {
            here(name) || object.properties.get(name).is_some_and(|own| own.default.is_some())
        };
        let missing = object.properties.iter().find(|(name, property)| {
            let demanded = property.required && property.default.is_none()
                || property.required_if.iter().any(filled)
                || !property.required_if_not.is_empty() && !property.required_if_not.iter().any(filled);
            demanded && !filled(name)
        });
        match missing.map(|(name, _)| name.clone()) {
            Some(name) => names.push(name),
            None => break,
        }
    }
    let clash = |name: &String| {
        let property = object.properties.get(name)?;
        property.conflicts.iter().find(|other| names.contains(other))
    };
    let known = names.iter().all(|name| object.properties.contains_key(name));
    (known && !names.iter().any(|name| clash(name).is_some())).then_some(names)
}

/// The plainest value of a type.
pub(super) fn value(kind: &Type, scope: &Scope, depth: usize) -> Option<Datum> {
    Some(match kind {
        Type::String(text) => Datum::text(pattern::text(text, text.length.min)?),
        Type::Pattern => Datum::text("^a+$"),
        Type::Integer(integer) => {
            let least = integer.bounds.min.unwrap_or(0).max(0);
            whole(integer.bounds.max.map_or(least, |max| least.min(max)))?
        }
        Type::Float(float) => {
            let least = float.min.unwrap_or(0.0).max(0.0);
            Datum::from(float.max.map_or(least, |max| least.min(max)))
        }
        Type::Bool => Datum::from(true),
        Type::EnumString(values) => Datum::text(values.first()?),
        Type::EnumInteger(values) => whole(*values.values.first()?)?,
        Type::List(list) => {
            let count = count(list.length.min)?;
            let items = (0..count).map(|_| value(&list.items, scope, depth.checked_sub(1)?));
            Datum::array(items.collect::<Option<Vec<_>>>()?)
        }
        Type::Map(map) => {
            let item = value(&map.values, scope, depth.checked_sub(1)?);
            let count = count(map.length.min)?;
            let entries = keys(&map.keys, count)?.into_iter().map(|key| Some((key, item.clone()?)));
            Datum::Map(entries.collect::<Option<Vec<_>>>()?, Head::Preferred)
        }
        Type::Object(inner) => object(inner, scope, &[], depth)?,
        Type::Scope(inner) => object(inner.root(), inner, &[], depth)?,
        Type::Ref(id) => object(scope.object(id)?, scope, &[], depth)?,
        Type::OneOf(one_of) => {
            let (key, member) = one_of.types.first()?;
            let inner = value(member, scope, depth.checked_sub(1)?)?;
            tagged(inner, &one_of.field, key)
        }
        Type::Any => Datum::text("any"),
    })
}

/// A member of a one-of with its field.
pub(super) fn tagged(member: Datum, field: &str, key: &Datum) -> Datum {
    let is_field = |name: &Datum| name.as_text().as_deref() == Some(field);
    let rest = member.as_map().unwrap_or_default().iter().filter(|(name, _)| !is_field(name)).cloned();
    Datum::Map(rest.chain([(Datum::text(field), key.clone())]).collect(), Head::Preferred)
}

/// So many different keys.
pub(super) fn keys(kind: &Type, count: usize) -> Option<Vec<Datum>> {
    let first = match kind {
        Type::Integer(integer) => integer.bounds.min.unwrap_or(0),
        _ => 0,
    };
    let key = |nth: usize| match kind {
        Type::Integer(_) => whole(first + nth as i128),
        Type::String(text) if text.pattern.is_some() => {
            pattern::text(text, None).filter(|_| nth == 0).map(Datum::text)
        }
        Type::String(text) => {
            let width = count_of(text.length.min).max(count.to_string().len());
            Some(Datum::text(format!("{nth:0>width$}")))
        }
        _ => None,
    };
    (0..count).map(key).collect()
}

pub(super) fn whole(value: i128) -> Option<Datum> {
    i64::try_from(value).ok().and_then(|value| Int::new(value.into())).map(Datum::Int)
}

fn count_of(bound: Option<i128>) -> usize {
    bound.and_then(|bound| usize::try_from(bound).ok()).unwrap_or(0)
}

/// A number of elements, if that many can be made.
fn count(bound: Option<i128>) -> Option<usize> {
    Some(count_of(bound)).filter(|count| *count <= super::near::MOST)
}
