//! Values beside each other: whether they mean the same, and where they differ first.

use std::borrow::Cow;
use std::collections::HashSet;

use super::{Datum, Generated, Mismatch, MismatchKind, brief};

/// How values are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compare {
    /// By type, as CBOR does: `1` is not `1.0`, and `-0.0` is not `0.0`.
    Typed,
    /// Numbers by value, as JSON does.
    #[default]
    ByValue,
}

/// The first key that occurs twice.
pub(super) fn duplicate<'a>(entries: &'a [(Datum, Datum)]) -> Option<&'a Datum> {
    if entries.len() <= 8 {
        let twice = |at: usize| entries[..at].iter().any(|(key, _)| *key == entries[at].0);
        return (1..entries.len()).find(|at| twice(*at)).map(|at| &entries[at].0);
    }
    let mut seen = HashSet::with_capacity(entries.len());
    let name = |key: &'a Datum| match key {
        Datum::Text(text, _) => (true, Cow::Borrowed(&**text)),
        other => (false, Cow::Owned(other.to_string())),
    };
    entries.iter().map(|(key, _)| key).find(|key| !seen.insert(name(key)))
}

/// Compares two values by meaning: widths of heads and chunks do not matter, the order of keys does not matter.
///
/// # Errors
/// The first difference.
pub fn equal(wanted: &Datum, got: &Datum, compare: Compare) -> Result<(), Mismatch> {
    if same(wanted, got, compare) { Ok(()) } else { Err(difference(wanted, got, compare)) }
}

/// Whether two values mean the same.
pub(super) fn same(wanted: &Datum, got: &Datum, compare: Compare) -> bool {
    let all = |a: &[Datum], b: &[Datum]| a.iter().zip(b).all(|(a, b)| same(a, b, compare));
    match (wanted, got) {
        (Datum::Gen(generated), other) => equals_generated(generated, other),
        (Datum::Array(a, _), Datum::Array(b, _)) => a.len() == b.len() && all(a, b),
        (Datum::Map(a, _), Datum::Map(b, _)) => same_maps(a, b, compare),
        (Datum::Tag(a, _, x), Datum::Tag(b, _, y)) => a == b && same(x, y, compare),
        (Datum::Int(a), Datum::Int(b)) => a.value() == b.value(),
        (Datum::Float(a, _), Datum::Float(b, _)) => {
            let keeps_sign = compare == Compare::ByValue || a.is_sign_negative() == b.is_sign_negative();
            a == b && keeps_sign || a.is_nan() && b.is_nan()
        }
        (Datum::Int(int), Datum::Float(float, _)) | (Datum::Float(float, _), Datum::Int(int))
            if compare == Compare::ByValue =>
        {
            float.fract() == 0.0 && *float as i128 == int.value()
        }
        (Datum::Text(a, _), Datum::Text(b, _)) => a == b,
        (Datum::Bytes(a, _), Datum::Bytes(b, _)) => a == b,
        (Datum::Chunks(..), _) | (_, Datum::Chunks(..)) if wanted.kind() == got.kind() => {
            wanted.as_text() == got.as_text() && wanted.as_bytes() == got.as_bytes()
        }
        (a, b) => a == b,
    }
}

fn equals_generated(generated: &Generated, got: &Datum) -> bool {
    match got {
        Datum::Gen(other) => generated == other,
        _ if got.kind() != generated.kind() => false,
        _ => match (got.as_text(), got.as_bytes()) {
            (Some(text), _) => generated.equals(text.as_bytes()),
            (None, Some(bytes)) => generated.equals(&bytes),
            (None, None) => false,
        },
    }
}

fn same_maps(wanted: &[(Datum, Datum)], got: &[(Datum, Datum)], compare: Compare) -> bool {
    let has = |(key, value): &(Datum, Datum)| {
        value_of(got, key, compare).is_some_and(|other| same(value, other, compare))
    };
    duplicate(got).is_none()
        && wanted.iter().all(has)
        && got.iter().all(|(key, _)| value_of(wanted, key, compare).is_some())
}

pub(super) fn value_of<'a>(
    entries: &'a [(Datum, Datum)],
    key: &Datum,
    compare: Compare,
) -> Option<&'a Datum> {
    entries.iter().find(|(name, _)| same(key, name, compare)).map(|(_, value)| value)
}

/// The first difference between values that are not the same.
fn difference(wanted: &Datum, got: &Datum, compare: Compare) -> Mismatch {
    match (wanted, got) {
        (Datum::Array(a, _), Datum::Array(b, _)) => {
            match a.iter().zip(b).position(|(a, b)| !same(a, b, compare)) {
                Some(at) => difference(&a[at], &b[at], compare).under_index(at),
                None => {
                    let length = |items: &[Datum]| format!("{} elements", items.len());
                    Mismatch::new(MismatchKind::Length, length(a), length(b))
                }
            }
        }
        (Datum::Map(a, _), Datum::Map(b, _)) => difference_of_maps(a, b, compare),
        (Datum::Tag(a, _, x), Datum::Tag(b, _, y)) if a == b => difference(x, y, compare),
        (Datum::Int(_), Datum::Float(..)) | (Datum::Float(..), Datum::Int(_))
            if compare == Compare::ByValue =>
        {
            Mismatch::value(brief(wanted), got)
        }
        (a, b) if a.kind() != b.kind() => Mismatch::of_type(brief(wanted), got),
        _ => Mismatch::value(brief(wanted), got),
    }
}

fn difference_of_maps(wanted: &[(Datum, Datum)], got: &[(Datum, Datum)], compare: Compare) -> Mismatch {
    if let Some(key) = duplicate(got) {
        return Mismatch::new(MismatchKind::Duplicate, "each key once", brief(key)).under(key);
    }
    for (key, value) in wanted {
        match value_of(got, key, compare) {
            Some(other) if same(value, other, compare) => {}
            Some(other) => return difference(value, other, compare).under(key),
            None => return Mismatch::new(MismatchKind::Missing, brief(value), "nothing").under(key),
        }
    }
    let further = got.iter().find(|(key, _)| value_of(wanted, key, compare).is_none());
    let (key, value) = further.unwrap_or(&got[0]);
    Mismatch::new(MismatchKind::Extra, "no such key", brief(value)).under(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_knows_one_zero() {
        for (wanted, got) in [(0.0, -0.0), (-0.0, 0.0)] {
            let told = equal(&Datum::from(wanted), &Datum::from(got), Compare::Typed);
            assert_eq!(told.expect_err("another sign").got, format!("{got:?}"));
            assert_eq!(equal(&Datum::from(wanted), &Datum::from(got), Compare::ByValue), Ok(()));
        }
        assert_eq!(equal(&Datum::from(f64::NAN), &Datum::from(-f64::NAN), Compare::Typed), Ok(()));
    }
}
