//! The exchange as people read it: who said what when, in notation and in hex.

use std::collections::VecDeque;

use serde::Serialize;

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
        let Some(rest) = self.text.strip_prefix("{\"id\": ") else { return &self.text };
        rest.trim_start_matches(|digit: char| digit.is_ascii_digit())
    }
}

/// The last part of an exchange.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chart {
    entries: VecDeque<Entry>,
    /// The time and number of the event that is being taken.
    now: (Nanos, u64),
    /// How many entries were dropped.
    pub dropped: usize,
}

impl Chart {
    /// The entries in order.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> + ExactSizeIterator {
        self.entries.iter()
    }

    /// What is noted from here on happens at this event.
    pub(super) fn turn_to(&mut self, at: Nanos, seq: u64) {
        self.now = (at, seq);
    }

    pub(super) fn sent(&mut self, lane: String, value: &Datum) {
        self.push(lane, '>', brief(value), String::new());
    }

    /// The bytes of what was sent last on this lane.
    pub(super) fn wrote(&mut self, lane: &str, bytes: &Payload) {
        let last = self.entries.iter_mut().rev().take_while(|entry| entry.seq == self.now.1);
        if let Some(entry) = last.into_iter().find(|entry| entry.way == '>' && entry.lane == lane) {
            let start = match bytes.pieces().first() {
                Some(Piece::Bytes(blob)) => &blob.0[..],
                _ => &[],
            };
            if entry.hex.is_empty() && !start.is_empty() {
                entry.hex = hex(start, bytes.len());
            }
        }
    }

    pub(super) fn did(&mut self, lane: String, text: &str) {
        self.push(lane, '-', text.into(), String::new());
    }

    pub(super) fn came(&mut self, lane: String, kind: Kind, text: String, hex: String) {
        let way = if kind == Kind::Message { '<' } else { '-' };
        self.push(lane, way, text, hex);
    }

    /// Makes room: of the first entries go those that their lane says again, else the very first.
    fn thin(&mut self) {
        const LOOKED_AT: usize = 64;
        const VERY_FIRST: usize = 8;
        let said_again = |at: usize| {
            let entry = &self.entries[at];
            let mut later = self.entries.iter().skip(at + 1).take(LOOKED_AT);
            let next = later.find(|later| later.lane == entry.lane && later.way == entry.way);
            entry.way != '-' && next.is_some_and(|next| next.says() == entry.says())
        };
        let first = LOOKED_AT.min(self.entries.len());
        let mut leave: Vec<bool> = (0..first).map(said_again).collect();
        if !leave.contains(&true) {
            leave.iter_mut().take(VERY_FIRST).for_each(|leaves| *leaves = true);
        }
        let (mut leave, before) = (leave.into_iter(), self.entries.len());
        self.entries.retain(|_| !leave.next().unwrap_or(false));
        self.dropped += before - self.entries.len();
    }

    fn push(&mut self, lane: String, way: char, text: String, hex: String) {
        if self.entries.len() == KEPT {
            self.thin();
        }
        let (at, seq) = self.now;
        self.entries.push_back(Entry { at, seq, lane, way, text, hex });
    }
}

/// What a chart shows of the bytes of a message.
pub(super) fn hex_of(bytes: &[u8]) -> String {
    hex(bytes, bytes.len() as u64)
}

/// The first bytes in hex, in groups of four, of so many in all.
fn hex(bytes: &[u8], size: u64) -> String {
    const SHOWN: usize = 160;
    let shown = &bytes[..bytes.len().min(SHOWN)];
    let digit = |half: u8| char::from(b"0123456789abcdef"[usize::from(half)]);
    let mut text = String::with_capacity(shown.len() * 9 / 4);
    for (at, byte) in shown.iter().enumerate() {
        if at > 0 && at % 4 == 0 {
            text.push(' ');
        }
        text.extend([digit(byte >> 4), digit(byte & 15)]);
    }
    if size > shown.len() as u64 {
        text += &format!(" … {size} bytes");
    }
    text
}
