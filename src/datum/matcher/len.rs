//! `$len(a..b)`: a length within bounds: characters of a text, bytes, elements or keys.

use std::fmt::from_fn;
use std::sync::Arc;

use super::{Args, Built, Matcher, bounds_text, in_bounds};
use crate::datum::{Datum, Mismatch, MismatchKind, Scope, View};

#[derive(Debug)]
struct Len(Option<i128>, Option<i128>);

impl Matcher for Len {
    fn matches(&self, view: View<'_>, _: &mut Scope<'_>) -> Result<(), Mismatch> {
        let wanted = from_fn(|f| write!(f, "a length of {}", bounds_text(self.0, self.1)));
        let datum = view.message(&wanted)?;
        match length(datum) {
            None => Err(Mismatch::of_type(wanted, datum)),
            Some(length) if in_bounds(length as i128, self.0, self.1) => Ok(()),
            Some(length) => {
                Err(Mismatch::new(MismatchKind::Length, wanted, format_args!("a length of {length}")))
            }
        }
    }
}

/// The length of what has one.
pub(super) fn length(datum: &Datum) -> Option<usize> {
    match datum {
        Datum::Array(items, _) => Some(items.len()),
        Datum::Map(entries, _) => Some(entries.len()),
        other => other
            .as_text()
            .map(|text| text.chars().count())
            .or_else(|| other.as_bytes().map(|bytes| bytes.len())),
    }
}

pub(super) fn build(args: Args<'_>) -> Built {
    let (low, high) = args.bounds()?;
    Ok(Arc::new(Len(low, high)))
}
