//! plugfest: a conformance suite and test harness for plugin protocols.

pub mod actor;
pub mod codec;
pub mod datum;
pub mod scenario;
#[cfg(any(test, feature = "proptest"))]
pub mod strategy;
