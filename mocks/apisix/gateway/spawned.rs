//! A runner that the gateway starts itself, and starts again when it ends (`init.lua` lines 918-1021).

use std::collections::BTreeMap;

use super::caller::Moment;
use crate::actor::{Act, ActId, Exit, Nanos, Part, SECOND, Target, What, WireId};

/// How long after its end it is started again.
const REST: Nanos = 3 * SECOND;
/// How long it may take to end when the gateway stops.
const GRACE: Nanos = SECOND;

/// The runner that is ours, if there is one.
#[derive(Default)]
pub(super) struct Spawned {
    pub mutant: String,
    pub argv: Vec<String>,
    /// The environment that it gets beside its address and expiry.
    pub env: BTreeMap<String, String>,
    wire: Option<WireId>,
    act: Option<ActId>,
    again: Option<Nanos>,
    /// Since it was told to end: when it is killed.
    stopping: Option<Nanos>,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum News {
    /// Nothing that concerns others.
    None,
    /// It ended: its tokens mean nothing any more.
    Ended(String),
    /// It ended because the gateway stops.
    Stopped,
    /// It could not be started.
    Failed(String),
}

impl Spawned {
    /// A runner with this command, if it is one.
    pub fn new(mutant: &str, argv: Vec<String>) -> Self {
        Self { mutant: mutant.into(), argv, ..Self::default() }
    }

    /// Starts it, if there is a command.
    pub fn start(&mut self, socket: &str, at: &mut Moment<'_, '_>) {
        if self.argv.is_empty() {
            return;
        }
        let wire = at.wires.next();
        let mut env = self.env.clone();
        let expiry = if self.mutant == "no-expiry-for-the-runner" { None } else { Some("3600") };
        let prefix = if self.mutant == "address-without-prefix" { "" } else { "unix:" };
        env.insert("APISIX_LISTEN_ADDRESS".into(), format!("{prefix}{socket}"));
        env.extend(expiry.map(|expiry| ("APISIX_CONF_EXPIRE_TIME".to_owned(), expiry.to_owned())));
        let to = Target::Spawn { argv: self.argv.clone(), env, dir: None };
        self.act = Some(at.out.act(Act::Open { wire, to }));
        (self.wire, self.again) = (Some(wire), None);
    }

    /// Takes what happened to it; `None` if it was not to it. What it says is passed on to our standard error.
    pub fn take(&mut self, what: &What, at: &mut Moment<'_, '_>) -> Option<News> {
        match what {
            What::Bytes { wire, bytes, .. } if Some(*wire) == self.wire => {
                let bytes = crate::actor::Payload::from(bytes.0.clone());
                let pieces = crate::actor::Pieces::Whole;
                at.out.act(Act::Write { wire: WireId::STDIO, part: Part::Stderr, bytes, pieces });
            }
            What::Exited { wire, status } if Some(*wire) == self.wire => {
                self.wire = None;
                if self.stopping.is_some() {
                    return Some(News::Stopped);
                }
                if self.mutant != "runner-is-not-started-again" {
                    self.again = Some(at.now + REST);
                }
                let how = match status {
                    Exit::Code(code) => format!("with status {code}"),
                    Exit::Signal(signal) => format!("by signal {signal}"),
                };
                return Some(News::Ended(format!("the runner ended {how}; it is started again in 3 s")));
            }
            What::Failed { act, why, .. } if Some(*act) == self.act => {
                self.wire = None;
                return Some(News::Failed(why.text.clone()));
            }
            What::Opened { wire, .. } | What::Ended { wire, .. } if Some(*wire) == self.wire => {}
            _ => return None,
        }
        Some(News::None)
    }

    /// Tells it to end; false if there is none.
    pub fn stop(&mut self, at: &mut Moment<'_, '_>) -> bool {
        let Some(wire) = self.wire else { return false };
        if self.stopping.is_none() {
            self.stopping = Some(at.now + GRACE);
            let signal = if self.mutant == "runner-is-killed-at-once" { 9 } else { 15 };
            at.out.act(Act::Signal { wire, signal });
        }
        true
    }

    /// Whether it was started and has not ended.
    pub fn is_running(&self) -> bool {
        self.wire.is_some()
    }

    pub fn deadline(&self) -> Option<Nanos> {
        self.stopping.or(self.again)
    }

    /// Starts it again, or ends it for good.
    pub fn time(&mut self, socket: &str, at: &mut Moment<'_, '_>) {
        if self.again.is_some_and(|again| again <= at.now) {
            self.start(socket, at);
        }
        if let (Some(wire), Some(true)) = (self.wire, self.stopping.map(|end| end <= at.now)) {
            self.stopping = Some(at.now + GRACE);
            at.out.act(Act::Signal { wire, signal: 9 });
        }
    }
}
