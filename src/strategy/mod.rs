//! Strategies for property tests: valid messages and near misses of every protocol, as byte streams.
//!
//! They are public (feature `proptest`), so that implementers fuzz their own parsers with them.

pub mod apisix;
pub mod cbor;
pub mod datum;
pub mod http;
pub mod json;
pub mod sse;
