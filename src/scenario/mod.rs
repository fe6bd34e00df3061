//! Scenarios and suites: TOML files read into a model that knows its places (suites/README.md is the format).

mod duration;
pub mod error;
mod model;
mod parse;
pub mod schema;
pub mod shape;
mod suite;
pub mod table;

pub use duration::{Duration, Timing};
pub use model::{
    Body, Isolation, LaneSpec, Launch, Opening, Row, Rule, RuleKind, Scenario, Source, Step, Twin, Verb,
    ViewSpec,
};
pub use parse::{Wreck, launch, salvage, scenario, timing};
pub use suite::{Role, Suite, read_rules};
