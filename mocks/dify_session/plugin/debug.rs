//! The debug runtime of the plugin: it connects to the daemon, registers itself, and then serves as it does locally.
//!
//! Sources: dify_plugin 0.7.4, plugin.py 103-196, for what is sent; langgenius/dify-plugin-daemon bdb5642,
//! internal/core/debugging_runtime/hooks.go 158-242, for what a daemon takes.

use std::borrow::Cow;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Plugin, manifest};
use crate::actor::{Act, ActId, Address, CloseHow, Exit, Given, Nanos, SECOND, Target, What, WireId};
use crate::codec::lines::Lines;
use crate::mocks::{Acting, option};
use crate::protocol::dify_session::message::{heartbeat, register};

/// The first pause before it connects again; each further one is twice as long.
const FIRST_PAUSE: Nanos = SECOND / 5;
/// After so many attempts in a row that came to nothing it gives up.
const ATTEMPTS: u32 = 8;
/// Raw bytes of one chunk of an asset.
const CHUNK: usize = 8192;
const ICON: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"8\" height=\"8\"><rect width=\"8\" height=\"8\"/></svg>\n";

/// The tools of the contract: name, parameters and their types.
const TOOLS: [(&str, &[(&str, &str)]); 10] = [
    ("echo", &[("text", "string")]),
    ("chunks", &[("count", "number"), ("size", "number"), ("gap", "number")]),
    ("fail", &[("message", "string")]),
    ("sleep", &[("seconds", "number")]),
    ("die", &[("code", "number")]),
    ("blob", &[("size", "number")]),
    ("json", &[("value", "string")]),
    ("noise", &[("text", "string"), ("newline", "boolean")]),
    ("spin", &[("seconds", "number")]),
    ("back", &[("op", "string"), ("key", "string"), ("value", "string")]),
];

/// The daemon that it connects to, and how that goes.
#[derive(Default)]
pub(super) struct Remote {
    at: String,
    key: String,
    /// How many connections it tried to open.
    dialled: u32,
    dialling: Option<(ActId, WireId)>,
    /// Attempts since the daemon said something that could be used.
    in_vain: u32,
    /// When it connects again, or says what a mutant says late.
    due: Option<Nanos>,
}

impl Remote {
    /// From `--connect HOST:PORT --key KEY`.
    pub(super) fn of_command(args: &mut Vec<String>) -> Result<Option<Self>, String> {
        match (option(args, "--connect"), option(args, "--key")) {
            (None, None) => Ok(None),
            (Some(at), Some(key)) => Ok(Some(Self { at, key, ..Self::default() })),
            _ => Err("the debug runtime needs both --connect HOST:PORT and --key KEY".into()),
        }
    }

    pub(super) fn due(&self) -> Option<Nanos> {
        self.due
    }
}

impl Plugin {
    /// Whether it is to connect to a daemon: its command line or its environment says so.
    pub(super) fn is_remote(&mut self, given: &Given, out: &mut Acting<'_>) -> bool {
        let env = |name: &str| given.env.get(name).cloned();
        if self.remote.is_none() && env("INSTALL_METHOD").is_some_and(|how| how == "remote") {
            let host = || env("REMOTE_INSTALL_HOST").unwrap_or_else(|| "localhost".into());
            let port = || env("REMOTE_INSTALL_PORT").unwrap_or_else(|| "5003".into());
            let at = env("REMOTE_INSTALL_URL").unwrap_or_else(|| format!("{}:{}", host(), port()));
            let at = at.rsplit_once("//").map_or(at.as_str(), |(_, at)| at).to_owned();
            let key = env("REMOTE_INSTALL_KEY").unwrap_or_default();
            if key.is_empty() {
                out.complain("REMOTE_INSTALL_KEY is missing: the daemon shows the key of a workspace");
                out.exit(Exit::Code(1));
            }
            self.remote = Some(Remote { at, key, ..Remote::default() });
        }
        self.remote.is_some()
    }

    /// Connects.
    pub(super) fn dial(&mut self, out: &mut Acting<'_>) {
        let silent = self.is("never-connects");
        let Some(remote) = self.remote.as_mut().filter(|remote| !silent && !remote.key.is_empty()) else {
            return;
        };
        remote.dialled += 1;
        let wire = WireId::own(remote.dialled);
        let to = Target::Connect { addr: Address::Tcp(remote.at.clone()), tls: false };
        remote.dialling = Some((out.act(Act::Open { wire, to }), wire));
    }

    /// What becomes of the connection.
    pub(super) fn connection(&mut self, what: &What, out: &mut Acting<'_>) {
        let dialling = self.remote.as_ref().and_then(|remote| remote.dialling);
        match what {
            What::Opened { wire, .. } if dialling.is_some_and(|(_, dialled)| dialled == *wire) => {
                self.opened(*wire, out);
            }
            What::Failed { act, .. } if dialling.is_some_and(|(dialled, _)| dialled == *act) => {
                self.lost(out);
            }
            What::Ended { wire, .. } if self.wire == Some(*wire) => self.hang_up(out),
            What::Closed { wire, .. } if self.wire == Some(*wire) => self.lost(out),
            _ => {}
        }
    }

    fn opened(&mut self, wire: WireId, out: &mut Acting<'_>) {
        self.wire = Some(wire);
        if !self.is("half-line-is-kept") {
            self.lines = Lines::default();
        }
        let Some(remote) = &mut self.remote else { return };
        remote.dialling = None;
        if self.mutant == "handshake-late" {
            remote.due = Some(out.now + 11 * SECOND);
        } else {
            self.register(out);
        }
    }

    /// Closes the connection.
    pub(super) fn hang_up(&mut self, out: &mut Acting<'_>) {
        if let Some(wire) = self.wire {
            out.close(wire, CloseHow::Both);
        }
        self.lost(out);
    }

    /// The connection is gone, or there was none: with it go its sessions. It tries again, less and less often.
    fn lost(&mut self, out: &mut Acting<'_>) {
        (self.wire, self.next_beat) = (None, None);
        self.sessions.clear();
        self.calls.clear();
        let Some(remote) = &mut self.remote else { return };
        remote.dialling = None;
        self.held.clear();
        remote.in_vain += 1;
        let pause = FIRST_PAUSE << (remote.in_vain - 1).min(ATTEMPTS);
        match self.mutant.as_str() {
            "never-comes-back" => {}
            "polls-when-alone" => self.polls = true,
            "knocks-at-one-pace" => remote.due = Some(out.now + FIRST_PAUSE),
            _ if remote.in_vain < ATTEMPTS => remote.due = Some(out.now + pause),
            _ => {
                out.complain(&format!(
                    "no daemon took us at {}: gave up after {ATTEMPTS} attempts",
                    remote.at
                ));
                out.exit(Exit::Code(1));
            }
        }
    }

    /// Connects again when that is due.
    pub(super) fn dial_again(&mut self, out: &mut Acting<'_>) {
        let is_due = |due: &mut Nanos| *due <= out.now;
        if self.remote.as_mut().and_then(|remote| remote.due.take_if(is_due)).is_none() {
            return;
        }
        match self.wire {
            Some(_) => self.register(out),
            None => self.dial(out),
        }
    }

    /// The daemon has said something that can be used.
    pub(super) fn is_accepted(&mut self) {
        if let Some(remote) = &mut self.remote {
            remote.in_vain = 0;
        }
    }

    /// A mutant: what comes while it talks waits until it is done.
    pub(super) fn holds_back(&mut self, line: &[u8]) -> bool {
        let is_deaf = self.is("deaf-while-it-talks") && self.remote.is_some();
        let talks = (is_deaf || self.is("one-session-at-a-time")) && !self.sessions.is_empty();
        if talks {
            self.held.push(line.to_vec());
        }
        talks
    }

    /// A mutant: reads what it held back, once it has said all.
    pub(super) fn reads_on(&mut self, out: &mut Acting<'_>) {
        if !self.sessions.is_empty() {
            return;
        }
        for line in std::mem::take(&mut self.held) {
            if !self.holds_back(&line) {
                self.line(&line, out);
            }
        }
    }

    /// Says who it is and what it offers; nobody answers that.
    fn register(&mut self, out: &mut Acting<'_>) {
        let Some(remote) = &self.remote else { return };
        let handshake = register("handshake", json!({"key": remote.key}));
        let rest = REGISTRATION.iter().map(Cow::Borrowed);
        let mut messages: Vec<Cow<'_, Value>> = std::iter::once(Cow::Owned(handshake)).chain(rest).collect();
        self.deviate(&mut messages);
        for message in messages {
            self.send(&message, out);
        }
        match self.mutant.as_str() {
            "waits-for-acknowledgement" => {}
            "registered-and-silent" => self.send(&heartbeat(), out),
            _ => {
                if self.is("debug-heartbeats-are-rare") {
                    self.interval = 60 * SECOND;
                }
                self.beat(out);
            }
        }
    }

    /// What mutants say instead: handshake, manifest, tools, three chunks of two files, end.
    fn deviate(&self, messages: &mut Vec<Cow<'_, Value>>) {
        match self.mutant.as_str() {
            "handshake-is-missing" => drop(messages.remove(0)),
            "handshake-after-manifest" => messages.swap(0, 1),
            "another-key" => messages[0].to_mut()["data"]["key"] = "another".into(),
            "waits-for-acknowledgement" => messages.truncate(1),
            "tools-before-manifest" => messages.swap(1, 2),
            "tools-twice" => messages.insert(3, messages[2].clone()),
            "declares-nothing" => drop(messages.remove(2)),
            "declaration-is-empty" => messages[2].to_mut()["data"] = json!([]),
            "registration-without-end" => drop(messages.pop()),
            "ends-twice" => messages.extend(messages.last().cloned()),
            "heartbeat-before-end" => messages.insert(3, Cow::Owned(heartbeat())),
            "icon-is-missing" => drop(messages.remove(3)),
            "assets-are-plain-text" => messages[3].to_mut()["data"]["data"] = ICON.into(),
            "files-interleaved" => messages.swap(3, 4),
            _ => {}
        }
    }
}

/// What a plugin says of itself after the handshake; made once, as all say the same.
static REGISTRATION: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let mut messages =
        vec![register("manifest_declaration", manifest()), register("tool_declaration", json!([provider()]))];
    for (name, bytes) in [("icon.svg", ICON.as_bytes()), ("guide.txt", &[b'a'; 9000][..])] {
        let count = bytes.len().div_ceil(CHUNK);
        for (n, chunk) in bytes.chunks(CHUNK).enumerate() {
            let data = json!({"filename": name, "data": STANDARD.encode(chunk), "end": n + 1 == count});
            messages.push(register("asset_chunk", data));
        }
    }
    messages.push(register("end", json!({})));
    messages
});

/// The tools as a daemon's users see them.
fn provider() -> Value {
    let words = |name: &str| json!({"en_US": name});
    let parameter = |(name, kind): &(&str, &str)| {
        json!({
            "name": name, "type": kind, "label": words(name), "human_description": words(name),
            "llm_description": name, "form": "llm", "required": *name != "gap",
        })
    };
    let tool = |(name, parameters): &(&str, &[(&str, &str)])| {
        let parameters: Vec<Value> = parameters.iter().map(parameter).collect();
        json!({
            "identity": {"author": "plugfest", "name": name, "label": words(name)},
            "description": {"human": words(name), "llm": name}, "parameters": parameters,
        })
    };
    json!({
        "identity": {
            "author": "plugfest", "name": "plugfest", "label": words("Conformance"),
            "description": words("Tools that behave on demand."), "icon": "icon.svg", "tags": [],
        },
        "credentials_schema": [], "tools": TOOLS.iter().map(tool).collect::<Vec<Value>>(),
    })
}
