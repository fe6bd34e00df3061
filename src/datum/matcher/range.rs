//! `$in(a..b)`: a number within bounds, both included; `$in(A, B)`: bounds that are values, so may be bound names.

use std::fmt::from_fn;
use std::sync::Arc;

use super::{Arg, Args, Built, Matcher, bounds_text, in_bounds};
use crate::datum::pattern::Names;
use crate::datum::{Datum, Mismatch, MismatchKind, Pattern, Scope, View};

#[derive(Debug)]
struct In(Option<i128>, Option<i128>);

impl Matcher for In {
    fn matches(&self, view: View<'_>, _: &mut Scope<'_>) -> Result<(), Mismatch> {
        let wanted = from_fn(|f| write!(f, "a number of {}", bounds_text(self.0, self.1)));
        let datum = view.message(&wanted)?;
        let inside = match datum {
            Datum::Int(int) => in_bounds(int.value(), self.0, self.1),
            Datum::Float(value, _) => {
                self.0.is_none_or(|low| *value >= low as f64)
                    && self.1.is_none_or(|high| *value <= high as f64)
            }
            _ => return Err(Mismatch::of_type(wanted, datum)),
        };
        if inside { Ok(()) } else { Err(Mismatch::value(wanted, datum)) }
    }
}

/// Bounds that are known when it is asked.
#[derive(Debug)]
struct Between(Pattern, Pattern);

impl Matcher for Between {
    fn matches(&self, view: View<'_>, scope: &mut Scope<'_>) -> Result<(), Mismatch> {
        let bound = |pattern: &Pattern| {
            let value = pattern.value(scope.bindings).ok();
            value.and_then(|value| value.as_int()).ok_or_else(|| {
                Mismatch::new(MismatchKind::Value, "a number between two that are bound", view)
            })
        };
        let inner = In(Some(bound(&self.0)?), Some(bound(&self.1)?));
        inner.matches(view, scope)
    }

    fn names(&self, names: &mut Names) {
        self.0.names(names);
        self.1.names(names);
    }
}

pub(super) fn build(mut args: Args<'_>) -> Built {
    if let [Arg::Value(low), Arg::Value(high)] = args.args {
        return Ok(Arc::new(Between(args.pattern(low), args.pattern(high))));
    }
    let (low, high) = args.bounds()?;
    Ok(Arc::new(In(low, high)))
}
