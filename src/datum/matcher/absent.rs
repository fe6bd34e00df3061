//! `$absent`: the key is not there.

use std::sync::Arc;

use super::{Args, Built, Matcher};
use crate::datum::{Mismatch, MismatchKind, Scope, View};

#[derive(Debug)]
struct Absent;

impl Matcher for Absent {
    fn matches(&self, view: View<'_>, _: &mut Scope<'_>) -> Result<(), Mismatch> {
        match view.datum {
            None => Ok(()),
            Some(_) => Err(Mismatch::new(MismatchKind::Extra, "nothing", view.to_string())),
        }
    }
}

pub(super) fn build(args: Args<'_>) -> Built {
    args.none().map(|()| Arc::new(Absent) as Arc<dyn Matcher>)
}
