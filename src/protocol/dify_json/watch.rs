//! Checks that remember what came before.

use std::collections::BTreeSet;

use crate::datum::{Bindings, Datum, Kind, View};
use crate::protocol::Watch;

/// The type and id of a message.
fn head(view: &View<'_>) -> Option<(String, String)> {
    let (Kind::Message, Some(message)) = (view.kind, view.datum) else { return None };
    let text = |key| message.get(key).and_then(Datum::as_text).unwrap_or_default().into_owned();
    Some((text("type"), text("invoke_id")))
}

/// Over standard output nothing stands between the first info and plugin_ready.
#[derive(Default)]
pub(super) struct Start {
    infos: u64,
    ready: bool,
}

impl Watch for Start {
    fn see(&mut self, view: View<'_>, _: &Bindings) -> Result<(), String> {
        let Some((kind, _)) = head(&view).filter(|_| !self.ready) else { return Ok(()) };
        self.ready |= matches!(kind.as_str(), "plugin_ready" | "error");
        self.infos += u64::from(kind == "info");
        match self.infos {
            0 if kind == "plugin_ready" => Err("plugin_ready came without an info before it".into()),
            0 | 1 => Ok(()),
            _ => Err("a second info came before plugin_ready".into()),
        }
    }
}

/// Nothing with the id of a call comes after its end.
#[derive(Default)]
pub(super) struct Calls {
    ended: BTreeSet<String>,
}

impl Watch for Calls {
    fn see(&mut self, view: View<'_>, _: &Bindings) -> Result<(), String> {
        let Some((kind, id)) = head(&view).filter(|(_, id)| !id.is_empty()) else { return Ok(()) };
        if self.ended.contains(&id) {
            return Err(format!("{kind} of `{id}` came after its end"));
        }
        if kind == "plugin_invoke_end" {
            self.ended.insert(id);
        }
        Ok(())
    }
}

/// A request's info comes before its first other message: there are never more calls than infos.
#[derive(Default)]
pub(super) struct Confirmed {
    ready: bool,
    infos: usize,
    calls: BTreeSet<String>,
}

impl Watch for Confirmed {
    fn see(&mut self, view: View<'_>, _: &Bindings) -> Result<(), String> {
        let Some((kind, id)) = head(&view) else { return Ok(()) };
        match kind.as_str() {
            "plugin_ready" => self.ready = true,
            "info" => self.infos += usize::from(self.ready),
            _ if !id.is_empty() => {
                self.calls.insert(id);
            }
            _ => {}
        }
        if self.calls.len() > self.infos {
            return Err(format!("{kind} came before the info that confirms its request"));
        }
        Ok(())
    }
}
