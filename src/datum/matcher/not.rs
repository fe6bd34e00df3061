//! `$not(P)`: a value that does not fit P.

use std::sync::Arc;

use super::{Args, Built, Matcher};
use crate::datum::pattern::Names;
use crate::datum::{Kind, Mismatch, MismatchKind, Pattern, Scope, View};

#[derive(Debug)]
struct Not(Pattern);

impl Matcher for Not {
    fn matches(&self, view: View<'_>, scope: &mut Scope<'_>) -> Result<(), Mismatch> {
        if view.kind != Kind::Message {
            return view.message("a message").map(|_| ());
        }
        match scope.attempt(|scope| self.0.matches(view, scope)) {
            Ok(()) => Err(Mismatch::new(MismatchKind::Value, "something else", view)),
            Err(_) => Ok(()),
        }
    }

    fn names(&self, names: &mut Names) {
        let mut inner = Names::default();
        self.0.names(&mut inner);
        names.uses.extend(inner.uses);
        names.checks.extend(inner.checks);
    }
}

pub(super) fn build(args: Args<'_>) -> Built {
    args.one().map(|pattern| Arc::new(Not(pattern)) as Arc<dyn Matcher>)
}
