//! Lines of JSON that hold messages of a protocol, and streams of them that are damaged a little.

use proptest::prelude::*;
use proptest::sample::Index;

use super::cbor::damaged;
use crate::codec::json::encode;
use crate::datum::Datum;

/// A map with these keys in order; `None` leaves one out.
pub(super) fn map(entries: Vec<(&'static str, Option<Datum>)>) -> Datum {
    Datum::map(entries.into_iter().filter_map(|(key, value)| Some((key, value?))))
}

/// A message with one thing wrong: a key left out, or a value of another kind.
pub(super) fn nearly(valid: impl Strategy<Value = Datum>) -> impl Strategy<Value = Datum> {
    let other = prop_oneof![
        Just(Datum::Null),
        Just(Datum::from(-1_i64)),
        Just(Datum::text("")),
        Just(Datum::array([])),
        Just(Datum::map(Vec::<(&str, Datum)>::new())),
    ];
    (valid, any::<Index>(), prop::option::of(other)).prop_map(|(datum, place, other)| {
        let Datum::Map(mut entries, head) = datum else { return datum };
        if !entries.is_empty() {
            let at = place.index(entries.len());
            match other {
                Some(other) => entries[at].1 = other,
                None => drop(entries.remove(at)),
            }
        }
        Datum::Map(entries, head)
    })
}

/// Messages, one a line.
pub(super) fn lines(message: impl Strategy<Value = Datum>) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(message, 0..6).prop_map(|messages| {
        let mut bytes = Vec::new();
        for message in messages {
            encode(&message, &mut bytes).expect("messages of the protocol are JSON");
            bytes.push(b'\n');
        }
        bytes
    })
}

/// Streams of which some bytes are changed, added or missing.
pub(super) fn near(stream: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let damage = prop::collection::vec((any::<Index>(), any::<u8>(), 0..3_u8), 1..4);
    (stream, damage).prop_map(|(bytes, damage)| damaged(bytes, damage))
}
