//! What is particular to each protocol: its messages, its checks.
//!
//! One module each; this file only finds them by name.

pub mod apisix;
pub mod arcaflow;
#[cfg(test)]
mod captures;
pub mod dify_json;
pub mod dify_session;
pub mod dify_sri;
mod lanes;

use std::collections::BTreeSet;

use crate::actor::{Nanos, Payload};
use crate::codec::cbor::Cbor;
use crate::codec::lines::{JsonLines, TextLines, WholeText};
use crate::codec::{Codec, Malformed, Message};
use crate::datum::{Bindings, Compare, Datum, Kind, View};

/// A stateful check of a protocol: sees every message of its lanes, whoever takes it.
pub trait Watch: Send {
    /// Takes the next message or observation.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    fn see(&mut self, view: View<'_>, bindings: &Bindings) -> Result<(), String>;

    /// The time of what it sees next.
    fn turn_to(&mut self, _at: Nanos) {}

    /// The same, for a check that keeps the lanes apart.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    fn see_on(&mut self, _lane: usize, view: View<'_>, bindings: &Bindings) -> Result<(), String> {
        self.see(view, bindings)
    }

    /// Whether a message with which something is wrong is thereby told of, so that nobody takes it and it is not
    /// unexpected as well.
    fn speaks(&self) -> bool {
        false
    }
}

/// A sequence of exchanges whose inputs come from what the subject announced (`drive = NAME`): a turn of ours, what comes
/// of it, the next.
pub trait Drive: Send {
    /// Our next turn, or `None` when everything was tried.
    fn next(&mut self) -> Option<Turn>;

    /// Whether a message, or the end of the subject's process, is what our last turn waits for.
    fn knows(&self, view: View<'_>) -> bool;

    /// Takes what it knows.
    ///
    /// # Errors
    /// What is wrong with it.
    fn take(&mut self, view: View<'_>) -> Result<(), Flaw>;

    /// What was sent last, for a finding when nothing answers it.
    fn awaits(&self) -> String;

    /// What people should know of the whole: what could not be tried, and why.
    fn traits(&self) -> Vec<String>;
}

/// What a drive does next.
#[derive(Clone, Debug, PartialEq)]
pub enum Turn {
    /// It sends a message and waits for something.
    Send(Datum),
    /// It waits for something more.
    Wait,
    /// It sends this signal to the subject, and waits.
    Signal(i32),
    /// It starts the subject again, whose process has ended; the next turn comes when it runs.
    Start,
}

/// What is wrong with an answer to a drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// Which input it was: a part of the finding's identity.
    pub about: String,
    /// What is wrong, in words.
    pub message: String,
}

/// What a drive is told when it begins.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// The names that are bound.
    pub bindings: &'a Bindings,
    /// What the subject declares.
    pub capabilities: &'a BTreeSet<String>,
    /// The seed of everything that is drawn.
    pub seed: u64,
    /// The text that binds.
    pub profile: &'a str,
}

/// The drive behind `drive = NAME`.
///
/// # Errors
/// A name that the protocol does not have, or what cannot be driven.
pub fn drive(suite: &str, name: &str, setting: Setting<'_>) -> Result<Box<dyn Drive>, String> {
    match suite {
        "arcaflow" => arcaflow::drive(name, setting),
        _ => Err(format!("{suite} has no drive `{name}`")),
    }
}

/// The names of a suite's drives.
pub fn drives(suite: &str) -> &'static [&'static str] {
    match suite {
        "arcaflow" => &arcaflow::DRIVES,
        _ => &[],
    }
}

/// The codec of a lane.
pub fn codec(_suite: &str, name: &str) -> Option<Box<dyn Codec>> {
    Some(match name {
        "cbor" => Box::new(Cbor::default()),
        "json-lines" => Box::new(JsonLines::default()),
        "text-lines" => Box::new(TextLines::default()),
        "text" => Box::new(WholeText::default()),
        "apisix-gateway" => Box::new(apisix::Apisix::gateway_side().with_defaults()),
        "apisix-runner" => Box::new(apisix::Apisix::runner_side().with_defaults()),
        _ => return None,
    })
}

/// The names of all codecs that `suite.toml` can say.
pub const CODECS: [&str; 6] = ["apisix-gateway", "apisix-runner", "cbor", "json-lines", "text", "text-lines"];

/// The predicate behind `$check(NAME)`.
///
/// # Errors
/// What is wrong with the value, in words; also a name that the protocol does not have.
pub fn check(suite: &str, name: &str, datum: &Datum) -> Result<(), String> {
    match suite {
        "arcaflow" => arcaflow::check(name, datum),
        "dify-sri" => dify_sri::check(name, datum),
        "dify-session" => dify_session::check(name, datum),
        "dify-json" => dify_json::check(name, datum),
        _ => Err(format!("{suite} has no check `{name}`")),
    }
}

/// The stateful check behind a rule's `check`.
pub fn watch(suite: &str, name: &str) -> Option<Box<dyn Watch>> {
    match suite {
        "apisix" => apisix::watch(name),
        "arcaflow" => arcaflow::watch(name),
        "dify-sri" => dify_sri::watch(name),
        "dify-session" => dify_session::watch(name),
        "dify-json" => dify_json::watch(name),
        _ => None,
    }
}

/// The codec of a lane that carries no bytes.
pub struct Silence;

impl Codec for Silence {
    fn feed(&mut self, _: &[u8]) {}

    fn next(&mut self) -> Option<Result<Message, Malformed>> {
        None
    }

    fn finish(&mut self) -> Option<Malformed> {
        None
    }

    fn encode(&mut self, _: Kind, _: &Datum, _: &mut Payload) -> Result<(), String> {
        Err("this lane carries no messages".into())
    }

    fn compare(&self) -> Compare {
        Compare::ByValue
    }
}
