//! plugfest: a conformance suite and test harness for plugin protocols.

pub mod actor;
pub mod baseline;
pub mod cli;
pub mod codec;
pub mod corpus;
pub mod coverage;
pub mod datum;
pub mod driver;
pub mod exit;
#[path = "../mocks/mod.rs"]
pub mod mocks;
pub mod mutation;
pub mod package;
pub mod parallel;
pub mod plan;
pub mod play;
pub mod protocol;
pub mod report;
pub mod requirement;
pub mod runner;
pub mod scenario;
pub mod secret;
pub mod shell;
pub mod sim;
#[cfg(any(test, feature = "proptest"))]
pub mod strategy;
pub mod subject;
pub mod transcript;
