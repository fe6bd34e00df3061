//! Event streams: valid ones, and ones that are damaged a little.

use proptest::prelude::*;
use proptest::sample::Index;

use super::cbor::damaged;
use super::json::any_json;
use crate::codec::json::encode;

/// Events of every shape, comments between them; one kind of line end in each stream.
pub fn any_stream() -> impl Strategy<Value = Vec<u8>> {
    let ends = prop_oneof![Just("\n"), Just("\r\n"), Just("\r")];
    (prop::collection::vec(line(), 0..16), ends).prop_map(|(lines, end)| {
        lines.into_iter().flat_map(|line| [line, end.as_bytes().to_vec()].concat()).collect()
    })
}

/// Events with line ends of all kinds; in half of the streams some bytes are changed, added or missing.
pub fn near_stream() -> impl Strategy<Value = Vec<u8>> {
    let ends =
        prop_oneof![Just("\n"), Just("\r\n"), Just("\r"), Just("\n\n"), Just("\r\n\r\n"), Just("\r\r")];
    let lines = prop::collection::vec((line(), ends), 0..10).prop_map(|lines| {
        lines.into_iter().flat_map(|(line, end)| [line, end.as_bytes().to_vec()].concat()).collect()
    });
    let mark = prop_oneof![9 => Just(&b""[..]), 1 => Just(&b"\xef\xbb\xbf"[..])];
    let damage = prop::collection::vec((any::<Index>(), any::<u8>(), 0..3_u8), 0..4);
    (mark, lines, any::<bool>(), damage).prop_map(|(mark, lines, intact, damage)| {
        let bytes = [mark.to_vec(), lines].concat();
        if intact { bytes } else { damaged(bytes, damage) }
    })
}

fn line() -> impl Strategy<Value = Vec<u8>> {
    let json = (prop_oneof![Just("data: "), Just("data:"), Just("data:  ")], any_json()).prop_map(
        |(field, datum)| {
            let mut bytes = field.as_bytes().to_vec();
            encode(&datum, &mut bytes).expect("JSON values can be written");
            bytes
        },
    );
    prop_oneof![
        3 => json,
        3 => Just(Vec::new()),
        1 => "data: ?[a-zß:]{0,8}".prop_map(String::into_bytes),
        1 => "event: ?[a-z]{1,6}".prop_map(String::into_bytes),
        1 => "id: ?[a-z0-9]{1,4}".prop_map(String::into_bytes),
        1 => "retry: ?[0-9]{1,4}".prop_map(String::into_bytes),
        1 => ": ?[a-z]{0,6}".prop_map(String::into_bytes),
    ]
}
