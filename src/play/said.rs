//! What came or was sent, kept for whoever may have to read of it.

use std::fmt::{self, Display, Formatter};
use std::sync::Arc;

use super::chart::says;
use crate::datum::{Datum, Kind, View};

/// Most bytes and parts of a value that is kept as it is: larger ones would cost memory for nothing in nearly every case.
const LIGHT: usize = 16 << 10;

/// A message or observation: a light value itself, since few are ever read of, and of others what is shown of them.
#[derive(Clone, Debug)]
pub(super) enum Said {
    Value(Kind, Arc<Datum>),
    Text(Arc<str>),
}

impl Said {
    pub(super) fn of(kind: Kind, datum: &Arc<Datum>) -> Self {
        if is_light(datum, &mut LIGHT.clone()) {
            return Said::Value(kind, datum.clone());
        }
        Said::Text(View { kind, datum: Some(datum) }.to_string().into())
    }

    /// Whether it is the same once more, but for the number that operations of a driver are counted with.
    pub(super) fn is_again(&self, other: &Self) -> bool {
        match (self, other) {
            (Said::Value(kind, datum), Said::Value(other, before)) => {
                kind == other && without_number(datum) == without_number(before)
            }
            (Said::Text(text), Said::Text(other)) => says(text) == says(other),
            _ => false,
        }
    }

    /// What patterns look at, if it was kept.
    pub(super) fn view(&self) -> Option<View<'_>> {
        match self {
            Said::Value(kind, datum) => Some(View { kind: *kind, datum: Some(datum) }),
            Said::Text(_) => None,
        }
    }
}

impl Display for Said {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Said::Value(kind, datum) => View { kind: *kind, datum: Some(datum) }.fmt(f),
            Said::Text(text) => f.write_str(text),
        }
    }
}

/// The entries of a map without the number that leads them; everything else as it is.
fn without_number(datum: &Datum) -> Result<&[(Datum, Datum)], &Datum> {
    match datum.as_map() {
        Some([(id, Datum::Int(_)), rest @ ..]) if id.as_text().as_deref() == Some("id") => Ok(rest),
        Some(entries) => Ok(entries),
        None => Err(datum),
    }
}

/// Whether a value has at most so many bytes and parts.
fn is_light(datum: &Datum, left: &mut usize) -> bool {
    let own = match datum {
        Datum::Text(text, _) => text.len(),
        Datum::Bytes(bytes, _) => bytes.len(),
        _ => 1,
    };
    let Some(rest) = left.checked_sub(own.max(1)) else { return false };
    *left = rest;
    match datum {
        Datum::Chunks(_, items) | Datum::Array(items, _) => items.iter().all(|item| is_light(item, left)),
        Datum::Map(entries, _) => {
            entries.iter().all(|(key, value)| is_light(key, left) && is_light(value, left))
        }
        Datum::Tag(_, _, inner) => is_light(inner, left),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datum::notation::parse_datum;

    #[test]
    fn an_answer_with_another_number_is_the_same_again() {
        let said = |text: &str| Said::of(Kind::Message, &Arc::new(parse_datum(text).expect("notation")));
        assert!(said(r#"{"id": 1, "ok": true}"#).is_again(&said(r#"{"id": 2, "ok": true}"#)));
        assert!(!said(r#"{"id": 1, "ok": true}"#).is_again(&said(r#"{"id": 1, "ok": false}"#)));
        assert!(!said(r#"{"n": 1}"#).is_again(&said(r#"{"n": 2}"#)));
        let sent = |text: &str| Said::Text(text.into());
        assert!(sent(r#"{"id": 1, "op": "poll"}"#).is_again(&sent(r#"{"id": 12, "op": "poll"}"#)));
    }

    #[test]
    fn a_large_value_is_not_kept_and_reads_the_same() {
        for (length, is_kept) in [(LIGHT - 1, true), (2 * LIGHT, false)] {
            let datum = Arc::new(Datum::array([Datum::text("a".repeat(length))]));
            let said = Said::of(Kind::Message, &datum);
            assert_eq!(said.view().is_some(), is_kept);
            assert_eq!(said.to_string(), View { kind: Kind::Message, datum: Some(&datum) }.to_string());
        }
    }
}
