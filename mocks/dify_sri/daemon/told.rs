//! What the command `launch` shows.

use super::{Daemon, ECHO};
use crate::actor::Exit;
use crate::codec::json;
use crate::datum::Datum;
use crate::mocks::Acting;

impl Daemon {
    pub(super) fn ready(&mut self, id: i128, ready: Result<(), String>, out: &mut Acting<'_>) {
        match (self.package.clone(), ready) {
            (None, Ok(())) => self.reply(id, vec![("ready", Datum::from(true))], out),
            (None, Err(why)) => self.reply(id, vec![("error", Datum::text(why))], out),
            (Some(package), Ok(())) => {
                out.print(b"ping: pong\n".to_vec());
                self.install(&package, true, out);
            }
            (Some(_), Err(why)) => {
                out.complain(&why);
                out.exit(Exit::Code(1));
            }
        }
    }

    pub(super) fn show(&self, event: &Datum, out: &mut Acting<'_>) {
        let text = |key: &str| event.get(key).and_then(Datum::as_inserted).unwrap_or_default();
        let line = format!("{}/{} {}", text("Stage"), text("State"), text("Message"));
        out.print(format!("{}\n", line.trim_end()).into_bytes());
    }

    /// What is called after the launch of the command line: what `--invoke` says; of the conformance plugin `echo`.
    pub(super) fn to_call(&self, number: usize) -> Option<(String, String, Datum)> {
        let is_ours = self.tasks[number].filename.starts_with("plugfest@conformance@");
        let usual = || is_ours.then(|| json::parse(ECHO.as_bytes()).ok()).flatten();
        let call = self.invoked.clone().or_else(usual)?;
        let text = |key: &str| call.get(key).and_then(Datum::as_inserted).unwrap_or_default();
        Some((text("type"), text("action"), call.get("request").cloned().unwrap_or(Datum::Null)))
    }

    /// Tells what became of the launch on the command line.
    pub(super) fn tell(&mut self, number: usize, out: &mut Acting<'_>) {
        if self.package.is_none() {
            return;
        }
        let task = &self.tasks[number];
        if task.is_success() {
            let (endpoint, name) = task.told.clone().unwrap_or_default();
            out.print(format!("installed {name} at {endpoint}\n").into_bytes());
            match self.to_call(number) {
                Some((kind, action, request)) => {
                    out.print(format!("invoke {kind} {action} {request}\n").into_bytes());
                    self.dispatch(0, kind, action, request, out);
                }
                None => out.exit(Exit::Code(0)),
            }
        } else {
            out.complain(&format!("failed: {}", task.message));
            out.exit(Exit::Code(1));
        }
    }
}
