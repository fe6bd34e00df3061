//! JSON values, and streams of lines that hold them or nearly do.

use proptest::prelude::*;
use proptest::sample::Index;

use super::cbor::damaged;
use crate::codec::json::encode;
use crate::datum::Datum;

/// Any JSON value, at most four levels deep.
pub fn any_json() -> impl Strategy<Value = Datum> {
    let leaf = prop_oneof![
        Just(Datum::Null),
        any::<bool>().prop_map(Datum::Bool),
        any::<i64>().prop_map(Datum::from),
        any::<u64>().prop_map(Datum::from),
        any::<f64>().prop_filter("JSON has no such number", |value| value.is_finite()).prop_map(Datum::from),
        any::<String>().prop_map(Datum::text),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Datum::array),
            prop::collection::btree_map(".{0,6}", inner, 0..5).prop_map(Datum::map),
        ]
    })
}

/// Lines of JSON with line ends of all kinds; in half of the streams some bytes are changed, added or missing.
pub fn near_lines() -> impl Strategy<Value = Vec<u8>> {
    let line = (any_json(), prop_oneof![Just("\n"), Just("\r\n"), Just("\n\n"), Just(" \n")]).prop_map(
        |(datum, end)| {
            let mut bytes = Vec::new();
            encode(&datum, &mut bytes).expect("JSON values can be written");
            bytes.extend_from_slice(end.as_bytes());
            bytes
        },
    );
    let lines = prop::collection::vec(line, 0..5).prop_map(|lines| lines.concat());
    let damage = prop::collection::vec((any::<Index>(), any::<u8>(), 0..3_u8), 0..4);
    (lines, any::<bool>(), damage)
        .prop_map(|(bytes, intact, damage)| if intact { bytes } else { damaged(bytes, damage) })
}
