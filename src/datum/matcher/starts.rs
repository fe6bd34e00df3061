//! `$starts(T)`: a text that begins with another.

use std::fmt::from_fn;
use std::sync::Arc;

use super::{Args, Built, Matcher};
use crate::datum::pattern::Names;
use crate::datum::{Mismatch, Pattern, Scope, View, brief};

#[derive(Debug)]
struct Starts(Pattern);

impl Matcher for Starts {
    fn matches(&self, view: View<'_>, scope: &mut Scope<'_>) -> Result<(), Mismatch> {
        let part = self.0.value_in(scope)?;
        let wanted = from_fn(|f| write!(f, "a text that begins with another: {}", brief(&part)));
        let datum = view.message(&wanted)?;
        match (datum.as_text(), part.as_text()) {
            (Some(text), Some(part)) if text.starts_with(&*part) => Ok(()),
            (Some(_), _) => Err(Mismatch::value(wanted, datum)),
            (None, _) => Err(Mismatch::of_type(wanted, datum)),
        }
    }

    fn names(&self, names: &mut Names) {
        self.0.names(names);
    }
}

pub(super) fn build(args: Args<'_>) -> Built {
    args.one().map(|part| Arc::new(Starts(part)) as Arc<dyn Matcher>)
}
