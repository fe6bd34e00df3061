//! References of the Dify session protocol.

mod calls;
mod catalogue;
mod command;
mod daemon;
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
    usage: "It speaks on standard input and output, over a debug connection, or as an HTTP server (the serverless runtime):\n\
            --connect HOST:PORT --key KEY   connect to a daemon that listens there, and register with its key\n\n\
            In the environment, as the SDK reads it:\n\
            INSTALL_METHOD=remote     connect, with REMOTE_INSTALL_URL=HOST:PORT and REMOTE_INSTALL_KEY=KEY\n\
            HEARTBEAT_INTERVAL=S      seconds between heartbeats (10)\n\
            MAX_INVOCATION_TIMEOUT=S  seconds until a call back without an answer fails (250)\n\
            INSTALL_METHOD=serverless listen on SERVERLESS_HOST:SERVERLESS_PORT (127.0.0.1:8080)\n\
            DIFY_PLUGIN_DAEMON_URL=U  serverless: where calls back are posted (http://localhost:5002)\n\
            MAX_REQUEST_TIMEOUT=S     serverless: seconds after which a silent invocation fails (300)\n\n\
            --port N          serverless, on this port; 0: the system chooses. The address is printed\n\
            --daemon-url U    serverless: where calls back are posted\n\
            --mutant NAME     deviate in one named way (see `plugfest list`)",
    make: plugin::make,
    subject: || SubjectOf { capabilities: &["conformance-plugin", "catalogue"], ..SubjectOf::default() },
};

/// The fake daemon: launches any plugin command and invokes its tools, as an ideal daemon would.
pub const DAEMON: Reference = Reference {
    suite: "dify-session",
    role: "daemon",
    profiles: &["sdk", "document"],
    about: "a daemon that launches a plugin command and invokes it, for people who write a plugin or an SDK",
    usage: "--invoke tool/NAME --params JSON -- COMMAND ..   one invocation; each chunk is a line of JSON\n\
            serve                                            does what operations ask for, one JSON object a line:\n\
            \u{20}                                                {\"id\": 1, \"op\": \"start\", \"peer\": [\"python\", \"main.py\"]}, then invoke, stop\n\
            \u{20}                                                with \"url\" in the place of \"peer\": a plugin of the serverless runtime;\n\
            \u{20}                                                the answer's `url` is where it calls back\n\
            \u{20}                                                with \"mode\": \"debug\" it listens: the answer says at which address and\n\
            \u{20}                                                with which key; registered is answered when a plugin is there\n\
            \n\
            --serverless             COMMAND is started as a plugin of the serverless runtime, on a free port\n\
            --url U                  in the place of a command: a plugin of the serverless runtime that listens at U\n\
            --listen PORT            serverless: where calls back are taken (the system chooses)\n\
            --debug                  the plugin connects: COMMAND is started so that it does; without -- COMMAND it is\n\
            \u{20}                        told how, and waited for\n\
            --key KEY                debug: what it must show; means --debug\n\
            --listen HOST:PORT       debug: where it connects (127.0.0.1:0)\n\
            --handshake-timeout S    debug: seconds until a connection must have shown the key (10)\n\
            --provider NAME          of the tool (plugfest)\n\
            --heartbeat-timeout S    seconds of silence after which the plugin is stopped (120; of a debug connection 60)\n\
            --execution-timeout S    seconds after which an invocation is ended (600)\n\
            --mutant NAME            deviate in one named way (see `plugfest list`)\n\
            \n\
            Exit status: 0 the tool answered, 1 it failed, 2 a wrong command line, 3 the command cannot be started.",
    make: command::make,
    subject: || SubjectOf {
        driver: Some(&["serve"]),
        capabilities: &["settings", "permissions", "calls-back"],
        ..SubjectOf::default()
    },
};
