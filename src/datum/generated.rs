//! Long values that are described instead of stored.

use serde::{Deserialize, Serialize};

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
        match self {
            Self::Text(_) => out.resize(out.len() + length, b'a'),
            Self::Bytes(_) => out.extend((start..start + length as u64).map(|k| (k % 251) as u8)),
            Self::Repeat(unit, _) => cycle(unit.as_bytes(), start, length, out),
            Self::RepeatBytes(unit, _) => cycle(unit, start, length, out),
        }
    }

    /// All of it, in memory.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.len() as usize);
        self.copy(0, self.len() as usize, &mut out);
        out
    }

    /// Whether `bytes` are exactly what is described, without building it.
    pub fn equals(&self, bytes: &[u8]) -> bool {
        if bytes.len() as u64 != self.len() {
            return false;
        }
        match self {
            Self::Text(_) => bytes.iter().all(|byte| *byte == b'a'),
            Self::Bytes(_) => bytes.iter().enumerate().all(|(k, byte)| *byte == (k % 251) as u8),
            Self::Repeat(unit, _) => {
                bytes.chunks_exact(unit.len().max(1)).all(|chunk| chunk == unit.as_bytes())
            }
            Self::RepeatBytes(unit, _) => bytes.chunks_exact(unit.len().max(1)).all(|chunk| chunk == unit),
        }
    }
}

fn cycle(unit: &[u8], start: u64, length: usize, out: &mut Vec<u8>) {
    if unit.is_empty() {
        return;
    }
    let phase = (start % unit.len() as u64) as usize;
    out.extend(unit.iter().cycle().skip(phase).take(length));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_a_slice_of_the_whole() {
        for generated in [Generated::Text(9), Generated::Bytes(600), Generated::Repeat("xyz".into(), 5)] {
            let whole = generated.to_vec();
            assert!(generated.equals(&whole));
            let mut part = Vec::new();
            generated.copy(4, 5, &mut part);
            assert_eq!(part, whole[4..9]);
        }
    }

    #[test]
    fn another_byte_is_noticed() {
        let mut bytes = Generated::Bytes(300).to_vec();
        bytes[299] ^= 1;
        assert!(!Generated::Bytes(300).equals(&bytes));
        assert!(!Generated::Text(3).equals(b"aa"));
    }
}
