//! `$let(x, P)`: binds what fits P; a name that is bound already must have an equal value.

use std::sync::Arc;

use super::{Args, Built, Matcher};
use crate::datum::pattern::Names;
use crate::datum::{Kind, Mismatch, Pattern, Scope, View, equal};

#[derive(Debug)]
struct Let {
    name: String,
    pattern: Option<Pattern>,
}

impl Matcher for Let {
    fn matches(&self, view: View<'_>, scope: &mut Scope<'_>) -> Result<(), Mismatch> {
        if let Some(pattern) = &self.pattern {
            pattern.matches(view, scope)?;
        }
        let Some(datum) = view.datum else { return view.message("any value").map(|_| ()) };
        match scope.get(&self.name) {
            Some(bound) => equal(bound, datum, scope.compare),
            None => {
                scope.bound.push((self.name.clone(), datum.clone()));
                Ok(())
            }
        }
    }

    fn names(&self, names: &mut Names) {
        names.binds.insert(self.name.clone());
        if let Some(pattern) = &self.pattern {
            pattern.names(names);
        }
    }

    fn speaks_of(&self, kind: Kind) -> bool {
        self.pattern.as_ref().map_or(kind == Kind::Message, |pattern| pattern.speaks_of(kind))
    }
}

pub(super) fn build(args: Args<'_>) -> Built {
    let (name, pattern) = args.word_and_pattern()?;
    Ok(Arc::new(Let { name, pattern }))
}
