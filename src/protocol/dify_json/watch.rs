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

/// Over standard output plugin_ready comes once.
#[derive(Default)]
pub(super) struct ReadyOnce {
    told: bool,
}

impl Watch for ReadyOnce {
    fn see(&mut self, view: View<'_>, _: &Bindings) -> Result<(), String> {
        let is_ready = head(&view).is_some_and(|(kind, _)| kind == "plugin_ready");
        match is_ready && std::mem::replace(&mut self.told, true) {
            true => Err("plugin_ready came a second time".into()),
            false => Ok(()),
        }
    }

    fn speaks(&self) -> bool {
        true
    }
}

/// Up to plugin_ready, or the error in its place, no message belongs to a request.
#[derive(Default)]
pub(super) struct Unasked {
    over: bool,
}

impl Watch for Unasked {
    fn see(&mut self, view: View<'_>, _: &Bindings) -> Result<(), String> {
        let Some((kind, id)) = head(&view).filter(|_| !self.over) else { return Ok(()) };
        self.over = matches!(kind.as_str(), "plugin_ready" | "error");
        match id.is_empty() {
            true => Ok(()),
            false => Err(format!("{kind} bears the id `{id}`, and nothing was asked")),
        }
    }
}

/// Nothing with the id of a call comes after its end.
#[derive(Clone, Default)]
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

/// Tells the messages of the start from those that follow it. Where a server starts on this lane its first message is
/// the info that it loads, or an error, and the start lasts until plugin_ready; else there is none.
#[derive(Clone, Default)]
struct Past {
    begun: bool,
    starts: bool,
}

impl Past {
    /// Whether a message comes after the start.
    fn start(&mut self, view: &View<'_>, kind: &str) -> bool {
        let says = |text: &str| {
            let info = view.datum.and_then(|message| message.get("response")?.get("info")?.as_text());
            info.is_some_and(|info| info == text)
        };
        if !std::mem::replace(&mut self.begun, true) {
            self.starts = kind == "error" || (kind == "info" && says("loading plugin"));
        }
        let starts = self.starts;
        self.starts &= kind != "plugin_ready";
        !starts && kind != "plugin_ready"
    }
}

/// A request's info comes before its first other message: there are never more calls than infos. The sequence of the
/// document is that of a success: what an error came for needs none, unless all are asked for.
#[derive(Clone, Default)]
pub(super) struct Confirmed<const ALL: bool> {
    past: Past,
    infos: usize,
    calls: BTreeSet<String>,
    failed: BTreeSet<String>,
}

impl<const ALL: bool> Watch for Confirmed<ALL> {
    fn see(&mut self, view: View<'_>, _: &Bindings) -> Result<(), String> {
        let Some((kind, id)) = head(&view) else { return Ok(()) };
        if !self.past.start(&view, &kind) {
            return Ok(());
        }
        match kind.as_str() {
            "info" => self.infos += 1,
            "error" if !ALL => drop(self.failed.insert(id)),
            _ if !id.is_empty() && !self.failed.contains(&id) => drop(self.calls.insert(id)),
            _ => {}
        }
        match self.calls.len() > self.infos {
            true => Err(format!("{kind} came before the info that confirms its request")),
            false => Ok(()),
        }
    }
}

/// The one request of a scenario has one info.
#[derive(Default)]
pub(super) struct ConfirmedOnce {
    past: Past,
    infos: usize,
}

impl Watch for ConfirmedOnce {
    fn see(&mut self, view: View<'_>, _: &Bindings) -> Result<(), String> {
        let Some((kind, _)) = head(&view) else { return Ok(()) };
        self.infos += usize::from(self.past.start(&view, &kind) && kind == "info");
        match self.infos > 1 && kind == "info" {
            true => Err("a second info came for one request".into()),
            false => Ok(()),
        }
    }
}
