//! `$uint`: an integer that is not negative.

use std::sync::Arc;

use super::{Args, Built, Matcher};
use crate::datum::{Mismatch, Scope, View};

#[derive(Debug)]
struct Uint;

impl Matcher for Uint {
    fn matches(&self, view: View<'_>, _: &mut Scope<'_>) -> Result<(), Mismatch> {
        let datum = view.message("an integer of 0 or more")?;
        if datum.as_int().is_some_and(|value| value >= 0) {
            Ok(())
        } else {
            Err(Mismatch::of_type("an integer of 0 or more", datum))
        }
    }
}

pub(super) fn build(args: Args<'_>) -> Built {
    args.none().map(|()| Arc::new(Uint) as Arc<dyn Matcher>)
}
