//! A call of a launched function, as pure functions: its request, what its lines mean, when it is tried again.
//!
//! Source: langgenius/dify-plugin-daemon bdb5642, internal/core/serverless_runtime/io.go.

use crate::actor::{Nanos, SECOND};
use crate::datum::Datum;
use crate::mocks::encoded::json_bytes;

/// Most bytes of an error body that the caller is told.
const TOLD: usize = 4096;

/// A call under way.
pub(super) struct Call {
    /// The driver operation that asked for it; 0 of the command line.
    pub(super) operation: i128,
    pub(super) kind: String,
    pub(super) action: String,
    pub(super) request: Datum,
    pub(super) session: String,
    /// Requests so far.
    pub(super) tries: u64,
    pub(super) chunks: Vec<Datum>,
    /// Whether any session event came.
    answered: bool,
    /// What became of it.
    pub(super) outcome: Option<Result<(), String>>,
}

impl Call {
    pub(super) fn new(operation: i128, number: u64, kind: String, action: String, request: Datum) -> Self {
        Self {
            operation,
            kind,
            action,
            request,
            session: format!("00000000-0000-4000-8000-{number:012}"),
            tries: 0,
            chunks: Vec::new(),
            answered: false,
            outcome: None,
        }
    }

    /// The body of the request.
    pub(super) fn body(&self, mutant: &str) -> Vec<u8> {
        let own = [("user_id", "plugfest"), ("type", &self.kind), ("action", &self.action)];
        let given = self.request.as_map().unwrap_or_default().iter();
        let given = given.filter_map(|(key, value)| Some((key.as_text()?.into_owned(), value.clone())));
        let given = given.filter(|(key, _)| !own.iter().any(|(name, _)| name == key));
        let own = own.iter().map(|(key, value)| ((*key).to_owned(), Datum::text(*value)));
        let null = |key| (key, Datum::Null);
        let session = if mutant == "session-not-in-body" { "" } else { self.session.as_str() };
        json_bytes(&Datum::map([
            ("session_id", Datum::text(session)),
            null("conversation_id"),
            null("message_id"),
            null("app_id"),
            null("endpoint_id"),
            null("context"),
            ("event", Datum::text("request")),
            ("data", Datum::map(own.chain(given))),
        ]))
    }

    /// A line of the answer; whether the call is over.
    pub(super) fn line(&mut self, line: &Datum, mutant: &str) -> bool {
        let text = |value: &Datum, key: &str| value.get(key).and_then(Datum::as_inserted).unwrap_or_default();
        if text(line, "event") == "error" {
            return self.over(Err(format!("the function failed: {}", text(line, "data"))));
        }
        let Some(data) = line.get("data").filter(|_| text(line, "event") == "session") else { return false };
        self.answered = true;
        let inner = data.get("data").cloned().unwrap_or(Datum::Null);
        match text(data, "type").as_str() {
            "stream" if mutant == "chunks-turned-round" => {
                self.chunks.insert(0, inner);
                false
            }
            "stream" => {
                self.chunks.push(inner);
                false
            }
            "end" if mutant == "end-of-call-ignored" => false,
            "end" => self.over(Ok(())),
            "error" => {
                let kind = text(&inner, "error_type");
                self.over(Err(format!("{kind}: {}", text(&inner, "message"))))
            }
            "invoke" => self.over(Err("serverless_event_not_supported".into())),
            _ => false,
        }
    }

    /// A line that is none.
    pub(super) fn malformed(&mut self, why: &str) -> bool {
        self.over(Err(format!("a line of the function cannot be read: {why}")))
    }

    /// The response came to its end.
    pub(super) fn ended(&mut self, status: i64, body: &[u8], mutant: &str) {
        if self.outcome.is_some() {
            return;
        }
        let body = String::from_utf8_lossy(&body[..body.len().min(TOLD)]).into_owned();
        self.outcome = Some(match status {
            200..=299 if self.answered || mutant == "empty-answer-passes" => Ok(()),
            200..=299 => Err("no valid session response came".into()),
            status => Err(format!("the function answered with status {status}: {body}")),
        });
    }

    /// The call is over; always true.
    pub(super) fn over(&mut self, outcome: Result<(), String>) -> bool {
        self.outcome.get_or_insert(outcome);
        true
    }

    /// How long to wait until the next try after such a status; none if there is none.
    pub(super) fn next_try(&mut self, status: i64, most: u64, mutant: &str) -> Option<Nanos> {
        let again = match mutant {
            "bad-gateway-not-tried-again" => false,
            "errors-tried-again" => status >= 429,
            _ => status == 502,
        };
        let most = if mutant == "tries-four-times" { most + 1 } else { most };
        if !again || self.tries >= most {
            return None;
        }
        let wait = (SECOND / 2) << self.tries.saturating_sub(1).min(6);
        (self.chunks, self.answered, self.outcome) = (Vec::new(), false, None);
        Some(if mutant == "tries-at-once" { 0 } else { wait.min(30 * SECOND) })
    }

    /// What the driver is told.
    pub(super) fn answer(&self) -> (&'static str, Datum) {
        match &self.outcome {
            Some(Err(why)) => ("error", Datum::text(why)),
            _ => ("chunks", Datum::array(self.chunks.iter().cloned())),
        }
    }
}

/// The name of the query of a call: what a caller may do to which kind of thing.
pub(super) fn target(base: &str, action: &str) -> String {
    format!("{base}/invoke?action={action}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::json::parse;

    fn call() -> Call {
        Call::new(1, 7, "tool".into(), "invoke_tool".into(), Datum::map::<&str>([]))
    }

    #[test]
    fn lines_become_chunks_until_the_end() {
        let mut call = call();
        let line = |data: &str| parse(format!(r#"{{"event":"session","data":{data}}}"#).as_bytes()).unwrap();
        assert!(!call.line(&parse(br#"{"event":"heartbeat"}"#).unwrap(), ""));
        assert!(!call.line(&line(r#"{"type":"stream","data":1}"#), ""));
        assert!(!call.line(&line(r#"{"type":"stream","data":2}"#), ""));
        assert!(call.line(&line(r#"{"type":"end","data":{}}"#), ""));
        assert_eq!(call.answer(), ("chunks", Datum::array([Datum::from(1_i64), Datum::from(2_i64)])));
    }

    #[test]
    fn a_bad_gateway_is_tried_three_times() {
        let mut call = call();
        let mut waits = Vec::new();
        loop {
            call.tries += 1;
            match call.next_try(502, 3, "") {
                Some(wait) => waits.push(wait),
                None => break,
            }
        }
        assert_eq!(waits, [SECOND / 2, SECOND]);
        assert_eq!(call.next_try(500, 3, ""), None);
    }

    #[test]
    fn an_answer_without_an_event_is_an_error() {
        let mut call = call();
        call.ended(200, b"", "");
        assert!(call.outcome.unwrap().is_err());
    }
}
