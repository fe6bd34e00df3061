//! `$oneof(P, label: P, ..)`: the first alternative that fits; a label that is taken is a trait of the subject.

use std::sync::Arc;

use super::{Args, Built, Matcher};
use crate::datum::notation::Arg;
use crate::datum::pattern::Names;
use crate::datum::{Kind, Mismatch, Pattern, Scope, View};

#[derive(Debug)]
struct Oneof(Vec<(Option<String>, Pattern)>);

impl Matcher for Oneof {
    fn matches(&self, view: View<'_>, scope: &mut Scope<'_>) -> Result<(), Mismatch> {
        // Of those that speak of such a thing at all, the one whose difference lies deepest.
        let mut nearest: Option<((bool, usize), Mismatch)> = None;
        for (label, pattern) in &self.0 {
            match scope.attempt(|scope| pattern.matches(view, scope)) {
                Ok(()) => {
                    scope.labels.extend(label.clone());
                    return Ok(());
                }
                Err(mismatch) => {
                    let nears = (pattern.speaks_of(view.kind), mismatch.path.depth());
                    if nearest.as_ref().is_none_or(|(best, _)| nears > *best) {
                        nearest = Some((nears, mismatch));
                    }
                }
            }
        }
        let (_, mut nearest) = nearest.expect("build demands an alternative");
        nearest.wanted = format!("one of {} forms, nearest: {}", self.0.len(), nearest.wanted);
        Err(nearest)
    }

    fn names(&self, names: &mut Names) {
        for (label, pattern) in &self.0 {
            names.labels.extend(label.clone());
            pattern.names(names);
        }
    }

    fn speaks_of(&self, kind: Kind) -> bool {
        self.0.iter().any(|(_, pattern)| pattern.speaks_of(kind))
    }
}

pub(super) fn build(mut args: Args<'_>) -> Built {
    let all = args.args;
    let alternative = |arg: &Arg| match arg {
        Arg::Value(node) => Ok((None, args.pattern(node))),
        Arg::Labelled(label, node) => Ok((Some(label.clone()), args.pattern(node))),
        Arg::Word(word, _) => Err(format!("`{word}` is no value; a text is written in double quotes")),
        Arg::Bounds(..) => Err("bounds are written $in(a..b)".into()),
    };
    let alternatives = all.iter().map(alternative).collect::<Result<Vec<_>, String>>()?;
    if alternatives.is_empty() {
        return Err("needs at least one alternative".into());
    }
    Ok(Arc::new(Oneof(alternatives)))
}
