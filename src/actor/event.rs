//! What an actor is told.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{ActId, Address, Blob};
use crate::datum::Datum;

/// Time since the actor's start.
pub type Nanos = u64;

/// One second.
pub const SECOND: Nanos = 1_000_000_000;

/// Something that happened; `(at, seq)` orders all events of an actor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When the world delivered it.
    pub at: Nanos,
    /// Its number, from 0.
    pub seq: u64,
    /// What happened.
    pub what: What,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the variants say what their fields are")]
pub enum What {
    /// Once, first.
    Start { seed: u64, given: Given },
    /// The alarm of the last [`super::Act::Wake`] rings.
    Time,
    /// A listener is ready, at its true address.
    Listening { wire: WireId, at: Address },
    /// A wire carries bytes: one that we opened, or one accepted by the listener `from`.
    Opened { wire: WireId, from: Option<WireId>, peer: Peer },
    /// Bytes came.
    Bytes { wire: WireId, part: Part, bytes: Blob },
    /// They closed their writing side.
    Ended { wire: WireId, part: Part },
    /// Nothing passes any more.
    Closed { wire: WireId, how: ClosedHow },
    /// An act was done to its end.
    Written { act: ActId },
    /// An act could not be done; of its bytes `taken` were accepted.
    Failed { act: ActId, taken: u64, why: Why },
    /// A signal came: to us, or to a relay of ours.
    Signal { wire: WireId, signal: i32 },
    /// A process that we started has ended.
    Exited { wire: WireId, status: Exit },
    /// The answer to a `Read` or `Inspect`.
    Got { act: ActId, value: Value },
}

/// What an actor knows from its start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Given {
    /// Its command line, without the program.
    pub args: Vec<String>,
    /// Its environment, as far as it is told.
    pub env: BTreeMap<String, String>,
    /// Wall clock, seconds since 1970.
    pub wall: u64,
    /// Values that the world chose: `dir`, `socket`, `port` ..
    pub values: BTreeMap<String, String>,
}

/// A wire by the name that the actor gave it; one accepted on a listener by the listener's name and a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WireId {
    /// The number that the actor chose.
    pub name: u32,
    /// 0, or the how-manieth wire that the listener accepted, from 1.
    pub nth: u32,
}

impl WireId {
    /// An actor's own standard input, output and error.
    pub const STDIO: WireId = WireId::own(0);

    /// A wire that the actor names itself.
    pub const fn own(name: u32) -> Self {
        Self { name, nth: 0 }
    }

    /// The listener that accepted it, if one did.
    pub fn listener(self) -> Option<WireId> {
        (self.nth > 0).then_some(WireId::own(self.name))
    }
}

impl fmt::Display for WireId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.nth {
            0 => write!(f, "{}", self.name),
            nth => write!(f, "{}.{nth}", self.name),
        }
    }
}

impl Serialize for WireId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for WireId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (name, nth) = text.split_once('.').unwrap_or((&text, "0"));
        let number = |text: &str| text.parse().map_err(serde::de::Error::custom);
        Ok(Self { name: number(name)?, nth: number(nth)? })
    }
}

/// Which stream of a process; sockets have only `Main`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Standard input and output, or the one stream of a socket.
    Main,
    /// Standard error.
    Stderr,
}

/// Who is at the other end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the variants say what their fields are")]
pub enum Peer {
    /// A socket.
    Socket { addr: String },
    /// A process: one that we started, or the one in whose place a relay of ours runs.
    Process { argv: Vec<String>, env: BTreeMap<String, String>, pid: u32 },
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClosedHow {
    /// In order.
    Fin,
    /// Torn down.
    Reset,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// By itself, with this status.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// Why an act failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// Whose doing it is.
    pub failure: Failure,
    /// In words.
    pub text: String,
}

/// Whose doing a failure is, and of what kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Failure {
    /// The other side closed or refused: an observation.
    Peer,
    /// The command does not exist.
    NotFound,
    /// The command cannot be executed.
    NotExecutable,
    /// Something else that we could not do.
    Own,
}

/// The answer to a question about the world.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Value {
    /// The bytes of a file.
    File(Blob),
    /// What was looked at, as a value in the notation.
    Datum(#[serde(with = "as_notation")] Datum),
    /// It is not there, or could not be read.
    Missing(String),
}

mod as_notation {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::datum::{Datum, notation};

    pub fn serialize<S: Serializer>(datum: &Datum, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(datum)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Datum, D::Error> {
        let text = String::deserialize(deserializer)?;
        notation::parse_datum(&text).map_err(|error| serde::de::Error::custom(error.message))
    }
}
