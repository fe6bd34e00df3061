#![no_main]
//! Whatever stands in a scenario file, it is read or explained.

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err(errors) = plugfest::scenario::scenario("arcaflow", "fuzz", "fuzz.toml", text) {
        assert!(errors.render(false).contains("error"));
    }
});
