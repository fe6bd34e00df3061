//! Stateful checks of rules.

use std::collections::BTreeMap;

use super::meaning::{Request, called, difference};
use crate::datum::{Bindings, Datum, Kind, View};
use crate::protocol::Watch;

/// The reply to a call does to the request what the expected reply would do, however it says so.
///
/// The request is bound as `method`, `path`, `args` and `headers`, the expected reply as `reply`.
pub(super) struct Meaning;

impl Watch for Meaning {
    fn see(&mut self, view: View<'_>, bindings: &Bindings) -> Result<(), String> {
        let (Kind::Message, Some(reply)) = (view.kind, view.datum) else { return Ok(()) };
        let is_call = reply.get("type").and_then(Datum::as_text).as_deref() == Some("HTTPReqCall");
        let Some(expected) = bindings.get("reply").filter(|_| is_call) else { return Ok(()) };
        let fields = ["method", "path", "args", "headers"];
        let call = fields.iter().filter_map(|name| Some(((*name).to_owned(), bindings.get(name)?.clone())));
        let request = Request::new(&Datum::map(call));
        difference(&called(&request, expected), &called(&request, reply)).map_or(Ok(()), Err)
    }
}

/// No reply to PrepareConf comes a second time: none bears the token of the one before it on its lane.
#[derive(Default)]
pub(super) struct PreparedOnce {
    last: BTreeMap<usize, Datum>,
}

impl Watch for PreparedOnce {
    fn see(&mut self, view: View<'_>, bindings: &Bindings) -> Result<(), String> {
        self.see_on(0, view, bindings)
    }

    fn see_on(&mut self, lane: usize, view: View<'_>, _: &Bindings) -> Result<(), String> {
        let reply = view.datum.filter(|datum| datum.get("type") == Some(&Datum::text("PrepareConf")));
        let Some(token) = reply.filter(|_| view.kind == Kind::Message).and_then(|reply| reply.get("token"))
        else {
            return Ok(());
        };
        match self.last.insert(lane, token.clone()) {
            Some(last) if last == *token => Err("this reply came before".into()),
            _ => Ok(()),
        }
    }

    fn speaks(&self) -> bool {
        true
    }
}
