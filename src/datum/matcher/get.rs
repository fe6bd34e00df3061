//! `$get(x)`: the value of a bound name, with its type.

use std::sync::Arc;

use super::{Args, Built, Matcher};
use crate::datum::pattern::Names;
use crate::datum::{Bindings, Datum, Mismatch, MismatchKind, Scope, View};

#[derive(Debug)]
struct Get(String);

impl Matcher for Get {
    fn matches(&self, view: View<'_>, scope: &mut Scope<'_>) -> Result<(), Mismatch> {
        let Some(wanted) = scope.get(&self.0) else {
            let wanted = format_args!("the value of `{}`, which is not bound", self.0);
            return Err(Mismatch::new(MismatchKind::Value, wanted, view));
        };
        view.equals(wanted, scope.compare)
    }

    fn value(&self, bindings: &Bindings) -> Result<Datum, String> {
        bindings.get(&self.0).cloned().ok_or_else(|| format!("`{}` is not bound", self.0))
    }

    fn is_closed(&self) -> bool {
        true
    }

    fn names(&self, names: &mut Names) {
        names.uses.insert(self.0.clone());
    }
}

pub(super) fn build(args: Args<'_>) -> Built {
    match args.word_and_pattern()? {
        (name, None) => Ok(Arc::new(Get(name))),
        _ => Err("takes one bare name".into()),
    }
}
