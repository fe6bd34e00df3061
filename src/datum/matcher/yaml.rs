//! `$yaml(P)`: a text that holds YAML which fits P; numbers inside compare by value.

use std::sync::Arc;

use super::{Args, Built, Matcher};
use crate::datum::pattern::Names;
use crate::datum::{Mismatch, Pattern, Scope, View};

#[derive(Debug)]
struct Yaml(Pattern);

impl Matcher for Yaml {
    fn matches(&self, view: View<'_>, scope: &mut Scope<'_>) -> Result<(), Mismatch> {
        let datum = view.message("a text that holds YAML")?;
        let Some(text) = datum.as_text() else {
            return Err(Mismatch::of_type("a text that holds YAML", datum));
        };
        match crate::codec::yaml::parse(&text) {
            Ok(inner) => super::json::matches_inside(&self.0, &inner, scope),
            Err(_) => Err(Mismatch::value("a text that holds YAML", datum)),
        }
    }

    fn names(&self, names: &mut Names) {
        self.0.names(names);
    }
}

pub(super) fn build(args: Args<'_>) -> Built {
    args.one().map(|pattern| Arc::new(Yaml(pattern)) as Arc<dyn Matcher>)
}
