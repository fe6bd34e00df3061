//! `$in(a..b)`: a number within bounds, both included.

use std::fmt::from_fn;
use std::sync::Arc;

use super::{Args, Built, Matcher, bounds_text, in_bounds};
use crate::datum::{Datum, Mismatch, Scope, View};

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

pub(super) fn build(args: Args<'_>) -> Built {
    let (low, high) = args.bounds()?;
    Ok(Arc::new(In(low, high)))
}
