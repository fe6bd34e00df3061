//! `$bytes`: a byte string.

use std::sync::Arc;

use super::{Args, Built, Matcher};
use crate::datum::{Mismatch, Scope, View};

#[derive(Debug)]
struct Bytes;

impl Matcher for Bytes {
    fn matches(&self, view: View<'_>, _: &mut Scope<'_>) -> Result<(), Mismatch> {
        let datum = view.message("bytes")?;
        if datum.kind() == "bytes" { Ok(()) } else { Err(Mismatch::of_type("bytes", datum)) }
    }
}

pub(super) fn build(args: Args<'_>) -> Built {
    args.none().map(|()| Arc::new(Bytes) as Arc<dyn Matcher>)
}
