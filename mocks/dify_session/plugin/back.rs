//! Calls back to the daemon, and their answers.

use serde_json::{Value, json};

use super::{Envelope, Plugin};
use crate::actor::{Exit, Nanos};
use crate::mocks::Acting;
use crate::mocks::dify_session::tools::{self, Read};
use crate::protocol::dify_session::message::{session, text};

/// A call back that waits for its answers.
pub(super) struct Call {
    pub(super) session: String,
    pub(super) id: String,
    pub(super) read: Read,
    pub(super) answers: Vec<Value>,
    pub(super) until: Nanos,
}

impl Plugin {
    pub(super) fn call_back(
        &mut self,
        session_id: &str,
        kind: &str,
        request: Value,
        read: Read,
        out: &mut Acting<'_>,
    ) {
        self.called += 1;
        let id = match self.mutant.as_str() {
            "call-back-id-is-empty" => String::new(),
            "call-back-id-twice" => "call".into(),
            _ => format!("call-{}", self.called),
        };
        let mut data = json!({"type": kind, "backwards_request_id": id, "request": request});
        if self.is("call-back-request-is-text") {
            data["request"] = Value::from(request.to_string());
        }
        if self.is("call-back-evicts-another") {
            self.calls.clear();
        }
        let until = out.now + self.patience;
        self.calls.push(Call { session: session_id.into(), id, read, answers: Vec::new(), until });
        self.send(&session(session_id, "invoke", data), out);
    }

    /// An answer to a call back.
    pub(super) fn answer(&mut self, envelope: &Envelope, out: &mut Acting<'_>) {
        let (id, data) = (envelope.data["backwards_request_id"].as_str().unwrap_or_default(), &envelope.data);
        let any_session = self.is("answers-of-any-session");
        let fits = |call: &Call| call.id == id && (any_session || call.session == envelope.session);
        let Some(at) = self.calls.iter().position(fits) else {
            if self.is("stray-answer-ends-plugin") {
                out.exit(Exit::Code(1));
            }
            return;
        };
        self.calls[at].until = out.now + self.patience;
        match data["event"].as_str() {
            Some("response") => self.calls[at].answers.push(data["data"].clone()),
            Some("error") if self.is("call-back-error-ignored") => {}
            Some("error") => {
                let call = self.calls.remove(at);
                let why = data["message"].as_str().unwrap_or("the call back failed");
                self.fail(&call.session, "Exception", why, out);
            }
            _ => {
                let mut call = self.calls.remove(at);
                match self.mutant.as_str() {
                    "last-answer-only" => drop(call.answers.drain(..call.answers.len().saturating_sub(1))),
                    "answers-are-lost" => call.answers.clear(),
                    "call-back-error-ignored" if call.answers.is_empty() => {
                        call.answers.push(json!({"data": ""}));
                    }
                    _ => {}
                }
                match tools::read_answers(call.read, &call.answers) {
                    Ok(content) => self.say(&call.session, vec![text(&content)], 0, out),
                    Err(why) => self.fail(&call.session, "Exception", &why, out),
                }
            }
        }
    }
}
