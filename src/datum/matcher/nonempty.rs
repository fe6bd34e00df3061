//! `$nonempty`: a text, byte string, list or map that holds something.

use std::sync::Arc;

use super::{Args, Built, Matcher};
use crate::datum::{Datum, Mismatch, Scope, View};

#[derive(Debug)]
struct Nonempty;

impl Matcher for Nonempty {
    fn matches(&self, view: View<'_>, _: &mut Scope<'_>) -> Result<(), Mismatch> {
        let datum = view.message("something that is not empty")?;
        match super::len::length(datum) {
            Some(0) => Err(Mismatch::value(format_args!("a {} that is not empty", datum.kind()), datum)),
            None if !matches!(datum, Datum::Null) => Err(Mismatch::of_type("a text, list or map", datum)),
            None => Err(Mismatch::of_type("a text that is not empty", datum)),
            Some(_) => Ok(()),
        }
    }
}

pub(super) fn build(args: Args<'_>) -> Built {
    args.none().map(|()| Arc::new(Nonempty) as Arc<dyn Matcher>)
}
