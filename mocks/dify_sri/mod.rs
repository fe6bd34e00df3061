//! References of the Dify Serverless Runtime Interface.

mod call;
mod daemon;
mod deployed;
mod function;
mod install;
mod launch;
mod mutants;
mod runtime;
mod scripted;
mod scripts;
mod web;

pub use mutants::MUTANTS;
pub use scripts::all as scripts;

use super::{Reference, SubjectOf};

/// The reference runtime.
pub const RUNTIME: Reference = Reference {
    suite: "dify-sri",
    role: "runtime",
    profiles: &["document", "go-daemon"],
    about: "a runtime that launches packages without a cloud, for people who develop a daemon",
    usage: "--port N          listen on this port of the loopback; else the system chooses, and it is printed\n\
            --base PATH       everything lies below this path\n\
            --api-key K       the key that requests must carry (default: none is asked for)\n\
            --python PATH     really launch: the package is unpacked, its requirements are looked up in the\n\
            \x20                 environment of this interpreter (nothing is fetched), its plugin is started and\n\
            \x20                 answers invocations; without it a built-in plugin does\n\
            --script FILE     answer as the acts of a scenario of the role `daemon` say, to make launches fail;\n\
            \x20                 FILE[ROW] takes a row of it. These are shipped, by name instead of FILE:\n\
            \x20                 blank-lines burst connection-dies document[html|json] drip\n\
            \x20                 early-refusal[open-401|open-413|closed-401|closed-413] early-success empty\n\
            \x20                 encoding[gzip|deflate] end-only endless-line failed[healthz|start|build|run|end]\n\
            \x20                 failed-after-end failed-after-run failed-in-capitals[Failed|FAILED]\n\
            \x20                 failed-without-message framing[trailers|interim|close] giant-line giant-message\n\
            \x20                 instance-has-failed instance-is-gone instances[html|empty|huge|stalls] no-content\n\
            \x20                 no-end nul[raw|escaped] other-lines ping-flaps redirect[302|307|308] reset\n\
            \x20                 run-malformed[no-pairs|query|comma] run-twice run-without[endpoint|name|text] split\n\
            \x20                 stall stall-before-head status[201|202|400|401|404|413|500|503] stays-open\n\
            \x20                 success-after-failed truncated[chunk|length] truncated-json upload-unread\n\
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
            \x20                 ping, instances, launch; shows each stage and what became of it, then calls the\n\
            \x20                 function: `echo` of the conformance plugin, or what --invoke says\n\
            --invoke JSON     {\"type\", \"action\", \"request\"}: what is called after the launch\n\
            serve [--profile document|go-daemon]\n\
            \x20                 the driver operations of the contract, as JSON lines\n\
            --mutant NAME     deviate in one named way (see `plugfest list`)",
    make: daemon::make,
    subject: || SubjectOf {
        driver: Some(&["serve", "--profile", "{profile}"]),
        capabilities: &["installs", "settings", "management"],
        ..SubjectOf::default()
    },
};
