//! The exchange as people read it: who said what when, in notation and in hex.

use std::collections::VecDeque;
use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use super::said::Said;
use crate::actor::{Nanos, Payload, Piece};
use crate::datum::{Datum, Kind, brief};

/// Most entries that are kept.
const KEPT: usize = 400;

/// One line of the exchange.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// When, in nanoseconds since the start of the case.
    pub at: Nanos,
    /// The number of the event at which it happened; findings name it too.
    pub seq: u64,
    /// The lane.
    pub lane: String,
    /// `<` from the subject, `>` to it, `-` what happened to a wire or was done by us.
    pub way: char,
    /// What, in the notation, abbreviated.
    pub text: String,
    /// The bytes in hex, abbreviated; empty where there are none.
    pub hex: String,
}

impl Entry {
    /// Its text without the number that operations of a driver are counted with.
    pub fn says(&self) -> &str {
        says(&self.text)
    }
}

/// A text without the number that operations of a driver are counted with.
pub(super) fn says(text: &str) -> &str {
    let Some(rest) = text.strip_prefix("{\"id\": ") else { return text };
    rest.trim_start_matches(|digit: char| digit.is_ascii_digit())
}

/// The last part of an exchange.
#[derive(Debug, Default)]
pub struct Chart {
    notes: VecDeque<Note>,
    /// The time and number of the event that is being taken.
    now: (Nanos, u64),
}

/// What becomes an [`Entry`] if somebody reads it; most exchanges nobody ever reads.
#[derive(Debug)]
struct Note {
    at: Nanos,
    seq: u64,
    lane: String,
    way: char,
    said: Said,
    bytes: Start,
}

impl Note {
    fn entry(&self) -> Entry {
        let Note { at, seq, way, .. } = *self;
        Entry {
            at,
            seq,
            lane: self.lane.clone(),
            way,
            text: self.said.to_string(),
            hex: self.bytes.to_string(),
        }
    }
}

impl Chart {
    /// The entries in order.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = Entry> + ExactSizeIterator {
        self.notes.iter().map(Note::entry)
    }

    /// What is noted from here on happens at this event.
    pub(super) fn turn_to(&mut self, at: Nanos, seq: u64) {
        self.now = (at, seq);
    }

    pub(super) fn sent(&mut self, lane: String, value: &Datum) {
        self.push(lane, '>', Said::Text(brief(value).into()), Start::default());
    }

    /// The bytes of what was sent last on this lane.
    pub(super) fn wrote(&mut self, lane: &str, bytes: &Payload) {
        let last = self.notes.iter_mut().rev().take_while(|note| note.seq == self.now.1);
        if let Some(note) = last.into_iter().find(|note| note.way == '>' && note.lane == lane)
            && note.bytes.shown.is_empty()
            && let Some(Piece::Bytes(blob)) = bytes.pieces().first()
            && !blob.0.is_empty()
        {
            note.bytes = Start { size: bytes.len(), ..Start::of(&blob.0) };
        }
    }

    pub(super) fn did(&mut self, lane: String, text: &str) {
        self.push(lane, '-', Said::Text(text.into()), Start::default());
    }

    pub(super) fn came(&mut self, lane: String, kind: Kind, said: Said, bytes: Start) {
        let way = if kind == Kind::Message { '<' } else { '-' };
        self.push(lane, way, said, bytes);
    }

    /// Makes room: of the first notes go those that their lane says again, else the very first.
    fn thin(&mut self) {
        const LOOKED_AT: usize = 64;
        const VERY_FIRST: usize = 8;
        let said_again = |at: usize| {
            let note = &self.notes[at];
            let mut later = self.notes.iter().skip(at + 1).take(LOOKED_AT);
            let next = later.find(|later| later.lane == note.lane && later.way == note.way);
            note.way != '-' && next.is_some_and(|next| next.said.is_again(&note.said))
        };
        let first = LOOKED_AT.min(self.notes.len());
        let mut leave: Vec<bool> = (0..first).map(said_again).collect();
        if !leave.contains(&true) {
            leave.iter_mut().take(VERY_FIRST).for_each(|leaves| *leaves = true);
        }
        let mut leave = leave.into_iter();
        self.notes.retain(|_| !leave.next().unwrap_or(false));
    }

    fn push(&mut self, lane: String, way: char, said: Said, bytes: Start) {
        if self.notes.len() == KEPT {
            self.thin();
        }
        let (at, seq) = self.now;
        self.notes.push_back(Note { at, seq, lane, way, said, bytes });
    }
}

/// The first bytes of a message, and how many it has.
#[derive(Debug, Default)]
pub(super) struct Start {
    shown: Vec<u8>,
    size: u64,
}

impl Start {
    pub(super) fn of(bytes: &[u8]) -> Self {
        const SHOWN: usize = 160;
        Self { shown: bytes[..bytes.len().min(SHOWN)].to_vec(), size: bytes.len() as u64 }
    }
}

/// In hex, in groups of four.
impl Display for Start {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (nth, group) in self.shown.chunks(4).enumerate() {
            f.write_str(if nth > 0 { " " } else { "" })?;
            group.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        }
        match self.size > self.shown.len() as u64 {
            true => write!(f, " … {} bytes", self.size),
            false => Ok(()),
        }
    }
}
