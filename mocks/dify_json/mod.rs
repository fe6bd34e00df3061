//! References of the Dify JSON line protocol.

mod builtin;
mod client;
mod message;
mod mutants;
mod server;

pub use mutants::MUTANTS;

use super::{Reference, SubjectOf};

/// The reference server: `dify plugin run` as the document describes it.
pub const SERVER: Reference = Reference {
    suite: "dify-json",
    role: "server",
    profiles: &["document", "deployed"],
    about: "serves a plugin's package over standard input and output or TCP, for people who write a client",
    usage: "PACKAGE               the .difypkg to serve\n\
            -m, --mode MODE       stdio (default) or tcp\n\
            --python PATH         launch the plugin with this interpreter; nothing is installed, so it must have\n\
            \x20                     what the plugin requires\n\
            --builtin             serve a built-in plugin with the tools of the conformance contract instead\n\
            --listen HOST:PORT    where TCP clients arrive, 127.0.0.1:0 if absent\n\
            --ready-timeout N     seconds until the plugin's first heartbeat, 120 if absent\n\
            --mutant NAME         deviate in one named way (see `plugfest list`)",
    make: server::make,
    subject: || SubjectOf {
        args: &["{package}", "-m", "{mode}", "--builtin"],
        capabilities: &["conformance-plugin", "chooses-interpreter", "catalogue"],
        ..SubjectOf::default()
    },
};

/// The reference client: calls a server, or serves as the driver of one.
pub const CLIENT: Reference = Reference {
    suite: "dify-json",
    role: "client",
    profiles: &["document", "deployed"],
    about: "sends requests to a server and prints the answers, for people who write a server",
    usage: "--request JSON        {\"type\", \"action\", \"request\"}; several run side by side\n\
            --connect HOST:PORT   the server over TCP, or\n\
            -- COMMAND ..         the server as a command, over its standard streams or where it announces\n\
            --timeout N           seconds until an answer, 60 if absent\n\
            serve                 be a driver: operations `invoke` as JSON lines on standard input\n\
            --mutant NAME         deviate in one named way (see `plugfest list`)",
    make: client::make,
    subject: || SubjectOf {
        driver: Some(&["serve"]),
        capabilities: &["tcp", "settings"],
        ..SubjectOf::default()
    },
};
