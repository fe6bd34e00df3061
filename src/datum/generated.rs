//! Long values that are described instead of stored.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// About how many bytes are copied or compared at once.
const BLOCK: usize = 16 << 10;

/// A text or byte string given by a rule: `$gen(text, n)`, `$gen(bytes, n)`, `$gen(repeat, "xy", n)`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Generated {
    /// That many times the letter `a`.
    Text(u64),
    /// That many bytes; byte `k` is `k mod 251`.
    Bytes(u64),
    /// That many times this text.
    Repeat(String, u64),
    /// That many times these bytes.
    RepeatBytes(Vec<u8>, u64),
}

impl Generated {
    /// The length in bytes.
    pub fn len(&self) -> u64 {
        match self {
            Self::Text(n) | Self::Bytes(n) => *n,
            Self::Repeat(unit, n) => unit.len() as u64 * n,
            Self::RepeatBytes(unit, n) => unit.len() as u64 * n,
        }
    }

    /// Whether nothing is described.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// `text` or `bytes`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) | Self::Repeat(..) => "text",
            Self::Bytes(_) | Self::RepeatBytes(..) => "bytes",
        }
    }

    /// Appends `length` bytes from `start` on.
    pub fn copy(&self, start: u64, length: usize, out: &mut Vec<u8>) {
        let period = self.period();
        let phase = (start % period.len().max(1) as u64) as usize;
        out.reserve(length);
        // What was copied is copied again, twice as much each time while that is near.
        let (end, first) = (out.len() + length, out.len());
        let most = BLOCK.next_multiple_of(period.len().max(1));
        out.extend(period.iter().cycle().skip(phase).take(length.min(period.len())));
        while out.len() < end && out.len() > first {
            let copied = out.len() - first;
            out.extend_from_within(first..first + copied.min(most).min(end - out.len()));
        }
    }

    /// All of it, in memory.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.copy(0, self.len() as usize, &mut out);
        out
    }

    /// Whether `bytes` are exactly what is described, without building more of it than a block.
    pub fn equals(&self, bytes: &[u8]) -> bool {
        if bytes.len() as u64 != self.len() {
            return false;
        }
        let period = self.period().len().max(1);
        let mut block = Vec::new();
        self.copy(0, bytes.len().min(BLOCK.next_multiple_of(period)), &mut block);
        bytes.chunks(block.len().max(1)).all(|chunk| *chunk == block[..chunk.len()])
    }

    /// The bytes that come again and again.
    fn period(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Text(_) => Cow::Borrowed(b"a"),
            Self::Bytes(_) => Cow::Owned((0..251).collect()),
            Self::Repeat(unit, _) => Cow::Borrowed(unit.as_bytes()),
            Self::RepeatBytes(unit, _) => Cow::Borrowed(unit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_a_slice_of_the_whole() {
        let all = [
            Generated::Text(9),
            Generated::Bytes(600),
            Generated::Bytes(100_000),
            Generated::Repeat("xyz".into(), 5),
            Generated::RepeatBytes(vec![0xff, 7], 50_000),
        ];
        for generated in all {
            let whole = generated.to_vec();
            assert!(generated.equals(&whole));
            for (start, length) in [(4, 5), (0, 0), (3, 6)] {
                let mut part = b"before".to_vec();
                generated.copy(start, length, &mut part);
                assert_eq!(part[6..], whole[start as usize..start as usize + length]);
            }
        }
    }

    #[test]
    fn what_repeats_nothing_is_empty() {
        let nothing = Generated::Repeat(String::new(), 7);
        assert_eq!(nothing.to_vec(), b"");
        assert!(nothing.equals(b"") && !nothing.equals(b"x"));
    }

    #[test]
    fn another_byte_is_noticed() {
        let mut bytes = Generated::Bytes(300).to_vec();
        bytes[299] ^= 1;
        assert!(!Generated::Bytes(300).equals(&bytes));
        assert!(!Generated::Text(3).equals(b"aa"));
        for place in [0, 20_000, 49_999] {
            let mut bytes = Generated::Repeat("abé".into(), 12_500).to_vec();
            bytes[place] ^= 1;
            assert!(!Generated::Repeat("abé".into(), 12_500).equals(&bytes));
        }
    }
}
