//! The virtual wires.

use crate::actor::{ActId, Nanos, What, WireId};

/// What a link stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LinkKind {
    /// A connection.
    Socket,
    /// The standard streams of a process; side 0 is the parent.
    Process,
}

/// Two ends, each an actor and its name of the wire.
pub(super) struct Link {
    pub(super) ends: [(usize, WireId); 2],
    pub(super) kind: LinkKind,
    pub(super) closed: bool,
    /// Bytes that each side has sent.
    pub(super) sent: [u64; 2],
    shut: [bool; 2],
    last: [Nanos; 2],
}

impl Link {
    pub(super) fn new(a: (usize, WireId), b: (usize, WireId), kind: LinkKind) -> Self {
        Self { ends: [a, b], kind, closed: false, sent: [0; 2], shut: [false; 2], last: [0; 2] }
    }

    /// A time for the next delivery from a side, never before the one before.
    pub(super) fn next_time(&mut self, side: usize, wanted: Nanos) -> Nanos {
        self.last[side] = wanted.max(self.last[side]);
        self.last[side]
    }

    /// Shuts a side; tells whether it was open.
    pub(super) fn shut(&mut self, side: usize) -> bool {
        !std::mem::replace(&mut self.shut[side], true)
    }

    pub(super) fn is_shut(&self, side: usize) -> bool {
        self.shut[side]
    }

    /// Whether the reader on a side still takes bytes.
    pub(super) fn is_open(&self, _reader: usize) -> bool {
        !self.closed
    }
}

/// One actor's end of a link.
pub(super) struct End {
    pub(super) link: usize,
    pub(super) side: usize,
    pub(super) reading: bool,
    /// What came while it did not read.
    pub(super) held: Vec<What>,
    /// Who wrote that, and waits until it is read.
    pub(super) owed: Vec<(usize, ActId)>,
    /// The actor has closed it, so that it holds no descriptor any more.
    pub(super) released: bool,
}

impl End {
    pub(super) fn new(link: usize, side: usize) -> Self {
        Self { link, side, reading: true, held: Vec::new(), owed: Vec::new(), released: false }
    }
}
