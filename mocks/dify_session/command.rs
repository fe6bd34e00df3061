//! The command line of the fake daemon, and how long it waits.

use serde_json::{Value, json};

use super::daemon::Daemon;
use super::mutants::is_mutant;
use crate::actor::{Actor, Nanos, SECOND};
use crate::mocks::{actor, flag, option};
use crate::play::parse_url;

/// Seconds without a line after which a plugin counts as dead (instance.go 22).
const HEARTBEAT_TIMEOUT: f64 = 120.0;
/// Seconds after which an invocation is ended (default.go 29).
const EXECUTION_TIMEOUT: f64 = 600.0;
/// Seconds without a heartbeat after which a debug connection is closed (lifetime.go 57).
const DEBUG_HEARTBEAT_TIMEOUT: f64 = 60.0;
/// Seconds that a debug connection has for its handshake (hooks.go 76-82).
const HANDSHAKE_TIMEOUT: f64 = 10.0;

/// Makes a daemon from its command line.
///
/// # Errors
/// A command line that is none.
pub fn make(args: &[String]) -> Result<Box<dyn Actor>, String> {
    let (own, command) = match args.iter().position(|arg| arg == "--") {
        Some(at) => (&args[..at], args[at + 1..].to_vec()),
        None => (args, Vec::new()),
    };
    let mut own = own.to_vec();
    let mutant = option(&mut own, "--mutant").unwrap_or_default();
    if !mutant.is_empty() && !is_mutant("daemon", &mutant) {
        return Err(format!("the dify-session daemon has no mutant `{mutant}`"));
    }
    let debug = Debug::of_command(&mut own);
    let usual = if debug.is_some() { DEBUG_HEARTBEAT_TIMEOUT } else { HEARTBEAT_TIMEOUT };
    let silence = limit(&mut own, "--heartbeat-timeout", usual)?;
    let handshake = limit(&mut own, "--handshake-timeout", HANDSHAKE_TIMEOUT)?;
    let patience = limit(&mut own, "--execution-timeout", EXECUTION_TIMEOUT)?;
    let once = once(&mut own, &command, debug.is_some())?;
    let serves = flag(&mut own, "serve");
    if let Some(unknown) = own.first() {
        return Err(format!("unknown option {unknown}"));
    }
    if serves == once.is_some() || (serves && (debug.is_some() || !command.is_empty())) {
        return Err("say what to do: --invoke tool/NAME --params JSON -- COMMAND, or serve".into());
    }
    Ok(actor(Daemon::new(mutant, once, debug, Limits { silence, patience, handshake })))
}

/// A time of the command line.
fn limit(own: &mut Vec<String>, name: &str, usual: f64) -> Result<Nanos, String> {
    let given = option(own, name);
    let value = given.as_deref().map_or(Value::Null, |text| text.parse().unwrap_or(Value::Bool(false)));
    let wrong = || format!("{name} {}: write seconds, for example 2.5", given.as_deref().unwrap_or_default());
    seconds(&value, usual).ok_or_else(wrong)
}

/// The one invocation of a command line: the command and the request's data.
fn once(own: &mut Vec<String>, command: &[String], debugs: bool) -> Result<Option<Once>, String> {
    let web = web(own, command)?;
    let params = option(own, "--params").unwrap_or_else(|| "{}".into());
    let provider = option(own, "--provider").unwrap_or_else(|| "plugfest".into());
    let Some(what) = option(own, "--invoke") else { return Ok(None) };
    let params: Value =
        serde_json::from_str(&params).map_err(|error| format!("--params is no JSON: {error}"))?;
    let tool = match what.split_once('/') {
        Some(("tool", tool)) if !tool.is_empty() => tool,
        _ => return Err(format!("--invoke {what}: write tool/NAME")),
    };
    if command.is_empty() && web.is_none() && !debugs {
        return Err("the command of the plugin is missing: -- COMMAND".into());
    }
    let request = json!({"provider": provider, "tool": tool, "credentials": {}, "tool_parameters": params});
    Ok(Some(Once { command: command.to_vec(), request, web }))
}

/// The serverless runtime of a command line: a URL, or a command that will listen where we say.
fn web(own: &mut Vec<String>, command: &[String]) -> Result<Option<Web>, String> {
    let (url, launches) = (option(own, "--url"), flag(own, "--serverless"));
    let listen = option(own, "--listen").unwrap_or_else(|| "0".into());
    if listen.parse::<u16>().is_err() {
        return Err(format!("--listen takes a port, not {listen:?}"));
    }
    match (url, launches, command.is_empty()) {
        (Some(url), false, true) => {
            parse_url(&url)?;
            Ok(Some(Web { url, listen }))
        }
        (Some(_), ..) => {
            Err("--url names a plugin that runs already: without --serverless and command".into())
        }
        (None, true, true) => Err("the command of the plugin is missing: --serverless -- COMMAND".into()),
        (None, true, false) => Ok(Some(Web { url: String::new(), listen })),
        (None, false, _) => Ok(None),
    }
}

/// The one invocation of a command line.
pub(super) struct Once {
    pub(super) command: Vec<String>,
    pub(super) request: Value,
    /// The serverless runtime, if it is that.
    pub(super) web: Option<Web>,
}

/// A plugin on the web.
#[derive(Clone)]
pub(super) struct Web {
    /// Where it is; empty if it is to be launched.
    pub(super) url: String,
    /// Our port for calls back; 0 if the system chooses.
    pub(super) listen: String,
}

/// Where the daemon waits for plugins to connect, and the key that they must show.
#[derive(Clone)]
pub(super) struct Debug {
    pub(super) listen: String,
    pub(super) key: String,
}

impl Default for Debug {
    fn default() -> Self {
        Self { listen: "127.0.0.1:0".into(), key: "plugfest-debugging-key".into() }
    }
}

impl Debug {
    /// From `--debug` or `--key KEY`, which ask for the debug runtime, and `--listen HOST:PORT`.
    fn of_command(own: &mut Vec<String>) -> Option<Self> {
        let (asked, key) = (flag(own, "--debug"), option(own, "--key"));
        let wanted = asked || key.is_some();
        let listen = if wanted { option(own, "--listen") } else { None };
        let usual = Self::default();
        let debug = Self { listen: listen.unwrap_or(usual.listen), key: key.unwrap_or(usual.key) };
        wanted.then_some(debug)
    }
}

/// How long the daemon waits.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// Without a line of the plugin.
    pub(super) silence: Nanos,
    /// For the end of an invocation.
    pub(super) patience: Nanos,
    /// For the handshake of a debug connection.
    pub(super) handshake: Nanos,
}

impl Limits {
    /// From the settings of an operation.
    pub(super) fn of(settings: &Value) -> Option<Self> {
        Some(Self {
            silence: seconds(&settings["heartbeat_timeout"], HEARTBEAT_TIMEOUT)?,
            patience: seconds(&settings["execution_timeout"], EXECUTION_TIMEOUT)?,
            handshake: seconds(&settings["handshake_timeout"], HANDSHAKE_TIMEOUT)?,
        })
    }

    /// From those of an operation that wants the debug runtime.
    pub(super) fn of_debug(settings: &Value) -> Option<Self> {
        let silence = seconds(&settings["heartbeat_timeout"], DEBUG_HEARTBEAT_TIMEOUT)?;
        Self::of(settings).map(|limits| Self { silence, ..limits })
    }
}

/// A time in seconds.
fn seconds(value: &Value, usual: f64) -> Option<Nanos> {
    let seconds = if value.is_null() { usual } else { value.as_f64()? };
    (0.0..1e9).contains(&seconds).then_some((seconds * SECOND as f64) as Nanos)
}
