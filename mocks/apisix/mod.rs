//! References of the Apache APISIX external plugin runner protocol.

mod mutants;
mod plugin;
mod runner;

pub use mutants::MUTANTS;

use super::{Reference, SubjectOf};

/// The reference runner: the plugins of the contract.
pub const RUNNER: Reference = Reference {
    suite: "apisix",
    role: "runner",
    profiles: &["apisix"],
    about: "a runner with the plugins of the conformance contract, for people who write a gateway",
    usage: "Listens at APISIX_LISTEN_ADDRESS (unix:PATH) and keeps configurations a little longer than\n\
            APISIX_CONF_EXPIRE_TIME (seconds, 3600 if absent) after their last use.\n\
            --mutant NAME     deviate in one named way (see `plugfest list`)",
    make: runner::make,
    subject: || SubjectOf { capabilities: &["conformance-plugin"], ..SubjectOf::default() },
};
