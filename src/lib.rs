//! plugfest: a conformance suite and test harness for plugin protocols.

pub mod actor;
pub mod codec;
pub mod datum;
pub mod play;
pub mod protocol;
pub mod requirement;
pub mod scenario;
pub mod sim;
#[cfg(any(test, feature = "proptest"))]
pub mod strategy;
pub mod subject;
pub mod transcript;
