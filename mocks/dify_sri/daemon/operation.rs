//! What a driver asks the daemon for.

use super::{Daemon, Timeouts};
use crate::actor::Act;
use crate::datum::Datum;
use crate::mocks::Acting;
use crate::mocks::encoded::json_line;

impl Daemon {
    /// An operation of the driver.
    pub(super) fn operation(&mut self, message: &Datum, out: &mut Acting<'_>) {
        let text = |key: &str| message.get(key).and_then(Datum::as_inserted).unwrap_or_default();
        let id = message.get("id").and_then(Datum::as_int).unwrap_or_default();
        match text("op").as_str() {
            "start" => {
                (self.url, self.key) = (text("url"), text("api_key"));
                let setting = |key: &str| {
                    let value = message.get("settings").and_then(|settings| settings.get(key));
                    value.and_then(Datum::as_int).and_then(|value| u64::try_from(value).ok())
                };
                let usual = Timeouts::default();
                self.timeouts = Timeouts {
                    launch: setting("launch_timeout").unwrap_or(usual.launch),
                    read: setting("read_timeout").unwrap_or(usual.read),
                    ping: setting("ping_timeout").unwrap_or(usual.ping),
                    retries: setting("retries").unwrap_or(usual.retries),
                    max_request: setting("max_request").unwrap_or(usual.max_request),
                };
                let forced = message.get("settings").and_then(|settings| settings.get("force_signature"));
                self.forces_signature = forced == Some(&Datum::from(true));
                let trusted = message.get("settings").and_then(|settings| settings.get("trusted_key"));
                match trusted.and_then(Datum::as_inserted) {
                    Some(path) => self.key_read = Some((out.act(Act::Read { path }), id)),
                    None => self.ping(id, out),
                }
            }
            "management" => self.management(id, out),
            "install" | "reinstall" => {
                let task = self.install(&text("package"), text("op") == "install", out);
                self.reply(id, vec![("task", Datum::text(format!("t{task}")))], out);
            }
            "task_state" => {
                let task = text("task").trim_start_matches('t').parse().ok();
                let task = task.and_then(|task: usize| self.tasks.get(task));
                let answer = match task {
                    Some(task) => {
                        vec![
                            ("state", Datum::text(task.state.name())),
                            ("message", Datum::text(&task.message)),
                        ]
                    }
                    None => vec![("error", Datum::text("there is no such task"))],
                };
                self.reply(id, answer, out);
            }
            "dispatch" => {
                let request = message.get("request").cloned().unwrap_or(Datum::Null);
                self.dispatch(id, text("type"), text("action"), request, out);
            }
            "stop" => self.reply(id, Vec::new(), out),
            other => self.reply(id, vec![("error", Datum::text(format!("{other} is not known here")))], out),
        }
    }

    pub(super) fn reply(&self, id: i128, fields: Vec<(&str, Datum)>, out: &mut Acting<'_>) {
        let id = u64::try_from(id).unwrap_or_default();
        let message = Datum::map([("id", Datum::from(id))].into_iter().chain(fields));
        out.print(json_line(&message));
    }
}
