//! What a lane may carry besides messages.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A message, or an observation of what happened to the wire or the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A message of the protocol.
    Message,
    /// `$opened(P)`: a connection was accepted (`{addr}`) or a process started (`{argv, env, pid}`).
    Opened,
    /// `$head(P)`: the head of an HTTP request or response.
    Head,
    /// `$end`: they closed their writing side; of HTTP: the body ended.
    End,
    /// `$closed`: nothing passes any more, ended in order.
    Closed,
    /// `$reset`: nothing passes any more, torn down.
    Reset,
    /// `$exit(n)`: the process ended with a status.
    Exit,
    /// `$signalled(n)`: the process was ended by a signal.
    Signalled,
    /// `$broken(n)`: they took n bytes of an act, then no more.
    Broken,
    /// `$malformed`: bytes that are no message.
    Malformed,
}

impl Kind {
    /// Every kind that has a name in the notation.
    pub const OBSERVATIONS: [Kind; 9] = [
        Kind::Opened,
        Kind::Head,
        Kind::End,
        Kind::Closed,
        Kind::Reset,
        Kind::Exit,
        Kind::Signalled,
        Kind::Broken,
        Kind::Malformed,
    ];

    /// The name in the notation, without `$`; `message` for messages.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Message => "message",
            Kind::Opened => "opened",
            Kind::Head => "head",
            Kind::End => "end",
            Kind::Closed => "closed",
            Kind::Reset => "reset",
            Kind::Exit => "exit",
            Kind::Signalled => "signalled",
            Kind::Broken => "broken",
            Kind::Malformed => "malformed",
        }
    }

    /// The observation with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::OBSERVATIONS.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Message => f.write_str("a message"),
            other => write!(f, "${}", other.name()),
        }
    }
}
