//! References of the Dify session protocol.

mod mutants;
mod plugin;
mod tools;

pub use mutants::MUTANTS;

use super::{Reference, SubjectOf};

/// The reference plugin: the tools of the contract, as an ideal SDK would serve them.
pub const PLUGIN: Reference = Reference {
    suite: "dify-session",
    role: "plugin",
    profiles: &["sdk", "document"],
    about: "a plugin with the tools of the conformance contract, for people who write a daemon",
    usage: "It speaks on standard input and output. In the environment:\n\
            HEARTBEAT_INTERVAL=S      seconds between heartbeats (10)\n\
            MAX_INVOCATION_TIMEOUT=S  seconds until a call back without an answer fails (250)\n\n\
            --mutant NAME     deviate in one named way (see `plugfest list`)",
    make: plugin::make,
    subject: || SubjectOf { capabilities: &["conformance-plugin"], ..SubjectOf::default() },
};
