//! The reference daemon: ping, instances, launch, calls. Where the deployed daemon is weak it follows the document.

mod management;
mod operation;
mod request;
mod response;
mod told;

use std::collections::BTreeMap;

use management::Management;

use super::call::Call;
use super::install::Task;
use super::mutants::is_mutant;
use crate::actor::{ActId, Actor, Address, Exit, Nanos, Part, Payload, SECOND, Value, What, WireId};
use crate::codec::http1::Http1;
use crate::codec::lines::JsonLines;
use crate::codec::{Codec, json};
use crate::datum::Datum;
use crate::mocks::{Acting, Role, actor, option};
use crate::play::parse_url;

/// Makes a daemon from its command line.
///
/// # Errors
/// A command line that is none.
pub(super) fn make(args: &[String]) -> Result<Box<dyn Actor>, String> {
    let mut args = args.to_vec();
    let mutant = option(&mut args, "--mutant").unwrap_or_default();
    if !mutant.is_empty() && !is_mutant("daemon", &mutant) {
        return Err(format!("the dify-sri daemon has no mutant `{mutant}`"));
    }
    let profile = option(&mut args, "--profile").unwrap_or_else(|| "document".into());
    if !["document", "go-daemon"].contains(&profile.as_str()) {
        return Err(format!("--profile is document or go-daemon, not {profile:?}"));
    }
    let (url, key) = (option(&mut args, "--url"), option(&mut args, "--api-key"));
    let invoked = match option(&mut args, "--invoke") {
        Some(text) => Some(json::parse(text.as_bytes()).map_err(|error| format!("--invoke: {error}"))?),
        None => None,
    };
    let mut daemon = Daemon { mutant, posts_ping: profile == "go-daemon", invoked, ..Daemon::default() };
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve"] => {}
        ["launch", package] => {
            daemon.url = url.ok_or("--url is missing: where is the runtime?")?;
            daemon.key = key.ok_or("--api-key is missing: the key that the runtime wants")?;
            parse_url(&daemon.url)?;
            daemon.package = Some((*package).to_owned());
        }
        _ => return Err("say `serve`, or `launch PACKAGE --url U --api-key K`".into()),
    }
    Ok(actor(daemon))
}

/// The call of the conformance plugin that shows that it lives.
const ECHO: &str = r#"{"type": "tool", "action": "invoke_tool", "request":
    {"provider": "plugfest", "tool": "echo", "credentials": {}, "tool_parameters": {"text": "hello"}}}"#;

/// The daemon.
#[derive(Default)]
pub(super) struct Daemon {
    mutant: String,
    posts_ping: bool,
    input: JsonLines,
    url: String,
    key: String,
    /// The package that the command `launch` launches.
    package: Option<String>,
    /// What it calls then: `{type, action, request}`.
    invoked: Option<Datum>,
    timeouts: Timeouts,
    /// Whether a package without a trusted signature is refused.
    forces_signature: bool,
    /// The key whose signatures make a package verified.
    trusted: Option<String>,
    /// The reading of that key, and the operation that waits for it.
    key_read: Option<(ActId, i128)>,
    api: Management,
    exchanges: BTreeMap<WireId, Exchange>,
    next_wire: u32,
    tasks: Vec<Task>,
    calls: Vec<Call>,
    /// Launches that wait until one of the same package is over.
    queue: Vec<usize>,
    /// Calls that are tried again, and when.
    retries: Vec<(Nanos, usize)>,
    reads: BTreeMap<ActId, usize>,
}

/// Settings of `start`, in seconds.
struct Timeouts {
    launch: u64,
    read: u64,
    ping: u64,
    /// Most requests of one call.
    retries: u64,
    /// Most bytes of a request of a call.
    max_request: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { launch: 240, read: 60, ping: 5, retries: 3, max_request: 5 << 20 }
    }
}

/// How long a call may take.
const CALL: Nanos = 600 * SECOND;

/// A request and what came of it so far.
struct Exchange {
    codec: Http1,
    purpose: Purpose,
    request: Payload,
    status: i64,
    body: Vec<u8>,
    deadline: Nanos,
    /// Bytes since the last line feed.
    line: usize,
    /// Bytes since the last message.
    unread: usize,
    /// Whether the request went out.
    sent: bool,
    /// The act that opened its connection.
    opening: ActId,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Purpose {
    /// The ping of the operation with this id.
    Ping(i128),
    /// The instances of a task.
    Instances(usize),
    /// The launch of a task.
    Launch(usize),
    /// A call of a function.
    Call(usize),
}

/// A request that is to be sent.
struct Request<'a> {
    url: &'a str,
    method: &'a str,
    path: String,
    headers: Vec<(&'a str, String)>,
    body: Option<Vec<u8>>,
    deadline: Nanos,
}

impl Role for Daemon {
    fn take(&mut self, what: &What, out: &mut Acting<'_>) {
        match what {
            What::Start { .. } if self.package.is_some() => self.ping(0, out),
            What::Bytes { wire: WireId::STDIO, bytes, .. } => {
                self.input.feed(&bytes.0);
                while let Some(next) = self.input.next() {
                    match next {
                        Ok(message) => self.operation(&message.datum, out),
                        Err(malformed) => out.complain(&malformed.reason),
                    }
                }
            }
            What::Ended { wire: WireId::STDIO, part: Part::Main } if self.package.is_none() => {
                out.exit(Exit::Code(0));
            }
            What::Signal { wire: WireId::STDIO, signal: 2 | 15 } => out.exit(Exit::Code(0)),
            What::Listening { at: Address::Tcp(at), .. } => self.listening(at, out),
            What::Opened { wire, from, .. } if Management::accepts(*from) => self.accepted(*wire),
            What::Bytes { wire, bytes, .. } if self.api.has(*wire) => self.asked(*wire, &bytes.0, out),
            What::Ended { wire, .. } | What::Closed { wire, .. } if self.api.has(*wire) => {
                self.left(*wire, out);
            }
            What::Opened { wire, .. } => {
                if let Some(exchange) = self.exchanges.get_mut(wire) {
                    exchange.sent = true;
                    out.write(*wire, std::mem::take(&mut exchange.request));
                }
            }
            What::Bytes { wire, bytes, .. } => {
                if self.is("drip-extends-timeout")
                    && let Some(exchange) = self.exchanges.get_mut(wire)
                {
                    exchange.deadline = out.now + self.timeouts.launch * SECOND;
                }
                self.bytes(*wire, &bytes.0, out);
            }
            What::Ended { wire, .. } => self.over(*wire, "the connection ended too soon", out),
            What::Closed { wire, .. } => self.over(*wire, "the connection was reset", out),
            What::Failed { act, why, .. } => {
                let of_act = |exchange: &Exchange| exchange.opening == *act;
                let opened =
                    self.exchanges.iter().find(|(_, exchange)| of_act(exchange)).map(|(wire, _)| *wire);
                if let Some(wire) = opened {
                    self.over(wire, &why.text, out);
                }
            }
            What::Got { act, value } => self.got(*act, value, out),
            What::Time => self.time(out),
            _ => {}
        }
    }
}

impl Daemon {
    fn is(&self, mutant: &str) -> bool {
        self.mutant == mutant
    }

    fn wake(&self, out: &mut Acting<'_>) {
        let retries = self.retries.iter().map(|(at, _)| *at);
        if let Some(at) = self.exchanges.values().map(|exchange| exchange.deadline).chain(retries).min() {
            out.wake(at);
        }
    }

    fn time(&mut self, out: &mut Acting<'_>) {
        let late = |(wire, exchange): (&WireId, &Exchange)| (exchange.deadline <= out.now).then_some(*wire);
        let late: Vec<WireId> = self.exchanges.iter().filter_map(late).collect();
        for wire in late {
            self.over(wire, "it took too long", out);
        }
        let (due, later) = std::mem::take(&mut self.retries).into_iter().partition(|(at, _)| *at <= out.now);
        self.retries = later;
        let due: Vec<(Nanos, usize)> = due;
        due.into_iter().for_each(|(_, number)| self.try_call(number, out));
        self.wake(out);
    }

    fn got(&mut self, act: ActId, value: &Value, out: &mut Acting<'_>) {
        if let Some((_, id)) = self.key_read.take_if(|(read, _)| *read == act) {
            return match value {
                Value::File(blob) => {
                    self.trusted = Some(String::from_utf8_lossy(&blob.0).into_owned());
                    self.ping(id, out);
                }
                other => self.ready(id, Err(format!("the trusted key cannot be read: {other:?}")), out),
            };
        }
        let Some(number) = self.reads.remove(&act) else { return };
        match value {
            Value::File(blob) => self.begin(number, &blob.0, out),
            other => {
                self.tasks[number].fail(&format!("the package cannot be read: {other:?}"));
                self.tell(number, out);
            }
        }
    }
}

impl Daemon {
    /// The package of an installation is there.
    fn begin(&mut self, number: usize, bytes: &[u8], out: &mut Acting<'_>) {
        let task = &mut self.tasks[number];
        task.filename = crate::package::filename("package", bytes);
        if let Some(hash) = wrong_hash(&self.mutant, bytes) {
            let parts: Vec<&str> = task.filename.split('@').take(3).collect();
            task.filename = format!("{}@{hash}.difypkg", parts.join("@"));
        }
        task.bytes = bytes.to_vec();
        let is_trusted = self.mutant != "signatures-not-checked";
        task.is_verified =
            is_trusted && self.trusted.as_ref().is_some_and(|key| crate::package::is_signed(bytes, key));
        let asks = task.asks && self.mutant != "launches-without-asking";
        if asks || self.is("reinstall-asks") {
            self.instances(number, out);
        } else {
            self.launch(number, out);
        }
    }
}

/// What mutants write in the place of the checksum.
fn wrong_hash(mutant: &str, bytes: &[u8]) -> Option<String> {
    let digest = <sha2::Sha256 as sha2::Digest>::digest(bytes);
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    match mutant {
        "hash-of-file" => Some(hex),
        "hash-is-short" => Some(hex[..32].to_owned()),
        _ => None,
    }
}
