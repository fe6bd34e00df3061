//! An installation and what the answers of a runtime make of it, as pure functions.

use crate::actor::Payload;
use crate::codec::{Sink, json, multipart};
use crate::datum::Datum;
use crate::protocol::dify_sri::{STAGES, check, details};

/// Where an installation stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    #[default]
    Running,
    Success,
    Failed,
}

impl State {
    pub(super) fn name(self) -> &'static str {
        match self {
            State::Running => "running",
            State::Success => "success",
            State::Failed => "failed",
        }
    }
}

/// An installation.
#[derive(Debug, Default)]
pub(super) struct Task {
    /// Whether it asks for instances first.
    pub(super) asks: bool,
    pub(super) filename: String,
    /// Whether its signature is trusted.
    pub(super) is_verified: bool,
    pub(super) bytes: Vec<u8>,
    pub(super) state: State,
    pub(super) message: String,
    /// Endpoint and name.
    pub(super) told: Option<(String, String)>,
}

impl Task {
    pub(super) fn is_success(&self) -> bool {
        self.state == State::Success
    }

    pub(super) fn fail(&mut self, why: &str) {
        if self.state == State::Running {
            self.state = State::Failed;
            self.message = why.into();
        }
    }

    /// The Content-Type and the body of the launch.
    pub(super) fn form(&self, mutant: &str) -> (String, Vec<u8>) {
        let part = |name: &str, bytes: &[u8]| {
            let mut body = Payload::default();
            body.bytes(bytes);
            multipart::Part { name: name.into(), body, ..multipart::Part::default() }
        };
        let is_verified = self.is_verified || mutant == "verified-always";
        let verified: &[u8] = if is_verified { b"true" } else { b"false" };
        let bytes = if mutant == "package-cut" { &self.bytes[..self.bytes.len() / 2] } else { &self.bytes };
        let context = multipart::Part {
            filename: Some(self.filename.clone()),
            kind: Some("application/octet-stream".into()),
            ..part(if mutant == "file-in-other-field" { "package" } else { "context" }, bytes)
        };
        let mut body = Payload::default();
        multipart::write(vec![context, part("verified", verified)], multipart::BOUNDARY, &mut body);
        (multipart::content_type(multipart::BOUNDARY), body.to_vec(&|_| None).unwrap_or_default())
    }

    /// The list of instances has come; whether a launch follows.
    pub(super) fn listed(&mut self, status: i64, body: &[u8], mutant: &str) -> bool {
        let Ok(list) = json::parse(body) else {
            if mutant == "no-json-launches" {
                return true;
            }
            self.fail("the list of instances is no JSON");
            return false;
        };
        if let Some(error) = list.get("error").and_then(Datum::as_inserted).filter(|error| !error.is_empty())
            && mutant != "instances-error-ignored"
        {
            self.fail(&error);
            return false;
        }
        let is_ignored = match mutant {
            "instances-status-ignored" => true,
            "not-found-launches" => status == 404,
            _ => false,
        };
        if status != 200 && !is_ignored {
            self.fail(&format!("the list of instances came with status {status}"));
            return false;
        }
        let items = list.get("items").or(list.get("Items"));
        let is_list = items.is_some_and(|items| items.as_array().is_some());
        if (mutant == "null-list-fails" && !is_list) || (mutant == "empty-list-fails" && is_list) {
            self.fail("there is no list of instances");
            return false;
        }
        let items = list.get("items").or(list.get("Items")).and_then(Datum::as_array).unwrap_or_default();
        let used = if mutant == "last-instance-used" { items.last() } else { items.first() };
        let Some(first) = used.filter(|_| mutant != "launches-always") else { return true };
        let text = |key: &str| first.get(key).and_then(Datum::as_inserted).unwrap_or_default();
        let (endpoint, name) = (text("Endpoint"), text("Name"));
        if endpoint.is_empty() && mutant != "empty-endpoint-installed" {
            self.fail("the instance has no endpoint");
            return false;
        }
        self.told = Some((endpoint, name));
        self.state = State::Success;
        false
    }

    /// An event of the launch; whether the installation is decided by it.
    pub(super) fn event(&mut self, event: &Datum, mutant: &str) -> bool {
        let text = |key: &str| event.get(key).and_then(Datum::as_inserted).unwrap_or_default();
        let (stage, state, message) = (text("Stage"), text("State"), text("Message"));
        match (stage.as_str(), state.as_str()) {
            (stage, state) if mutant == "unknown-stage-fails" && !is_known(stage, state) => {
                self.fail(&format!("{stage}/{state} is unknown"));
                true
            }
            (stage, "failed") if mutant == "failed-build-ignored" && stage == "build" => false,
            (_, "failed") if mutant == "success-after-failure" => {
                self.message = message;
                false
            }
            (_, "failed") => {
                self.fail(&match mutant {
                    "failure-without-message" => "failed".to_owned(),
                    "message-as-latin-1" => message.bytes().map(char::from).collect(),
                    _ => message,
                });
                true
            }
            ("run", "success") if mutant == "second-run-empties" && self.told.is_some() => {
                self.told = None;
                false
            }
            ("run", "success") => self.run(&message, mutant),
            ("end", "success") => {
                match &self.told {
                    _ if mutant == "never-succeeds" => self.fail("no"),
                    None if mutant == "end-is-enough" => self.state = State::Success,
                    None => self.fail("the launch ended without an endpoint"),
                    Some(_) => self.state = State::Success,
                }
                true
            }
            ("end", _) if mutant == "any-end-is-success" => {
                self.state = State::Success;
                true
            }
            ("end", other) => {
                self.fail(&format!("the launch ended with state {other:?}"));
                true
            }
            _ => false,
        }
    }

    fn run(&mut self, message: &str, mutant: &str) -> bool {
        if mutant == "empty-text-installs" && message.is_empty() {
            self.told = Some(Default::default());
            return false;
        }
        if mutant == "order-of-keys-matters" && !message.starts_with("endpoint=") {
            self.fail("the endpoint does not come first");
            return true;
        }
        if mutant == "value-is-cut" {
            let value = details(message).into_iter().find(|(key, _)| key == "endpoint");
            let url = value.map_or(String::new(), |(_, value)| value);
            self.told = Some((url.split('=').next().unwrap_or_default().into(), "f".into()));
            return false;
        }
        let text = Datum::text(message);
        let shape = if mutant == "comma-ends-value" { Ok(()) } else { check("plain-pairs", &text) };
        if let Err(why) = shape.and_then(|()| check("names-endpoint", &text)) {
            self.fail(&format!("run/success cannot be read: {why}: {message}"));
            return true;
        }
        if mutant == "keys-by-place" {
            let values: Vec<String> = details(message).into_iter().map(|(_, value)| value).collect();
            self.told = Some((values[0].clone(), values[1].clone()));
            return false;
        }
        let details = details(message);
        let value = |key: &str| {
            let found = details.iter().find(|(known, _)| known == key);
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        self.told = Some((value("endpoint"), value("name")));
        false
    }

    /// The response to the launch is over.
    pub(super) fn stream_ended(&mut self, status: i64, body: &str, mutant: &str) {
        match status {
            _ if mutant == "status-not-checked" => self.state = State::Success,
            300..=399 if mutant == "redirect-is-success" => self.state = State::Success,
            200 if mutant == "no-end-is-success" && self.told.is_some() => self.state = State::Success,
            200 => self.fail("the stream of the launch ended without `end`"),
            other if mutant == "status-not-told" => {
                self.fail(&format!("refused{}", " ".repeat(usize::from(other == 0))))
            }
            other => {
                let body: String = body.chars().take(1024).collect();
                self.fail(&format!("the launch was answered with status {other}: {body}"));
            }
        }
    }
}

/// Whether the document names this stage and this state.
fn is_known(stage: &str, state: &str) -> bool {
    STAGES.contains(&stage) && ["running", "success", "failed"].contains(&state)
}
