//! References of the Arcaflow plugin protocol.

mod contract;
mod mutants;
mod plugin;

pub use mutants::MUTANTS;

use super::{Reference, SubjectOf};

/// The reference plugin: the steps of the contract, as an ideal SDK would serve them.
pub const PLUGIN: Reference = Reference {
    suite: "arcaflow",
    role: "plugin",
    profiles: &["v3"],
    about: "a plugin with the steps of the conformance contract, for people who write an engine",
    usage: "--atp             speak the protocol on standard input and output\n\
            --schema          print the schema as YAML\n\
            --mutant NAME     deviate in one named way (see `plugfest list`)",
    make: plugin::make,
    subject: || SubjectOf { capabilities: &["conformance-plugin"], ..SubjectOf::default() },
};
