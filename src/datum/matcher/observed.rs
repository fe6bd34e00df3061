//! `$exit(n)`, `$head(P)`, `$end` and the like: what happened, in place of a message.

use std::sync::Arc;

use super::{Args, Built, Matcher};
use crate::datum::notation::Arg;
use crate::datum::pattern::Names;
use crate::datum::{Kind, Mismatch, MismatchKind, Pattern, Scope, View};

#[derive(Debug)]
struct Observed {
    kind: Kind,
    detail: Option<Pattern>,
}

impl Matcher for Observed {
    fn matches(&self, view: View<'_>, scope: &mut Scope<'_>) -> Result<(), Mismatch> {
        if view.kind != self.kind {
            return Err(Mismatch::new(MismatchKind::Observation, self.kind.to_string(), view.to_string()));
        }
        match &self.detail {
            None => Ok(()),
            Some(pattern) => pattern.matches(View { kind: Kind::Message, datum: view.datum }, scope),
        }
    }

    fn names(&self, names: &mut Names) {
        if let Some(pattern) = &self.detail {
            pattern.names(names);
        }
    }

    fn speaks_of(&self, kind: Kind) -> bool {
        kind == self.kind
    }
}

pub(super) fn build(kind: Kind, args: Args<'_>) -> Built {
    let has_detail = matches!(kind, Kind::Opened | Kind::Head | Kind::Exit | Kind::Signalled | Kind::Broken);
    let detail = match args.args {
        [] => None,
        [Arg::Value(_)] if has_detail => Some(args.one()?),
        _ if has_detail => return Err("takes one pattern".into()),
        _ => return Err("takes no argument".into()),
    };
    Ok(Arc::new(Observed { kind, detail }))
}
