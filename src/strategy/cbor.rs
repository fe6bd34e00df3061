//! CBOR byte streams: well-formed items back to back, and ones that are damaged a little.

use proptest::prelude::*;
use proptest::sample::Index;

use super::datum::any_datum;
use crate::codec::cbor::encode;
use crate::datum::{Datum, Int};

/// Some items; in half of the streams one to three bytes are changed, added or missing.
pub fn near_items() -> impl Strategy<Value = Vec<u8>> {
    let items = prop::collection::vec(any_datum(), 1..4).prop_map(|items| {
        let mut bytes = Vec::new();
        items.iter().for_each(|item| encode(item, &mut bytes));
        bytes
    });
    let damage = prop::collection::vec((any::<Index>(), any::<u8>(), 0..3_u8), 0..4);
    (items, any::<bool>(), damage)
        .prop_map(|(bytes, intact, damage)| if intact { bytes } else { damaged(bytes, damage) })
}

/// Changes (0), inserts (1) or removes (2) single bytes.
pub fn damaged(mut bytes: Vec<u8>, damage: Vec<(Index, u8, u8)>) -> Vec<u8> {
    for (place, byte, how) in damage {
        let at = place.index(bytes.len() + 1);
        match how {
            0 if at < bytes.len() => bytes[at] = byte,
            2 if at < bytes.len() => {
                bytes.remove(at);
            }
            _ => bytes.insert(at, byte),
        }
    }
    bytes
}

/// Values that every CBOR library has a type for: no undefined, no unnamed simple value.
pub fn plain_datum() -> impl Strategy<Value = Datum> {
    any_datum().prop_map(plain)
}

fn plain(datum: Datum) -> Datum {
    match datum {
        Datum::Undefined | Datum::Simple(_) => Datum::Null,
        Datum::Int(int) => Datum::Int(Int { argument: int.argument >> 1, ..int }),
        Datum::Array(items, head) => Datum::Array(items.into_iter().map(plain).collect(), head),
        Datum::Map(entries, head) => {
            Datum::Map(entries.into_iter().map(|(key, value)| (plain(key), plain(value))).collect(), head)
        }
        Datum::Tag(number, head, inner) if number > 3 => Datum::Tag(number, head, Box::new(plain(*inner))),
        Datum::Tag(_, _, inner) => plain(*inner),
        other => other,
    }
}
