//! Disturbances of the wires; all but `cut` are such that a correct actor does not notice them.

use crate::actor::Nanos;

/// In how many pieces a write arrives at most.
const MOST_PIECES: usize = 4096;

/// How the wires of a simulation treat what is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Where writes are cut.
    pub chunking: Chunking,
    /// Writes that follow each other closely arrive as one.
    pub coalesce: bool,
    /// What each chunk takes longer than usual.
    pub delay: Nanos,
    /// A process dies after it has written so many bytes; what it wrote before arrives.
    pub cut: Option<u64>,
}

/// Where writes are cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Chunking {
    /// Nowhere.
    #[default]
    Whole,
    /// After every so many bytes; a long write in larger pieces, of which there are a few thousand.
    Each(usize),
    /// Once in the stream, after so many bytes.
    At(u64),
}

impl Faults {
    /// The pieces in which a write arrives; `sent` counts the bytes of the stream.
    pub fn cut<'a>(&self, bytes: &'a [u8], sent: &mut u64) -> Vec<&'a [u8]> {
        let start = *sent;
        *sent += bytes.len() as u64;
        match self.chunking {
            Chunking::Whole => vec![bytes],
            Chunking::Each(size) => bytes.chunks(size.max(bytes.len() / MOST_PIECES).max(1)).collect(),
            Chunking::At(place) if place > start && place < *sent => {
                let (before, after) = bytes.split_at((place - start) as usize);
                vec![before, after]
            }
            Chunking::At(_) => vec![bytes],
        }
    }
}
