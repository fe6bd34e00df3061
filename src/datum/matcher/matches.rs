//! `$matches(RE)`: a text in which a regular expression matches; a named group binds its text.

use std::fmt::from_fn;
use std::sync::Arc;

use regex::Regex;

use super::{Args, Built, Matcher};
use crate::datum::notation::{Arg, Form};
use crate::datum::pattern::Names;
use crate::datum::{Datum, Mismatch, Scope, View};

#[derive(Debug)]
struct Matches(Regex);

impl Matcher for Matches {
    fn matches(&self, view: View<'_>, scope: &mut Scope<'_>) -> Result<(), Mismatch> {
        let wanted = from_fn(|f| write!(f, "a text that matches /{}/", self.0));
        let datum = view.message(&wanted)?;
        let Some(text) = datum.as_text() else { return Err(Mismatch::of_type(wanted, datum)) };
        let Some(captures) = self.0.captures(&text) else { return Err(Mismatch::value(wanted, datum)) };
        for name in self.0.capture_names().flatten() {
            if let Some(group) = captures.name(name) {
                scope.bound.push((name.to_owned(), Datum::text(group.as_str())));
            }
        }
        Ok(())
    }

    fn names(&self, names: &mut Names) {
        names.binds.extend(self.0.capture_names().flatten().map(str::to_owned));
    }
}

pub(super) fn build(args: Args<'_>) -> Built {
    let [Arg::Value(node)] = args.args else { return Err("takes one regular expression in quotes".into()) };
    let Form::Text(expression, _) = &node.form else {
        return Err("takes one regular expression in quotes".into());
    };
    let regex = Regex::new(expression).map_err(|error| error.to_string())?;
    Ok(Arc::new(Matches(regex)))
}
