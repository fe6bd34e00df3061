//! Near misses of types and limits, each with its twin: the nearest value that must be taken.

use super::{Trial, Wanted, fit, pattern};
use crate::datum::{Datum, Head};
use crate::protocol::arcaflow::schema::{Bounds, Object, Scope, Type};

/// Most elements and bytes that a limit may ask for.
pub(super) const MOST: usize = 65_536;
/// How deep limits are looked for.
const DEPTH: usize = 5;

/// At and beyond each limit.
pub(super) fn limits(scope: &Scope) -> Vec<Trial> {
    in_scope(scope, &limits_of)
}

/// Values of another type, and what must be there left out, at each level.
pub(super) fn types(scope: &Scope) -> Vec<Trial> {
    let mut trials = in_scope(scope, &types_of);
    for (name, property) in &scope.root().properties {
        if !property.required || property.default.is_some() {
            continue;
        }
        let Some(whole) = fit::with(scope, &[name]) else { continue };
        trials.push(Trial::new(format!("{name} left out"), without(&whole, name), Wanted::Refusal));
        trials.push(Trial::new(format!("{name} null"), replaced(&whole, name, Datum::Null), Wanted::Refusal));
    }
    trials
}

/// Texts that stand for numbers and booleans.
pub(super) fn literals(scope: &Scope) -> Vec<Trial> {
    in_scope(scope, &literals_of)
}

/// A value in the place of one of this type: where and what it is, and what it must lead to.
type Variant = (String, Datum, Wanted);
/// What to try for a type.
type Vary<'a> = &'a dyn Fn(&Type, &Scope) -> Vec<Variant>;

fn in_scope(scope: &Scope, vary: Vary<'_>) -> Vec<Trial> {
    let whole = |name: &str| fit::with(scope, &[name]);
    let variants = in_object(scope.root(), scope, vary, DEPTH, &whole);
    variants.into_iter().map(|(about, input, wanted)| Trial::new(about, input, wanted)).collect()
}

/// The variants of each property, in an object that has it.
fn in_object(
    object: &Object,
    scope: &Scope,
    vary: Vary<'_>,
    depth: usize,
    whole: &dyn Fn(&str) -> Option<Datum>,
) -> Vec<Variant> {
    let mut variants = Vec::new();
    for (name, property) in &object.properties {
        let Some(whole) = whole(name) else { continue };
        for (about, value, wanted) in inside(&property.kind, scope, vary, depth) {
            variants.push((format!("{name}{about}"), replaced(&whole, name, value), wanted));
        }
    }
    variants
}

/// The variants of a type, and of what it holds.
fn inside(kind: &Type, scope: &Scope, vary: Vary<'_>, depth: usize) -> Vec<Variant> {
    let mut variants = vary(kind, scope);
    let Some(depth) = depth.checked_sub(1) else { return variants };
    let under = |object: &Object, scope: &Scope| {
        let whole = |name: &str| fit::object(object, scope, &[name], depth);
        let nested = in_object(object, scope, vary, depth, &whole);
        nested
            .into_iter()
            .map(|(about, value, wanted)| (format!("/{about}"), value, wanted))
            .collect::<Vec<_>>()
    };
    match kind {
        Type::Object(object) => variants.extend(under(object, scope)),
        Type::Scope(inner) => variants.extend(under(inner.root(), inner)),
        Type::Ref(id) => {
            variants.extend(scope.object(id).map(|object| under(object, scope)).unwrap_or_default())
        }
        Type::List(list) => {
            let count = list.length.min.and_then(|min| usize::try_from(min).ok()).unwrap_or(0).max(1);
            let Some(plain) = fit::value(&list.items, scope, depth).filter(|_| count <= MOST) else {
                return variants;
            };
            for (about, value, wanted) in inside(&list.items, scope, vary, depth) {
                let items = std::iter::once(value).chain(std::iter::repeat_n(plain.clone(), count - 1));
                variants.push((format!("/0{about}"), Datum::array(items), wanted));
            }
        }
        Type::Map(map) => {
            let count = map.length.min.and_then(|min| usize::try_from(min).ok()).unwrap_or(0).max(1);
            let keys = fit::keys(&map.keys, count.min(MOST));
            let (Some(keys), Some(plain)) = (keys, fit::value(&map.values, scope, depth)) else {
                return variants;
            };
            for (about, value, wanted) in inside(&map.values, scope, vary, depth) {
                let values = std::iter::once(value).chain(std::iter::repeat_n(plain.clone(), count - 1));
                let entries = keys.iter().cloned().zip(values).collect();
                variants.push((format!("/value{about}"), Datum::Map(entries, Head::Preferred), wanted));
            }
        }
        Type::OneOf(one_of) => {
            for (key, member) in &one_of.types {
                for (about, value, wanted) in inside(member, scope, vary, depth) {
                    let value =
                        if value.as_map().is_some() { fit::tagged(value, &one_of.field, key) } else { value };
                    variants.push((format!("/{key}{about}"), value, wanted));
                }
            }
        }
        _ => {}
    }
    variants
}

fn limits_of(kind: &Type, scope: &Scope) -> Vec<Variant> {
    match kind {
        Type::String(text) => {
            let mut variants =
                around(text.length, "length", &|length| pattern::of_length(text, length).map(Datum::text));
            if let (Some(wrong), Some(right)) =
                (pattern::mismatch(text), pattern::text(text, text.length.min))
            {
                variants.push((" matches".into(), Datum::text(right), Wanted::Output));
                variants.push((" does not match".into(), Datum::text(wrong), Wanted::Refusal));
            }
            variants
        }
        Type::Integer(integer) => around(integer.bounds, "value", &fit::whole),
        Type::Float(float) => {
            let step = |limit: f64| (limit.abs() * 1e-6).max(1e-6);
            let least = float.min.map(|min| {
                [("at least", min, Wanted::Output), ("below least", min - step(min), Wanted::Refusal)]
            });
            let most = float.max.map(|max| {
                [("at most", max, Wanted::Output), ("above most", max + step(max), Wanted::Refusal)]
            });
            let both = least.into_iter().chain(most).flatten();
            both.map(|(about, value, wanted)| (format!(" value {about}"), Datum::from(value), wanted))
                .collect()
        }
        Type::List(list) => around(list.length, "elements", &|count| {
            let count = usize::try_from(count).ok().filter(|count| *count <= MOST)?;
            let item = fit::value(&list.items, scope, DEPTH)?;
            Some(Datum::array(std::iter::repeat_n(item, count)))
        }),
        Type::Map(map) => around(map.length, "entries", &|count| {
            let count = usize::try_from(count).ok().filter(|count| *count <= MOST)?;
            let item = fit::value(&map.values, scope, DEPTH)?;
            let keys = fit::keys(&map.keys, count)?.into_iter();
            Some(Datum::Map(keys.map(|key| (key, item.clone())).collect(), Head::Preferred))
        }),
        _ => Vec::new(),
    }
}

/// At and beyond the least and the most.
fn around(bounds: Bounds, what: &str, make: &dyn Fn(i128) -> Option<Datum>) -> Vec<Variant> {
    let fair = |value: &i128| what == "value" || *value <= MOST as i128;
    let wanted = [
        (bounds.min, 0, "at least", Wanted::Output),
        (bounds.min, -1, "below least", Wanted::Refusal),
        (bounds.max, 0, "at most", Wanted::Output),
        (bounds.max, 1, "above most", Wanted::Refusal),
    ];
    let one = |(bound, by, about, wanted): (Option<i128>, i128, &str, Wanted)| {
        let value = bound.filter(fair)? + by;
        (value >= 0 || what == "value").then_some(())?;
        Some((format!(" {what} {about}"), make(value)?, wanted))
    };
    wanted.into_iter().filter_map(one).collect()
}

fn types_of(kind: &Type, scope: &Scope) -> Vec<Variant> {
    let mut variants = of_another_type(kind, scope);
    let (object, scope) = match kind {
        Type::Object(object) => (object, scope),
        Type::Scope(inner) => (inner.root(), inner),
        Type::Ref(id) => match scope.object(id) {
            Some(object) => (object, scope),
            None => return variants,
        },
        _ => return variants,
    };
    let demanded = object.properties.iter().filter(|(_, own)| own.required && own.default.is_none());
    variants.extend(demanded.filter_map(|(name, _)| {
        let whole = fit::object(object, scope, &[name], DEPTH)?;
        Some((format!("/{name} left out"), without(&whole, name), Wanted::Refusal))
    }));
    variants
}

fn of_another_type(kind: &Type, scope: &Scope) -> Vec<Variant> {
    let wrong = match kind {
        Type::String(_) | Type::Pattern | Type::EnumString(_) => Datum::map::<String>([]),
        Type::Integer(_) | Type::Float(_) | Type::Bool | Type::EnumInteger(_) => Datum::text("neither"),
        Type::Object(object) if object.properties.len() == 1 => return Vec::new(),
        Type::Scope(inner) if inner.root().properties.len() == 1 => return Vec::new(),
        Type::Ref(id) if scope.object(id).is_none_or(|object| object.properties.len() == 1) => {
            return Vec::new();
        }
        Type::Any => return Vec::new(),
        _ => Datum::text("neither"),
    };
    let mut variants = vec![(" of another type".to_owned(), wrong, Wanted::Refusal)];
    let mut refused = |about: &str, value: Datum| variants.push((about.to_owned(), value, Wanted::Refusal));
    match kind {
        Type::Pattern => refused(" no expression", Datum::text("(")),
        Type::EnumString(values) => refused(" not listed", Datum::text(format!("not-{}", values.join("-")))),
        Type::EnumInteger(values) => {
            let beyond = values.values.iter().max().and_then(|most| fit::whole(most + 1));
            beyond.into_iter().for_each(|value| refused(" not listed", value));
        }
        Type::OneOf(one_of) => {
            let unknown = if one_of.by_int { Datum::from(i64::MAX) } else { Datum::text("no such kind") };
            if let Some(value) = fit::value(kind, scope, DEPTH) {
                refused(" of an unknown kind", replaced(&value, &one_of.field, unknown));
                refused(" of no kind", without(&value, &one_of.field));
            }
        }
        _ => {}
    }
    variants
}

fn literals_of(kind: &Type, scope: &Scope) -> Vec<Variant> {
    let number = matches!(kind, Type::Integer(_) | Type::Float(_) | Type::Bool);
    let value = fit::value(kind, scope, DEPTH).filter(|_| number);
    let text = value.and_then(|value| value.as_inserted());
    let plain = text.map(|text| (" as text".to_owned(), Datum::text(text), Wanted::Output));
    // Other words for the same value, in any case (sdk-go schema/bool.go, lines 24-67).
    let words: &[&str] = if matches!(kind, Type::Bool) { &["yes", "TRUE"] } else { &[] };
    let words = words.iter().map(|word| (format!(" as the text {word}"), Datum::text(*word), Wanted::Output));
    plain.into_iter().chain(words).collect()
}

pub(super) fn replaced(whole: &Datum, key: &str, value: Datum) -> Datum {
    let entries = whole.as_map().unwrap_or_default().iter().map(|(name, old)| {
        let is_key = name.as_text().as_deref() == Some(key);
        (name.clone(), if is_key { value.clone() } else { old.clone() })
    });
    Datum::Map(entries.collect(), Head::Preferred)
}

pub(super) fn without(whole: &Datum, key: &str) -> Datum {
    let rest = whole.as_map().unwrap_or_default().iter();
    let rest = rest.filter(|(name, _)| name.as_text().as_deref() != Some(key)).cloned();
    Datum::Map(rest.collect(), Head::Preferred)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datum::notation::parse_datum;
    use crate::protocol::arcaflow::schema::Schema;

    fn scope(properties: &str) -> Scope {
        let text = format!(
            r#"{{"root": "in", "objects": {{"in": {{"id": "in", "properties": {{{properties}}}}},
                "deep": {{"id": "deep", "properties": {{"x": {{"type": {{"type_id": "integer"}}}}, "y": {{"type": {{"type_id": "bool"}}}}}}}}}}}}"#
        );
        let step = format!(
            r#"{{"steps": {{"s": {{"id": "s", "input": {text}, "outputs": {{"success": {{"schema": {text}}}}}}}}}}}"#
        );
        let schema = Schema::read(&parse_datum(&step).expect("notation")).expect("schema");
        schema.steps["s"].input.clone()
    }

    #[test]
    fn what_an_inner_object_demands_is_left_out_too() {
        let scope = scope(r#""o": {"type": {"type_id": "list", "items": {"type_id": "ref", "id": "deep"}}}"#);
        let left_out: Vec<_> = types(&scope)
            .into_iter()
            .filter(|trial| trial.about.ends_with("left out"))
            .map(|trial| (trial.about, trial.input.to_string()))
            .collect();
        let wanted = [
            ("o/0/x left out", r#"{"o": [{"y": true}]}"#),
            ("o/0/y left out", r#"{"o": [{"x": 0}]}"#),
            ("o left out", "{}"),
        ];
        assert_eq!(left_out, wanted.map(|(about, input)| (about.to_owned(), input.to_owned())));
    }

    #[test]
    fn other_words_for_true_are_tried() {
        let scope = scope(r#""b": {"type": {"type_id": "bool"}}, "i": {"type": {"type_id": "integer"}}"#);
        let tried: Vec<_> = literals(&scope).into_iter().map(|trial| trial.about).collect();
        assert_eq!(tried, ["b as text", "b as the text yes", "b as the text TRUE", "i as text"]);
    }
}
