//! Calls back that come as requests: the transaction handler of the serverless runtime.
//!
//! Source: langgenius/dify-plugin-daemon bdb5642, serverless_handler.go and serverless_writer.go.

use serde_json::{Value, json};

use super::{Daemon, calls};
use crate::actor::{CloseHow, Nanos, WireId};
use crate::codec::http1::{chunk, last_chunk};
use crate::datum::Datum;
use crate::mocks::Acting;
use crate::mocks::web::{Requests, answer, body_bytes, refusal, stream_head, text};
use crate::protocol::dify_session::message::{backwards, line, to_plugin};

/// A call back that takes its time.
pub(super) struct Delayed {
    wire: WireId,
    lines: Vec<u8>,
    due: Nanos,
    /// When a blank line is due.
    blank: Nanos,
}

impl Delayed {
    /// When it has something to say.
    pub(super) fn next(&self) -> Nanos {
        self.due.min(self.blank)
    }
}

impl Daemon {
    pub(super) fn transaction_bytes(&mut self, wire: WireId, bytes: &[u8], out: &mut Acting<'_>) {
        if let Some(conn) = self.conn(wire) {
            conn.feed(bytes);
        }
        while let Some(next) = self.conn(wire).and_then(Requests::next) {
            match next {
                Ok((head, body)) => self.transaction(wire, &head, &body_bytes(body), out),
                Err(why) => {
                    out.write(wire, refusal(400, &why));
                    return self.transaction_left(wire, out);
                }
            }
        }
    }

    fn conn(&mut self, wire: WireId) -> Option<&mut Requests> {
        self.remote.as_mut()?.conns.get_mut(&wire)
    }

    /// Whoever called back is gone.
    pub(super) fn transaction_left(&mut self, wire: WireId, out: &mut Acting<'_>) {
        let Some(remote) = &mut self.remote else { return };
        remote.conns.remove(&wire);
        remote.delayed.retain(|delayed| delayed.wire != wire);
        out.close(wire, CloseHow::Both);
    }

    /// A call back has come whole.
    fn transaction(&mut self, wire: WireId, head: &Datum, body: &[u8], out: &mut Acting<'_>) {
        let path = text(head, "path");
        let is_ours = text(head, "method") == "POST" && path == "/backwards-invocation/transaction";
        if !is_ours {
            return out.write(wire, refusal(404, "there is no such thing here"));
        }
        let event = serde_json::from_slice::<Value>(body).unwrap_or(Value::Null);
        let session = event["session_id"].as_str().filter(|_| event["event"] == "session");
        let Some(session) = session.filter(|_| event["data"]["type"] == "invoke") else {
            match self.mutant.as_str() {
                "bad-call-back-hangs" => {}
                "bad-call-back-is-500" => out.write(wire, refusal(500, "no session event of type invoke")),
                _ => out.write(wire, refusal(400, "no session event of type invoke")),
            }
            return;
        };
        let data = &event["data"]["data"];
        let id = data["backwards_request_id"].as_str().unwrap_or_default();
        let caller = self.call_of(session).map(|at| self.calls[at].kind().to_owned());
        let Some(caller) = caller.or_else(|| self.is("any-session-may-call-back").then(String::new)) else {
            return self.no_session(wire, id, out);
        };
        let id = if self.is("call-back-id-is-lost") { "" } else { id };
        let mut answers = calls::answer(&caller, &calls::EVERYTHING, data, id, &mut self.stored);
        self.deviate(&mut answers);
        let said = answers.into_iter().flat_map(|answer| {
            let mut said = line(&to_plugin(session, "backwards_response", answer));
            said.push(b'\n');
            said
        });
        let lines = said.collect();
        out.write(wire, stream_head(200, "text/event-stream"));
        let Some(remote) = &mut self.remote else { return };
        let (due, blank) = (out.now + remote.settings.back_delay, out.now + remote.settings.keep_alive);
        let blank = match self.mutant.as_str() {
            "no-keep-alive" => Nanos::MAX,
            "keep-alive-is-late" => blank + remote.settings.keep_alive * 4 / 5,
            _ => blank,
        };
        remote.delayed.push(Delayed { wire, lines, due, blank });
        self.transaction_time(out);
    }

    /// The session is none of ours (serverless_handler.go 148-191): the event stands bare.
    fn no_session(&self, wire: WireId, id: &str, out: &mut Acting<'_>) {
        let what =
            json!({"error_type": "SessionNotFound", "message": "failed to get session info from cache"});
        let event = backwards(id, "error", "failed to get session info from cache", what);
        match self.mutant.as_str() {
            "unknown-session-hangs" => {}
            "unknown-session-is-200" => out.write(wire, answer(200, "text/event-stream", line(&event))),
            "unknown-session-is-not-named" => out.write(wire, refusal(400, "no")),
            _ => out.write(wire, answer(400, "text/event-stream", line(&event))),
        }
    }

    /// Says what is due: a blank line, or the answers.
    pub(super) fn transaction_time(&mut self, out: &mut Acting<'_>) {
        let Some(remote) = &mut self.remote else { return };
        let keep_alive = remote.settings.keep_alive;
        remote.delayed.retain_mut(|delayed| {
            let say = |bytes: Vec<u8>| chunk(bytes.into(), &|_| None).unwrap_or_default();
            if delayed.due <= out.now {
                out.write(delayed.wire, say(std::mem::take(&mut delayed.lines)));
                out.write(delayed.wire, last_chunk(&[]));
                return false;
            }
            if delayed.blank <= out.now {
                out.write(delayed.wire, say(b"\n\n".to_vec()));
                delayed.blank += keep_alive;
            }
            true
        });
    }
}
