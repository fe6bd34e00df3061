//! What the plugin says of a session.

use serde_json::{Value, json};

use super::Plugin;
use crate::mocks::Acting;
use crate::protocol::dify_session::message::{failure, line, session, text};

/// The longest line that a daemon reads (internal/types/app/config.go, 228-234), with its end.
const LONGEST: usize = 5 << 20;

impl Plugin {
    /// Gives a message; false, and nothing was given, if its line would be too long.
    pub(super) fn stream(&mut self, id: &str, message: Value, out: &mut Acting<'_>) -> bool {
        let id = if self.is("sessions-swapped") && id.ends_with('7') { "s1" } else { id };
        let mut event = session(id, "stream", message);
        match self.mutant.as_str() {
            "event-of-another-name" => event["event"] = "progress".into(),
            "stream-data-is-text" => event["data"]["data"] = "hi".into(),
            _ => {}
        }
        if self.web.is_some() {
            self.respond(&event, out);
            return true;
        }
        let line = line(&event);
        let fits = line.len() <= LONGEST || self.is("long-line-written");
        if fits {
            self.send_line(line, true, out);
        } else if self.is("texts-cut-at-5-mib") {
            let text = event["data"]["data"]["message"]["text"].as_str().unwrap_or_default();
            event["data"]["data"]["message"]["text"] = text[..LONGEST].into();
            self.send(&event, out);
            return true;
        }
        fits
    }

    pub(super) fn fail(&mut self, id: &str, kind: &str, why: &str, out: &mut Acting<'_>) {
        let mut data = failure(kind, why);
        match self.mutant.as_str() {
            "error-without-type" => drop(data.as_object_mut().and_then(|map| map.remove("error_type"))),
            "error-args-too-many" => {
                data["args"] =
                    (0..11).map(|n| (n.to_string(), json!(n))).collect::<serde_json::Map<_, _>>().into();
            }
            _ => {}
        }
        self.failed += 1;
        if self.is("later-errors-twice") && self.failed > 1 {
            self.send(&session(id, "error", data.clone()), out);
        }
        self.send(&session(id, "error", data), out);
        if !self.is("error-without-end") {
            self.end(id, out);
        }
    }

    pub(super) fn end(&mut self, id: &str, out: &mut Acting<'_>) {
        if self.is("end-is-missing") {
            return;
        }
        self.send(&session(id, "end", json!({})), out);
        match self.mutant.as_str() {
            "end-twice" => self.send(&session(id, "end", json!({})), out),
            "talks-after-end" => self.send(&session(id, "stream", text("late")), out),
            _ => {}
        }
    }

    pub(super) fn send(&mut self, value: &Value, out: &mut Acting<'_>) {
        match self.web.is_some() {
            true => self.respond(value, out),
            false => self.send_line(line(value), value["event"] == "session", out),
        }
    }

    pub(super) fn send_line(&mut self, line: Vec<u8>, is_session: bool, out: &mut Acting<'_>) {
        let bytes = match self.spoilt.take() {
            Some(spoilt) => [spoilt.into_bytes(), line].concat(),
            None => line,
        };
        if self.is("answers-on-stderr") && is_session {
            return out.complain(&String::from_utf8_lossy(&bytes));
        }
        if let Some(wire) = self.wire {
            out.write(wire, bytes);
        }
    }
}
