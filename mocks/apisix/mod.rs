//! References of the Apache APISIX external plugin runner protocol.

mod gateway;
mod mutants;
mod plugin;
mod runner;

pub(crate) use gateway::Loading;
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

/// The reference gateway.
pub const GATEWAY: Reference = Reference {
    suite: "apisix",
    role: "gateway",
    profiles: &["apisix"],
    about: "a gateway that calls a runner: by hand, or for clients with an upstream",
    usage: "--socket PATH     where the runner listens\n\
            --conf NAME=VALUE a plugin of the configuration; may come again\n\
            --timeout S       how long a reply may take (60)\n\
            --var NAME=VALUE  a variable that the runner may ask for; may come again\n\
            \n\
            One call by hand: shows the frames, what the reply does, and what goes to the upstream\n\
            --request 'GET /x?y=1' [--header 'Name: value'].. [--body FILE] [-- COMMAND]\n\
            \n\
            Calls per second and latencies of a runner, for a configuration that asks nothing\n\
            --load N [--connections C] [--request 'GET /x'] [--header ..].. [--json] [-- COMMAND]\n\
            \n\
            A small gateway\n\
            --listen PORT --upstream URL   [--allow-degradation] [-- COMMAND]\n\
            --driven          takes `configure` as a driver does, see suites/apisix/SUBJECT.md\n\
            \n\
            COMMAND is a runner that the gateway starts itself, with its address and expiry in the environment.\n\
            \n\
            --mutant NAME     deviate in one named way (see `plugfest list`)",
    make: gateway::make,
    subject: || SubjectOf {
        capabilities: &["configure"],
        driver: Some(&[
            "--driven",
            "--listen",
            "{port}",
            "--upstream",
            "{upstream}",
            "--socket",
            "{socket}",
            "--conf",
            "rewrite={}",
        ]),
        ..SubjectOf::default()
    },
};
