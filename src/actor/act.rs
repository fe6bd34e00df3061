//! What an actor can ask for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Nanos, Part, Payload, Pieces, WireId};
use crate::actor::event::Exit;

/// An act with the number that its outcome refers to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Doing {
    /// Chosen by the actor, never used twice.
    pub id: ActId,
    /// What to do.
    pub act: Act,
}

/// The number of a doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ActId(pub u64);

/// What can be done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the variants say what their fields are")]
pub enum Act {
    /// Sets the one alarm to this time; the alarm that was set before is forgotten.
    Wake(Nanos),
    /// Listens; `over_stale` removes a socket file that nobody listens on, `mode` is that of a new one.
    Listen {
        wire: WireId,
        at: Address,
        over_stale: bool,
        #[serde(default = "everybody")]
        mode: u32,
    },
    /// Connects, or starts a process.
    Open { wire: WireId, to: Target },
    /// Queues bytes, to go out in these pieces.
    Write { wire: WireId, part: Part, bytes: Payload, pieces: Pieces },
    /// Closes.
    Close { wire: WireId, how: CloseHow },
    /// Stops or goes on reading.
    Flow { wire: WireId, reading: bool },
    /// Sends a signal to a process that we started.
    Signal { wire: WireId, signal: i32 },
    /// Ends: of `STDIO` our own process, of a relay's wire the relay.
    Exit { wire: WireId, status: Exit },
    /// Asks for the bytes of a file.
    Read { path: String },
    /// Writes files below a folder; a value of `None` is a folder.
    Store { dir: String, files: BTreeMap<String, Option<Payload>> },
    /// Removes a file or a folder with all that is in it.
    Remove { path: String },
    /// Asks what a process that we started is, and what it has started and opened.
    Inspect { wire: WireId, what: Inspect },
    /// Nothing more will be asked; the world may end.
    Finish,
}

/// The mode of a socket file to which whoever reaches its folder may connect: the other side often runs under another
/// account.
pub const EVERYBODY: u32 = 0o777;

fn everybody() -> u32 {
    EVERYBODY
}

/// Where a socket is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Address {
    /// `host:port`; port 0 lets the system choose.
    Tcp(String),
    /// The path of a Unix socket.
    Unix(String),
    /// The path of a Unix socket on which relays report (`plugfest relay`): each wire is a process's stdio.
    Relay(String),
}

/// What to open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the variants say what their fields are")]
pub enum Target {
    /// A connection.
    Connect { addr: Address, tls: bool },
    /// A child process; its environment is ours and these.
    Spawn { argv: Vec<String>, env: BTreeMap<String, String>, dir: Option<String> },
}

/// How to close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CloseHow {
    /// Our writing side, after what is queued.
    Write,
    /// Our reading side.
    Read,
    /// Both sides.
    Both,
    /// By a reset.
    Reset,
    /// A listener.
    Unlisten,
}

/// What to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Inspect {
    /// `{alive, zombie, rss, peak, cpu_ms, busy_ms, fds, children, listening}`; of an ended process what carries its marker.
    Process,
    /// The tree below the case's folder.
    Files,
}
