//! `$check(NAME)`: a predicate of the protocol, written in Rust (`protocol/<name>/check/`).

use std::sync::Arc;

use super::{Args, Built, Matcher};
use crate::datum::pattern::Names;
use crate::datum::{Mismatch, MismatchKind, Scope, View};

#[derive(Debug)]
struct Check(String);

impl Matcher for Check {
    fn matches(&self, view: View<'_>, scope: &mut Scope<'_>) -> Result<(), Mismatch> {
        let datum = view.message(&self.0)?;
        (scope.checks)(&self.0, datum)
            .map_err(|why| Mismatch::new(MismatchKind::Value, format_args!("what {} demands", self.0), why))
    }

    fn names(&self, names: &mut Names) {
        names.checks.insert(self.0.clone());
    }
}

pub(super) fn build(args: Args<'_>) -> Built {
    match args.word_and_pattern()? {
        (name, None) => Ok(Arc::new(Check(name))),
        _ => Err("takes the name of a check".into()),
    }
}
