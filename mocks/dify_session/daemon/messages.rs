//! What a plugin says, line by line, and what becomes of the calls.

use serde_json::{Value, json};

use super::{Daemon, data_of};
use crate::mocks::Acting;
use crate::mocks::dify_session::calls;
use crate::protocol::dify_session::message::{line, to_plugin};

impl Daemon {
    pub(super) fn line(&mut self, line: &[u8], out: &mut Acting<'_>) {
        let Ok(event) = serde_json::from_slice::<Value>(line) else {
            let is_blank = line.trim_ascii().is_empty();
            if self.is("stray-line-fails-calls") && !is_blank {
                self.fail_all("the plugin wrote a line that is no JSON", out);
            }
            let starting = self.plugin.as_ref().is_some_and(|plugin| !plugin.ready);
            if self.is("text-ends-start") && !is_blank && starting {
                self.start_failed("a line that is no JSON", false, out);
            }
            return;
        };
        let Some(plugin) = &mut self.plugin else { return };
        match event["event"].as_str() {
            Some(name) if !plugin.ready && (name == "heartbeat" || self.mutant == "log-makes-ready") => {
                plugin.ready = true;
                let starts = plugin.starts.take();
                self.ready(starts, out);
            }
            Some("session") => self.session(event, out),
            None if event.is_object() => {
                plugin.manifest = event;
                if self.is("manifest-ends-start") {
                    self.start_failed("a line without event", false, out);
                }
            }
            _ => {}
        }
    }

    pub(super) fn ready(&mut self, starts: Option<Value>, out: &mut Acting<'_>) {
        match (&self.once, starts) {
            (None, Some(starts)) => self.reply(&starts, json!({"ready": true}), out),
            (Some(once), Some(_)) => {
                let data = data_of("tool".into(), "invoke_tool".into(), &once.request);
                self.invoke(Value::Null, data, out);
            }
            (_, None) => self.write_requests(out),
        }
    }

    /// The call of a session.
    pub(super) fn call_of(&self, session: &str) -> Option<usize> {
        self.calls.iter().position(|call| call.session == session)
    }

    /// A message of a session: to its call, if there is one.
    pub(super) fn session(&mut self, mut event: Value, out: &mut Acting<'_>) {
        let data = event.pointer_mut("/data/data").map(Value::take).unwrap_or_default();
        let kind = event["data"]["type"].as_str();
        let Some(at) = event["session_id"].as_str().and_then(|id| self.call_of(id)) else {
            if self.is("unknown-session-fails-calls") {
                self.fail_all("a message for an unknown session", out);
            } else if self.is("surplus-goes-to-next-call") && kind == Some("stream") {
                self.surplus.push(data);
            }
            return;
        };
        match (kind, data.is_object()) {
            (Some("stream"), true) => self.calls[at].chunks.push(data),
            (Some("end"), _) => {
                let mut call = self.calls.remove(at);
                if self.is("empty-end-is-an-error") && call.chunks.is_empty() {
                    return self.fail(&call.operation, "the plugin gave nothing", out);
                }
                if self.is("last-of-many-is-lost") && call.chunks.len() > 2 {
                    call.chunks.pop();
                }
                self.reply(&call.operation, json!({"chunks": call.chunks}), out);
            }
            (Some("error"), _) => self.session_failed(at, &data, out),
            (Some("invoke"), true) => self.call_back(at, &data, out),
            (Some(_), true) if self.is("unknown-type-is-ignored") => {}
            (Some(other), true) => {
                self.fail_call(at, &format!("unknown_stream_message_type: {other}"), out);
            }
            _ => self.fail_call(at, "the plugin sent a malformed session message", out),
        }
    }

    fn session_failed(&mut self, at: usize, data: &Value, out: &mut Acting<'_>) {
        let args_fit =
            data["args"].is_null() || data["args"].as_object().is_some_and(|args| args.len() <= 10);
        match (data["error_type"].as_str(), data["message"].as_str().unwrap_or_default()) {
            (Some(_), _) if args_fit && self.is("error-is-an-end") => {
                let call = self.calls.remove(at);
                self.reply(&call.operation, json!({"chunks": call.chunks}), out);
            }
            (Some(kind), message) if args_fit => self.fail_call(at, &format!("{kind}: {message}"), out),
            _ if self.is("malformed-error-is-ignored") => {}
            _ => self.fail_call(at, "the plugin sent a malformed error", out),
        }
    }

    pub(super) fn fail_call(&mut self, at: usize, why: &str, out: &mut Acting<'_>) {
        let call = self.calls.remove(at);
        self.fail(&call.operation, why, out);
    }

    pub(super) fn fail_all(&mut self, why: &str, out: &mut Acting<'_>) {
        while !self.calls.is_empty() {
            self.fail_call(0, why, out);
        }
    }

    /// What mutants make of the answers to a call back.
    pub(super) fn deviate(&self, answers: &mut Vec<Value>) {
        match self.mutant.as_str() {
            "call-back-without-end" => drop(answers.pop()),
            "end-before-answers" => answers.rotate_right(1),
            "answers-after-end" => answers.push(answers[0].clone()),
            _ => {}
        }
    }

    /// A call back of the plugin: answered at once, the last answer is an end.
    fn call_back(&mut self, at: usize, data: &Value, out: &mut Acting<'_>) {
        let Some(plugin) = &self.plugin else { return };
        let id = data["backwards_request_id"].as_str().unwrap_or_default();
        let complete = data["type"].is_string() && !id.is_empty() && data["request"].is_object();
        if !complete {
            if !self.is("incomplete-call-back-is-ignored") {
                self.fail_call(
                    at,
                    "invoke_dify_error: the call back lacks type, backwards_request_id or request",
                    out,
                );
            }
            return;
        }
        let manifest = if self.is("permission-is-not-asked") { &calls::EVERYTHING } else { &plugin.manifest };
        let id = if self.is("call-back-id-is-lost") { "" } else { id };
        let call = &self.calls[at];
        let kind = if self.is("models-may-call-back") { "tool" } else { call.kind() };
        let mut answers = calls::answer(kind, manifest, data, id, &mut self.stored);
        self.deviate(&mut answers);
        for answer in answers {
            out.write(plugin.wire, line(&to_plugin(&call.session, "backwards_response", answer)));
        }
    }
}
