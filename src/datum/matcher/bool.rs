//! `$bool`: true or false.

use std::sync::Arc;

use super::{Args, Built, Matcher};
use crate::datum::{Datum, Mismatch, Scope, View};

#[derive(Debug)]
struct Bool;

impl Matcher for Bool {
    fn matches(&self, view: View<'_>, _: &mut Scope<'_>) -> Result<(), Mismatch> {
        let datum = view.message("true or false")?;
        if matches!(datum, Datum::Bool(_)) { Ok(()) } else { Err(Mismatch::of_type("true or false", datum)) }
    }
}

pub(super) fn build(args: Args<'_>) -> Built {
    args.none().map(|()| Arc::new(Bool) as Arc<dyn Matcher>)
}
