//! Strategies for property tests: valid messages and near misses of every protocol, as byte streams.
//!
//! They are public (feature `proptest`), so that implementers fuzz their own parsers with them:
//!
//! ```toml
//! [dev-dependencies]
//! plugfest = { version = "0.1", features = ["proptest"] }
//! proptest = "1"
//! ```
//!
//! A parser of yours must take what is valid, must never panic on what nearly is, and must not care how the bytes
//! were cut on their way:
//!
//! ```
//! use plugfest::strategy::dify_session::{daemon_stream, near_daemon_stream};
//! use proptest::prelude::*;
//!
//! /// The parser under test: whole lines that are JSON objects; what follows the last line end is kept.
//! #[derive(Default)]
//! struct Parser {
//!     rest: Vec<u8>,
//! }
//!
//! impl Parser {
//!     fn feed(&mut self, bytes: &[u8]) -> Vec<Result<serde_json::Value, String>> {
//!         self.rest.extend_from_slice(bytes);
//!         let end = self.rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
//!         let whole: Vec<u8> = self.rest.drain(..end).collect();
//!         let lines = whole.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
//!         lines.map(|line| serde_json::from_slice(line).map_err(|error| error.to_string())).collect()
//!     }
//! }
//!
//! proptest! {
//!     fn takes_what_is_valid(bytes in daemon_stream()) {
//!         prop_assert!(Parser::default().feed(&bytes).iter().all(Result::is_ok));
//!     }
//!
//!     fn does_not_care_how_bytes_are_cut(bytes in near_daemon_stream(), at in any::<prop::sample::Index>()) {
//!         let whole = Parser::default().feed(&bytes);
//!         let (first, second) = bytes.split_at(at.index(bytes.len() + 1));
//!         let mut parser = Parser::default();
//!         let cut = [parser.feed(first), parser.feed(second)].concat();
//!         prop_assert_eq!(whole, cut);
//!     }
//! }
//!
//! takes_what_is_valid();
//! does_not_care_how_bytes_are_cut();
//! ```

pub mod apisix;
pub mod arcaflow;
pub mod cbor;
pub mod datum;
pub mod dify_json;
pub mod dify_session;
pub mod dify_sri;
pub mod http;
pub mod json;
mod lines;
pub mod sse;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::cbor::Cbor;
    use crate::codec::lines::JsonLines;
    use crate::codec::sse::Sse;
    use crate::codec::testing::decode_all;

    proptest! {
        #[test]
        fn valid_streams_are_read_to_their_end(
            cbor in prop_oneof![arcaflow::engine_stream().boxed(), arcaflow::plugin_stream().boxed()],
            lines in prop_oneof![
                dify_json::requests().boxed(), dify_json::responses().boxed(),
                dify_session::daemon_stream().boxed(), dify_session::plugin_stream().boxed(),
            ],
            events in dify_sri::launch(),
        ) {
            let cbor = decode_all(&mut Cbor::default(), [&cbor[..]]);
            prop_assert!(cbor.malformed.is_empty() && cbor.end.is_none());
            let lines = decode_all(&mut JsonLines::default(), [&lines[..]]);
            prop_assert!(lines.malformed.is_empty() && lines.end.is_none());
            let events = decode_all(&mut Sse::default(), [&events[..]]);
            prop_assert!(events.malformed.is_empty() && events.end.is_none() && events.messages.len() == 5);
        }
    }
}
