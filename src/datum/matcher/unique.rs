//! `$unique(SET, P)`: fits P and is new in this case under that name, across lanes.

use std::sync::Arc;

use super::{Args, Built, Matcher};
use crate::datum::pattern::Names;
use crate::datum::{Mismatch, Pattern, Scope, View};

#[derive(Debug)]
struct Unique {
    set: String,
    pattern: Option<Pattern>,
}

impl Matcher for Unique {
    fn matches(&self, view: View<'_>, scope: &mut Scope<'_>) -> Result<(), Mismatch> {
        if let Some(pattern) = &self.pattern {
            pattern.matches(view, scope)?;
        }
        let datum = view.message("a new value")?;
        let twice = scope.unique.iter().any(|(set, value)| *set == self.set && value == datum);
        if twice || scope.bindings.seen(&self.set, datum) {
            return Err(Mismatch::value(format_args!("a value that is new under `{}`", self.set), datum));
        }
        scope.unique.push((self.set.clone(), datum.clone()));
        Ok(())
    }

    fn names(&self, names: &mut Names) {
        if let Some(pattern) = &self.pattern {
            pattern.names(names);
        }
    }
}

pub(super) fn build(args: Args<'_>) -> Built {
    let (set, pattern) = args.word_and_pattern()?;
    Ok(Arc::new(Unique { set, pattern }))
}
