#![no_main]
//! However a stream is cut, the codec gives the same and does not panic.

use libfuzzer_sys::fuzz_target;
use plugfest::codec::testing::decode_all;
use plugfest::codec::lines::JsonLines;

fuzz_target!(|bytes: &[u8]| {
    let whole = decode_all(&mut JsonLines::default(), [bytes]);
    let cut = decode_all(&mut JsonLines::default(), bytes.chunks(1));
    assert_eq!(format!("{whole:?}"), format!("{cut:?}"));
});
