//! References of the Dify Serverless Runtime Interface.

mod daemon;
mod function;
mod install;
mod launch;
mod mutants;
mod runtime;
mod web;

pub use mutants::MUTANTS;

use super::{Reference, SubjectOf};

/// The reference runtime.
pub const RUNTIME: Reference = Reference {
    suite: "dify-sri",
    role: "runtime",
    profiles: &["document", "go-daemon"],
    about: "a runtime that launches packages without a cloud, for people who develop a daemon",
    usage: "--port N          listen on this port of the loopback; else the system chooses, and it is printed\n\
            --api-key K       the key that requests must carry (default: none is asked for)\n\
            --pace MS         the pause between two events of a launch (default 3)\n\
            --mutant NAME     deviate in one named way (see `plugfest list`)",
    make: runtime::make,
    subject: || SubjectOf {
        args: &["--port", "{port}", "--api-key", "{api_key}"],
        capabilities: &["builds", "invokes", "lists", "conformance-plugin"],
        ..SubjectOf::default()
    },
};

/// The reference daemon.
pub const DAEMON: Reference = Reference {
    suite: "dify-sri",
    role: "daemon",
    profiles: &["document", "go-daemon"],
    about: "a daemon that installs packages on a runtime, for people who develop an SRI server",
    usage: "launch PACKAGE --url U --api-key K [--profile document|go-daemon]\n\
            \x20                 ping, instances, launch; shows each stage and what became of it\n\
            serve [--profile document|go-daemon]\n\
            \x20                 the driver operations of the contract, as JSON lines\n\
            --mutant NAME     deviate in one named way (see `plugfest list`)",
    make: daemon::make,
    subject: || SubjectOf {
        driver: Some(&["serve", "--profile", "{profile}"]),
        capabilities: &["installs"],
        ..SubjectOf::default()
    },
};
