//! `$json(P)`: a text that holds JSON which fits P; numbers inside compare by value.

use std::sync::Arc;

use super::{Args, Built, Matcher};
use crate::datum::pattern::Names;
use crate::datum::{Compare, Mismatch, Pattern, Scope, View};

#[derive(Debug)]
struct Json(Pattern);

impl Matcher for Json {
    fn matches(&self, view: View<'_>, scope: &mut Scope<'_>) -> Result<(), Mismatch> {
        let datum = view.message("a text that holds JSON")?;
        let Some(text) = datum.as_text() else {
            return Err(Mismatch::of_type("a text that holds JSON", datum));
        };
        match crate::codec::json::parse(text.as_bytes()) {
            Ok(inner) => matches_inside(&self.0, &inner, scope),
            Err(_) => Err(Mismatch::value("a text that holds JSON", datum)),
        }
    }

    fn names(&self, names: &mut Names) {
        self.0.names(names);
    }
}

/// Matches a value that was read out of a text: numbers by value.
pub(super) fn matches_inside(
    pattern: &Pattern,
    inner: &crate::datum::Datum,
    scope: &mut Scope<'_>,
) -> Result<(), Mismatch> {
    let outer = std::mem::replace(&mut scope.compare, Compare::ByValue);
    let result = pattern.matches(View::of(inner), scope);
    scope.compare = outer;
    result
}

pub(super) fn build(args: Args<'_>) -> Built {
    args.one().map(|pattern| Arc::new(Json(pattern)) as Arc<dyn Matcher>)
}
