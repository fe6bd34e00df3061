//! The laws of codecs, as functions that tests and fuzz targets call.

use proptest::prelude::*;
use proptest::sample::Index;

use super::{Codec, Malformed, Message, json};
use crate::datum::Datum;

/// All that a codec gave for a stream.
#[derive(Debug, Default, PartialEq)]
pub struct Decoded {
    /// The messages in order.
    pub messages: Vec<Message>,
    /// What was malformed, in order.
    pub malformed: Vec<Malformed>,
    /// What was wrong with the end.
    pub end: Option<Malformed>,
}

/// Feeds a stream in these pieces.
pub fn decode_all<'a>(codec: &mut dyn Codec, pieces: impl IntoIterator<Item = &'a [u8]>) -> Decoded {
    let mut decoded = Decoded::default();
    for piece in pieces {
        codec.feed(piece);
        drain(codec, &mut decoded);
    }
    decoded.end = codec.finish();
    drain(codec, &mut decoded);
    decoded
}

fn drain(codec: &mut dyn Codec, decoded: &mut Decoded) {
    while let Some(result) = codec.next() {
        match result {
            Ok(message) => decoded.messages.push(message),
            Err(malformed) => decoded.malformed.push(malformed),
        }
    }
}

/// The first law: whole, byte by byte or cut anywhere, a stream gives the same.
///
/// # Errors
/// The cut that gave something else.
pub fn chunk_invariance(
    codec: &dyn Fn() -> Box<dyn Codec>,
    bytes: &[u8],
    cuts: &[Index],
) -> Result<(), TestCaseError> {
    let whole = decode_all(&mut *codec(), [bytes]);
    let single = decode_all(&mut *codec(), bytes.chunks(1));
    prop_assert_eq!(&whole, &single, "byte by byte");
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    let pieces = places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]);
    prop_assert_eq!(&whole, &decode_all(&mut *codec(), pieces), "cut at {:?}", places);
    Ok(())
}

/// What serde_json reads of a line.
pub fn oracle(line: &[u8]) -> Option<Datum> {
    let value: serde_json::Value = serde_json::from_slice(line).ok()?;
    json::parse(&serde_json::to_vec(&value).ok()?).ok()
}

/// Of the same key twice only the last, as serde_json's own values have it.
pub fn last_of_twins(datum: &Datum) -> Datum {
    match datum {
        Datum::Array(items, _) => Datum::array(items.iter().map(last_of_twins).collect::<Vec<_>>()),
        Datum::Map(entries, _) => {
            let mut kept = std::collections::BTreeMap::new();
            for (key, value) in entries.iter() {
                kept.insert(key.as_text().unwrap_or_default().into_owned(), last_of_twins(value));
            }
            Datum::map(kept)
        }
        other => other.clone(),
    }
}
