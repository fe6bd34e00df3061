//! `$int`: an integer.

use std::sync::Arc;

use super::{Args, Built, Matcher};
use crate::datum::{Mismatch, Scope, View};

#[derive(Debug)]
struct Int;

impl Matcher for Int {
    fn matches(&self, view: View<'_>, _: &mut Scope<'_>) -> Result<(), Mismatch> {
        let datum = view.message("an integer")?;
        if datum.as_int().is_some() { Ok(()) } else { Err(Mismatch::of_type("an integer", datum)) }
    }
}

pub(super) fn build(args: Args<'_>) -> Built {
    args.none().map(|()| Arc::new(Int) as Arc<dyn Matcher>)
}
