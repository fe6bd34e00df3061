//! References of the Arcaflow plugin protocol.

mod contract;
mod document;
mod engine;
mod mutants;
mod plugin;

pub use mutants::MUTANTS;

use super::{Reference, SubjectOf};

/// The reference plugin: the steps of the contract, as an ideal SDK would serve them.
pub const PLUGIN: Reference = Reference {
    suite: "arcaflow",
    role: "plugin",
    profiles: &["v3", "v1", "document"],
    about: "a plugin with the steps of the conformance contract, for people who write an engine",
    usage: "--atp             speak the protocol on standard input and output\n\
            --profile NAME    v3 (default), v1, or document (which needs no --atp)\n\
            --schema          print the schema as YAML\n\
            --mutant NAME     deviate in one named way (see `plugfest list`)",
    make: plugin::make,
    subject: || SubjectOf {
        args: &["--profile", "{profile}"],
        capabilities: &["conformance-plugin"],
        ..SubjectOf::default()
    },
};

/// The reference engine: runs one step of any plugin, as an ideal engine would.
pub const ENGINE: Reference = Reference {
    suite: "arcaflow",
    role: "engine",
    profiles: &["v3", "v1", "document"],
    about: "an engine that runs one step of a plugin command, for people who write a plugin or an SDK",
    usage: "--step NAME --input JSON -- COMMAND ..   run the step; the result is one line of JSON\n\
            serve                                    run what operations ask for, one JSON object a line:\n\
            \u{20}                                        {\"id\": 1, \"op\": \"run\", \"peer\": [\"python3\", \"plugin.py\", \"--atp\"],\n\
            \u{20}                                         \"step\": \"hello\", \"input\": {}}, or {\"id\": 2, \"op\": \"cancel\"}\n\
            \n\
            --trace           show the exchange on standard error\n\
            --profile NAME    v3 (default), v1: asks for the hello, then speaks the version that it announces;\n\
            \u{20}                 document: never asks, and ends the plugin by SIGTERM;\n\
            \u{20}                 auto: asks if no hello comes unasked for a second, then speaks as the hello does\n\
            --closure SECONDS how long a plugin has to end by itself (default 5, 30 after SIGTERM)\n\
            --mutant NAME     deviate in one named way (see `plugfest list`)\n\
            \n\
            Exit status: 0 an output, 1 the step failed, 2 a wrong command line, 3 the command cannot be started.\n\
            Ctrl-C sends the signal `cancel` to a step that takes it, and ends the plugin after the closure time.",
    make: engine::make,
    subject: || SubjectOf { driver: Some(&["--profile", "{profile}", "serve"]), ..SubjectOf::default() },
};
