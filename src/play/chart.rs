//! The exchange as people read it: who said what when, in notation and in hex.

use std::collections::VecDeque;

use serde::Serialize;

use crate::actor::Nanos;
use crate::datum::{Datum, View, brief};

/// Most entries that are kept.
const KEPT: usize = 400;

/// One line of the exchange.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// When, in nanoseconds since the start of the case.
    pub at: Nanos,
    /// The lane.
    pub lane: String,
    /// `<` from the subject, `>` to it, `-` what happened to a wire or was done by us.
    pub way: char,
    /// What, in the notation, abbreviated.
    pub text: String,
    /// The bytes in hex, abbreviated; empty where there are none.
    pub hex: String,
}

/// The last part of an exchange.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chart {
    entries: VecDeque<Entry>,
    /// How many entries were dropped.
    pub dropped: usize,
}

impl Chart {
    /// The entries in order.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> + ExactSizeIterator {
        self.entries.iter()
    }

    pub(super) fn sent(&mut self, at: Nanos, lane: String, value: &Datum) {
        self.push(Entry { at, lane, way: '>', text: brief(value), hex: String::new() });
    }

    pub(super) fn did(&mut self, at: Nanos, lane: String, text: &str) {
        self.push(Entry { at, lane, way: '-', text: text.into(), hex: String::new() });
    }

    pub(super) fn came(&mut self, at: Nanos, lane: String, view: View<'_>, bytes: &[u8]) {
        let way = if view.kind == crate::datum::Kind::Message { '<' } else { '-' };
        self.push(Entry { at, lane, way, text: view.to_string(), hex: hex(bytes) });
    }

    fn push(&mut self, entry: Entry) {
        if self.entries.len() == KEPT {
            self.entries.pop_front();
            self.dropped += 1;
        }
        self.entries.push_back(entry);
    }
}

/// Up to 48 bytes in hex, in groups of four.
fn hex(bytes: &[u8]) -> String {
    const SHOWN: usize = 48;
    let groups: Vec<String> = bytes[..bytes.len().min(SHOWN)]
        .chunks(4)
        .map(|group| group.iter().map(|byte| format!("{byte:02x}")).collect())
        .collect();
    let more = if bytes.len() > SHOWN { format!(" … {} bytes", bytes.len()) } else { String::new() };
    groups.join(" ") + &more
}
