//! The debug runtime of the daemon: it listens, and a plugin that connects and registers is its plugin.
//!
//! Source: langgenius/dify-plugin-daemon bdb5642, internal/core/debugging_runtime: hooks.go, lifetime.go, io.go.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::registration::{Next, Registration};
use super::{Daemon, Limits, Plugin};
use crate::actor::{Act, ActId, Address, CloseHow, Failure, Nanos, Part, Target, What, WireId};
use crate::codec::lines::Lines;
use crate::mocks::Acting;
use crate::mocks::dify_session::command::Debug;

const LISTENER: WireId = WireId::own(1_000_000);
/// The plugin's command, where we start it ourselves.
const CHILD: WireId = WireId::own(1_000_001);
/// Most bytes of a line: before the handshake, and after it.
const LINES: (usize, usize) = (1 << 20, 128 << 20);

/// The listener, and who has connected.
pub(super) struct Server {
    key: String,
    listens: ActId,
    /// Who is not registered yet.
    guests: BTreeMap<WireId, Guest>,
    /// The operation that waits for the listener, and those that wait for a plugin.
    starts: Option<Value>,
    awaited: Vec<Value>,
    /// The plugin's command was started by us, and the last of what it wrote to its standard error.
    child: bool,
    stderr: Vec<u8>,
}

/// A connection without a plugin yet.
struct Guest {
    since: Nanos,
    lines: Lines,
    registration: Registration,
}

impl Daemon {
    /// Listens, for an operation or a command line.
    pub(super) fn listen(&mut self, debug: &Debug, starts: Option<Value>, out: &mut Acting<'_>) {
        let at = Address::Tcp(debug.listen.clone());
        let listens = out.act(Act::Listen { wire: LISTENER, at, over_stale: true, mode: 0o600 });
        self.server = Some(Server {
            key: debug.key.clone(),
            listens,
            guests: BTreeMap::new(),
            starts,
            awaited: Vec::new(),
            child: false,
            stderr: Vec::new(),
        });
    }

    /// What happens on the listener and on connections that are no plugin yet; false: it was none of that.
    pub(super) fn debugs(&mut self, what: &What, out: &mut Acting<'_>) -> bool {
        let Some(server) = &mut self.server else { return false };
        let plugin = self.plugin.as_ref().map(|plugin| plugin.wire);
        match what {
            What::Listening { wire: LISTENER, at: Address::Tcp(at) } => {
                let at = at.clone();
                self.listens(&at, out);
            }
            What::Failed { act, why, .. } if *act == server.listens => {
                let text = why.text.clone();
                match server.starts.take() {
                    Some(starts) if self.once.is_none() => self.fail(&starts, text, out),
                    _ => {
                        out.complain(&text);
                        self.leave(3, out);
                    }
                }
            }
            What::Opened { wire, from: Some(LISTENER), .. } => {
                let registration = Registration::new(&self.mutant);
                let guest = Guest { since: out.now, lines: Lines::default(), registration };
                server.guests.insert(*wire, guest);
            }
            What::Bytes { wire, bytes, .. } if server.guests.contains_key(wire) => {
                self.guest_says(*wire, &bytes.0, out);
            }
            What::Ended { wire, .. } | What::Closed { wire, .. } if server.guests.contains_key(wire) => {
                server.guests.remove(wire);
                out.close(*wire, CloseHow::Both);
            }
            What::Ended { wire, .. } if plugin == Some(*wire) => {
                out.close(*wire, CloseHow::Both);
                self.plugin_is_gone(out);
            }
            What::Closed { wire, .. } if plugin == Some(*wire) => self.plugin_is_gone(out),
            What::Bytes { wire: CHILD, part: Part::Stderr, bytes } => {
                super::keep_last(&mut server.stderr, &bytes.0)
            }
            What::Bytes { wire: CHILD, .. } => {}
            What::Failed { why, .. } if server.child && why.failure != Failure::Peer && plugin.is_none() => {
                out.complain(&why.text.clone());
                self.leave(3, out);
            }
            What::Exited { wire: CHILD, status } if plugin.is_none() && !self.leaving => {
                let how = super::how_it_ended(Err(*status), &server.stderr);
                out.complain(&format!("the plugin did not register: {how}"));
                self.leave(1, out);
            }
            _ => return false,
        }
        true
    }

    /// The listener is ready: says where, and starts the plugin's command if there is one.
    fn listens(&mut self, at: &str, out: &mut Acting<'_>) {
        let deaf = self.is("debug-port-is-closed");
        let Some(server) = &mut self.server else { return };
        let key = server.key.clone();
        if deaf {
            out.close(LISTENER, CloseHow::Unlisten);
        }
        if self.once.is_none() {
            if let Some(starts) = server.starts.take() {
                self.reply(&starts, json!({"ready": true, "at": at, "key": key}), out);
            }
        } else if self.command.is_empty() {
            out.complain(&format!(
                "waiting for a plugin: INSTALL_METHOD=remote REMOTE_INSTALL_URL={at} REMOTE_INSTALL_KEY={key}"
            ));
        } else {
            server.child = true;
            let env =
                [("INSTALL_METHOD", "remote"), ("REMOTE_INSTALL_URL", at), ("REMOTE_INSTALL_KEY", &key)];
            let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
            let to = Target::Spawn { argv: self.command.clone(), env, dir: None };
            out.act(Act::Open { wire: CHILD, to });
        }
    }

    fn guest_says(&mut self, wire: WireId, bytes: &[u8], out: &mut Acting<'_>) {
        let Some(server) = &mut self.server else { return };
        let key = server.key.clone();
        let Some(guest) = server.guests.get_mut(&wire) else { return };
        guest.lines.feed(bytes);
        let mut next = Next::More;
        while next == Next::More
            && let Some((_, line)) = guest.lines.next_line()
        {
            next = guest.registration.take(line, &key);
        }
        let most = if guest.registration.shaken { LINES.1 } else { LINES.0 };
        if next == Next::More && guest.lines.unfinished() > most && self.mutant != "endless-line-is-kept" {
            next = Next::Refused(vec!["handshake failed, the line is too long".into()]);
        }
        match next {
            Next::More => {}
            Next::Refused(why) => self.refuse(wire, &why, out),
            Next::Registered(_) if self.plugin.is_some() => {
                self.refuse(wire, &["server is busy now, please try again later".into()], out);
            }
            Next::Registered(manifest) => self.registered(wire, manifest, out),
        }
    }

    /// Says why in lines of text, and closes.
    fn refuse(&mut self, wire: WireId, why: &[String], out: &mut Acting<'_>) {
        let Some(server) = &mut self.server else { return };
        server.guests.remove(&wire);
        for text in why.iter().filter(|_| self.mutant != "refuses-without-a-word") {
            out.write(wire, format!("{text}\n").into_bytes());
        }
        if self.mutant == "refused-guest-stays" {
            return;
        }
        out.close(wire, CloseHow::Both);
    }

    /// The guest is our plugin from now on.
    fn registered(&mut self, wire: WireId, manifest: Value, out: &mut Acting<'_>) {
        let Some(server) = &mut self.server else { return };
        let Some(guest) = server.guests.remove(&wire) else { return };
        let awaited = std::mem::take(&mut server.awaited);
        let spawned = server.listens;
        self.plugin = Some(Plugin {
            ready: true,
            remote: true,
            lines: guest.lines,
            manifest,
            ..Plugin::new(wire, spawned, out.now, None)
        });
        for operation in awaited {
            self.reply(&operation, json!({"ready": true}), out);
        }
        if self.once.is_some() {
            self.ready(Some(Value::Null), out);
        }
        self.came(wire, Part::Main, &[], out);
    }

    /// The connection of the plugin is gone, and its calls with it.
    fn plugin_is_gone(&mut self, out: &mut Acting<'_>) {
        self.plugin = None;
        match self.mutant.as_str() {
            "broken-connection-leaves-calls" => self.calls.clear(),
            "broken-connection-is-an-end" => {
                for call in std::mem::take(&mut self.calls) {
                    self.reply(&call.operation, json!({"chunks": call.chunks}), out);
                }
            }
            _ => self.fail_all("ConnectionClosedError: Connection closed unexpectedly", out),
        }
    }

    /// The plugin has been silent for too long.
    pub(super) fn cut_off(&mut self, wire: WireId, out: &mut Acting<'_>) {
        out.close(wire, CloseHow::Both);
        self.plugin_is_gone(out);
    }

    /// Answers as soon as a plugin is registered.
    pub(super) fn await_plugin(&mut self, operation: Value, out: &mut Acting<'_>) {
        match &mut self.server {
            _ if self.plugin.is_some() => self.reply(&operation, json!({"ready": true}), out),
            Some(server) => server.awaited.push(operation),
            None => self.fail(&operation, "this daemon does not listen: start with mode debug", out),
        }
    }

    /// Closes everything of the debug runtime, for an operation.
    pub(super) fn stop_listening(&mut self, operation: &Value, out: &mut Acting<'_>) {
        let Some(server) = self.server.take() else { return };
        let plugin = self.plugin.take().map(|plugin| plugin.wire);
        for wire in server.guests.keys().copied().chain(plugin) {
            out.close(wire, CloseHow::Both);
        }
        out.close(LISTENER, CloseHow::Unlisten);
        self.fail_all("the daemon stops", out);
        self.reply(operation, json!({"ready": true}), out);
    }

    /// Ends the plugin's command.
    pub(super) fn end_child(&mut self, out: &mut Acting<'_>) {
        if self.server.as_ref().is_some_and(|server| server.child) {
            out.act(Act::Signal { wire: CHILD, signal: 9 });
        }
    }

    /// When the next guest without a handshake has had its time.
    pub(super) fn next_eviction(&self, limits: Limits) -> Option<Nanos> {
        let server = self.server.as_ref().filter(|_| !self.is("guests-may-stay"))?;
        let strangers = server.guests.values().filter(|guest| !guest.registration.shaken);
        strangers.map(|guest| guest.since + limits.handshake).min()
    }

    /// Closes the connections of those who never showed a key.
    pub(super) fn evict(&mut self, out: &mut Acting<'_>) {
        if self.next_eviction(self.limits).is_none_or(|next| next > out.now) {
            return;
        }
        let (now, patience) = (out.now, self.limits.handshake);
        let Some(server) = &mut self.server else { return };
        let is_due = |guest: &Guest| !guest.registration.shaken && guest.since + patience <= now;
        let due: BTreeSet<WireId> =
            server.guests.iter().filter(|(_, guest)| is_due(guest)).map(|(wire, _)| *wire).collect();
        for wire in due {
            server.guests.remove(&wire);
            out.close(wire, CloseHow::Both);
        }
    }
}

/// Whether a line is a heartbeat, the one thing that keeps a debug connection alive.
pub(super) fn is_heartbeat(text: &[u8]) -> bool {
    serde_json::from_slice::<Value>(text).is_ok_and(|event| event["event"] == "heartbeat")
}
