//! Bytes of real SDKs decode, and encode to the same bytes again.

use std::path::Path;

use crate::codec::cbor::{self, Cbor};
use crate::codec::testing::decode_all;

/// The bytes of one direction of a captured session.
fn stream(text: &str, way: char) -> Vec<u8> {
    let lines = text.lines().filter_map(|line| line.strip_prefix(way));
    let digits: String = lines.flat_map(|line| line.trim().chars()).collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hex")).collect()
}

#[test]
fn every_captured_byte_survives_the_round_trip() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/arcaflow/wire/ok");
    let mut messages = 0;
    for entry in std::fs::read_dir(folder).expect("captures").flatten() {
        let text = std::fs::read_to_string(entry.path()).expect("a capture");
        for way in ['<', '>'] {
            let bytes = stream(&text, way);
            let decoded = decode_all(&mut Cbor::default(), [&bytes[..]]);
            assert_eq!(decoded.malformed, [], "{}", entry.path().display());
            assert_eq!(decoded.end, None, "{}", entry.path().display());
            let mut again = Vec::new();
            decoded.messages.iter().for_each(|message| cbor::encode(&message.datum, &mut again));
            assert_eq!(again, bytes, "{}", entry.path().display());
            messages += decoded.messages.len();
        }
    }
    assert!(messages > 100, "{messages} messages");
}
