//! `$any`: any value that is there; at the top of a lane any message.

use std::sync::Arc;

use super::{Args, Built, Matcher};
use crate::datum::{Mismatch, Scope, View};

#[derive(Debug)]
struct Any;

impl Matcher for Any {
    fn matches(&self, view: View<'_>, _: &mut Scope<'_>) -> Result<(), Mismatch> {
        view.message("any value").map(|_| ())
    }
}

pub(super) fn build(args: Args<'_>) -> Built {
    args.none().map(|()| Arc::new(Any) as Arc<dyn Matcher>)
}
