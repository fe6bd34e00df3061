//! Bytes to send, and bytes as transcripts write them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::codec::Sink;
use crate::datum::Generated;

/// From how many bytes on a run is long.
const LONG: usize = 4096;

/// Bytes; a transcript shows them as text where they are, and as base64 where they are not.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Blob(pub Vec<u8>);

impl std::fmt::Debug for Blob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

/// The form of a [`Blob`] in a transcript.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Shown<T> {
    Text(T),
    Base64(String),
}

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => Shown::Text(text).serialize(serializer),
            Err(_) => Shown::<&str>::Base64(STANDARD.encode(&self.0)).serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Shown::<String>::deserialize(deserializer)? {
            Shown::Text(text) => Ok(Blob(text.into_bytes())),
            Shown::Base64(text) => STANDARD.decode(text).map(Blob).map_err(serde::de::Error::custom),
        }
    }
}

/// A run of bytes to send.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Piece {
    /// These bytes.
    Bytes(Blob),
    /// Bytes by a rule; a transcript keeps the rule, not the bytes.
    Gen(Generated),
    /// The bytes of a package of the suite; the shell knows them.
    Package(String),
}

impl Piece {
    /// How many bytes it is; none where only the shell knows.
    fn len(&self) -> usize {
        match self {
            Piece::Bytes(blob) => blob.0.len(),
            Piece::Gen(generated) => generated.len() as usize,
            Piece::Package(_) => 0,
        }
    }
}

/// In which pieces a write goes out, each after the reader took the one before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pieces {
    /// In one.
    #[default]
    Whole,
    /// Each of this size.
    Each(u64),
    /// Of these sizes, then the rest in one.
    Sizes(Vec<u64>),
}

impl Pieces {
    /// Cuts bytes; no piece is empty.
    pub fn cut<'a>(&self, mut bytes: &'a [u8]) -> Vec<&'a [u8]> {
        let mut pieces = Vec::new();
        match self {
            Pieces::Whole => {}
            Pieces::Each(size) => pieces.extend(std::mem::take(&mut bytes).chunks((*size).max(1) as usize)),
            Pieces::Sizes(sizes) => {
                for size in sizes {
                    let (piece, rest) = bytes.split_at((*size as usize).min(bytes.len()));
                    pieces.push(piece);
                    bytes = rest;
                }
            }
        }
        pieces.push(bytes);
        pieces.retain(|piece| !piece.is_empty());
        pieces
    }

    /// How often it cuts so many bytes, at most.
    pub fn cuts(&self, bytes: u64) -> u64 {
        match self {
            Pieces::Whole => 0,
            Pieces::Each(size) => bytes / (*size).max(1),
            Pieces::Sizes(sizes) => sizes.len() as u64,
        }
    }
}

/// Bytes to send, long runs by their rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Payload {
    pieces: Vec<Piece>,
}

impl Payload {
    /// The runs in order.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// How many bytes it has, those of packages left out.
    pub fn len(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.len() as u64).sum()
    }

    /// Appends the bytes of a package.
    pub fn package(&mut self, name: &str) {
        self.pieces.push(Piece::Package(name.into()));
    }

    /// Appends another payload.
    pub fn append(&mut self, other: Payload) {
        for piece in other.pieces {
            match piece {
                Piece::Bytes(blob) => self.bytes(&blob.0),
                other => self.pieces.push(other),
            }
        }
    }

    /// How many bytes it keeps in memory.
    pub(crate) fn held(&self) -> usize {
        let held = |piece: &Piece| if let Piece::Bytes(blob) = piece { blob.0.len() } else { 0 };
        self.pieces.iter().map(held).sum()
    }

    /// All bytes, given those of the packages.
    ///
    /// # Errors
    /// The name of a package that `package` does not know.
    pub fn to_vec(&self, package: &dyn Fn(&str) -> Option<Vec<u8>>) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::with_capacity(self.pieces.iter().map(Piece::len).sum());
        for piece in &self.pieces {
            match piece {
                Piece::Bytes(blob) => bytes.extend_from_slice(&blob.0),
                Piece::Gen(generated) => bytes.generated(generated),
                Piece::Package(name) => bytes.extend(package(name).ok_or_else(|| name.clone())?),
            }
        }
        Ok(bytes)
    }

    /// As [`Self::to_vec`]; what is whole already is not copied.
    ///
    /// # Errors
    /// The name of a package that `package` does not know.
    pub fn into_vec(mut self, package: &dyn Fn(&str) -> Option<Vec<u8>>) -> Result<Vec<u8>, String> {
        match self.pieces.as_mut_slice() {
            [Piece::Bytes(blob)] => Ok(std::mem::take(&mut blob.0)),
            _ => self.to_vec(package),
        }
    }
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        Self { pieces: if bytes.is_empty() { Vec::new() } else { vec![Piece::Bytes(Blob(bytes))] } }
    }
}

impl Sink for Payload {
    fn bytes(&mut self, bytes: &[u8]) {
        match self.pieces.last_mut() {
            Some(Piece::Bytes(blob)) => {
                // Twice the room, as vectors take it, is much where nothing but an end will follow.
                if bytes.len() > blob.0.len().max(LONG) {
                    blob.0.reserve_exact(bytes.len() + LONG);
                }
                blob.0.extend_from_slice(bytes);
            }
            _ if bytes.is_empty() => {}
            _ => self.pieces.push(Piece::Bytes(Blob(bytes.to_vec()))),
        }
    }

    fn generated(&mut self, generated: &Generated) {
        if generated.len() < 1024 {
            return self.bytes(&generated.to_vec());
        }
        self.pieces.push(Piece::Gen(generated.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_its_runs_in_order_however_it_is_taken() {
        let mut payload = Payload::default();
        assert_eq!(payload.clone().into_vec(&|_| None), Ok(Vec::new()));
        payload.bytes(b"ab");
        payload.bytes(&[b'c'; 2 * LONG]);
        assert_eq!(payload.clone().into_vec(&|_| None), payload.to_vec(&|_| None));
        payload.generated(&Generated::Text(2 * LONG as u64));
        payload.package("p");
        let whole = payload.to_vec(&|name| Some(name.into())).unwrap();
        assert_eq!(whole, [&b"ab"[..], &[b'c'; 2 * LONG], &[b'a'; 2 * LONG], b"p"].concat());
        assert_eq!(payload.clone().into_vec(&|name| Some(name.into())), Ok(whole));
        assert_eq!(payload.into_vec(&|_| None), Err("p".into()));
    }

    #[test]
    fn nothing_is_cut_more_often_than_told() {
        let sizes = |sizes: &[u64]| Pieces::Sizes(sizes.to_vec());
        let (each, some) =
            ([Pieces::Each(0), Pieces::Each(1), Pieces::Each(3)], [sizes(&[]), sizes(&[1, 0, 2])]);
        for pieces in each.into_iter().chain(some).chain([Pieces::Whole]) {
            for length in [1, 2, 3, 6, 7] {
                let cuts = pieces.cut(&vec![0; length]).len() as u64 - 1;
                let most = pieces.cuts(length as u64);
                assert!((cuts..=cuts + 3).contains(&most), "{pieces:?}: {length} bytes, {most} of {cuts}");
            }
        }
    }

    #[test]
    fn bytes_are_kept_exactly() {
        for bytes in [b"text\n\0".to_vec(), vec![0xff, 0x00, 0xc3]] {
            let json = serde_json::to_string(&Blob(bytes.clone())).unwrap();
            assert_eq!(serde_json::from_str::<Blob>(&json).unwrap(), Blob(bytes));
        }
    }
}
