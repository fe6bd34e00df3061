//! `$text`: a text.

use std::sync::Arc;

use super::{Args, Built, Matcher};
use crate::datum::{Mismatch, Scope, View};

#[derive(Debug)]
struct Text;

impl Matcher for Text {
    fn matches(&self, view: View<'_>, _: &mut Scope<'_>) -> Result<(), Mismatch> {
        let datum = view.message("text")?;
        if datum.kind() == "text" { Ok(()) } else { Err(Mismatch::of_type("text", datum)) }
    }
}

pub(super) fn build(args: Args<'_>) -> Built {
    args.none().map(|()| Arc::new(Text) as Arc<dyn Matcher>)
}
