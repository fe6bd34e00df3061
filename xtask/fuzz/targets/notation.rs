#![no_main]
//! What was read in the notation is written so that it is read again.

use libfuzzer_sys::fuzz_target;
use plugfest::datum::notation::parse_datum;

fuzz_target!(|text: &str| {
    if let Ok(datum) = parse_datum(text) {
        let again = parse_datum(&datum.to_string()).expect("what we write");
        assert_eq!(format!("{datum}"), format!("{again}"));
    }
});
