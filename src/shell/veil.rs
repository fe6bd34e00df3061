//! Between the world and the actor: what comes in has its secrets hidden, what is started gets them.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::actor::{Blob, Part, Peer, Value, What, Why, WireId};
use crate::secret::{Incoming, Secrets};

/// How long a stream that may be within a secret is waited for, while what is held back is short.
const PAUSE: Duration = Duration::from_millis(20);

/// The streams of a shell.
pub(super) struct Veil {
    secrets: Secrets,
    streams: BTreeMap<(WireId, Part), Incoming>,
    due: Option<Instant>,
}

impl Veil {
    pub(super) fn new(secrets: &Secrets) -> Self {
        Self { secrets: secrets.clone(), streams: BTreeMap::new(), due: None }
    }

    /// When bytes that are held back are told all the same.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// The same event as the actor may know it; none while its bytes may be part of a secret.
    pub(super) fn inward(&mut self, what: What) -> Vec<What> {
        if self.secrets.is_empty() {
            return vec![what];
        }
        match what {
            What::Bytes { wire, part, bytes } => {
                let stream = self.streams.entry((wire, part)).or_default();
                let free = stream.take(&self.secrets, bytes.0);
                self.due = self.due.or_else(|| stream.waits().then(|| Instant::now() + PAUSE));
                told(wire, part, free).into_iter().collect()
            }
            What::Ended { wire, part } => self.ended(wire, &[part], what),
            What::Closed { wire, .. } => self.ended(wire, &[Part::Main, Part::Stderr], what),
            What::Exited { wire, .. } => self.ended(wire, &[Part::Stderr], what),
            What::Opened { wire, from, peer: Peer::Process { argv, env, pid } } => {
                let argv = argv.iter().map(|word| self.secrets.hidden(word)).collect();
                let env = env.into_iter().map(|(name, value)| (name, self.secrets.hidden(&value))).collect();
                vec![What::Opened { wire, from, peer: Peer::Process { argv, env, pid } }]
            }
            What::Failed { act, taken, why } => {
                let text = self.secrets.hidden(&why.text);
                vec![What::Failed { act, taken, why: Why { text, ..why } }]
            }
            What::Got { act, value } => vec![What::Got { act, value: self.value(value) }],
            other => vec![other],
        }
    }

    fn ended(&mut self, wire: WireId, parts: &[Part], what: What) -> Vec<What> {
        let mut events = Vec::new();
        for part in parts {
            if let Some(mut stream) = self.streams.remove(&(wire, *part)) {
                events.extend(told(wire, *part, stream.end(&self.secrets)));
            }
        }
        events.push(what);
        events
    }

    fn value(&self, value: Value) -> Value {
        match value {
            Value::File(Blob(mut bytes)) => {
                self.secrets.hide(&mut bytes);
                Value::File(Blob(bytes))
            }
            Value::Datum(datum) => Value::Datum(self.secrets.hidden_in(&datum)),
            Value::Missing(why) => Value::Missing(self.secrets.hidden(&why)),
        }
    }

    /// The streams have paused: what is short is told.
    pub(super) fn pause(&mut self) -> Vec<What> {
        self.due = None;
        let free = self.streams.iter_mut().map(|((wire, part), stream)| (*wire, *part, stream.pause()));
        free.filter_map(|(wire, part, bytes)| told(wire, part, bytes)).collect()
    }

    /// A command and an environment as the world gets them.
    pub(super) fn outward(
        &self,
        argv: &[String],
        env: &BTreeMap<String, String>,
    ) -> (Vec<String>, BTreeMap<String, String>) {
        let argv = argv.iter().map(|word| self.secrets.revealed(word)).collect();
        let env = env.iter().map(|(name, value)| (name.clone(), self.secrets.revealed(value))).collect();
        (argv, env)
    }
}

fn told(wire: WireId, part: Part, bytes: Vec<u8>) -> Option<What> {
    (!bytes.is_empty()).then_some(What::Bytes { wire, part, bytes: Blob(bytes) })
}
