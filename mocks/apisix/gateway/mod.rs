//! The reference gateway: calls a runner for one request by hand, or for those of real clients.

mod caller;
mod deviation;
mod front;
mod hand;
mod load;
mod question;
mod spawned;

use std::collections::BTreeMap;
use std::sync::Arc;

use caller::{Caller, Done, Moment, TIMEOUT};
use front::Front;
pub(crate) use load::Loading;
use question::Exchange;
use spawned::{News, Spawned};

use super::mutants::is_mutant;
use crate::actor::{Act, ActId, Actor, Address, EVERYBODY, Exit, Nanos, Part, SECOND, Value, What, WireId};
use crate::codec::Codec;
use crate::codec::lines::JsonLines;
use crate::datum::Datum;
use crate::mocks::{Acting, Role, actor, flag, option};
use crate::play::parse_url;
use crate::protocol::apisix::meaning::Outcome;

const LISTENER: WireId = WireId::own(1);
/// How long a runner that we started may take until it listens.
const PATIENCE: Nanos = 10 * SECOND;
/// The status where nobody could be reached.
const UNREACHED: i32 = 3;
/// The longest path of a Unix socket.
const LONGEST_PATH: usize = 107;

/// Makes a gateway from its command line.
///
/// # Errors
/// A command line that is none.
pub(super) fn make(args: &[String]) -> Result<Box<dyn Actor>, String> {
    let mut args = args.to_vec();
    let argv = match args.iter().position(|arg| arg == "--") {
        Some(at) => args.split_off(at).split_off(1),
        None => Vec::new(),
    };
    let mutant = option(&mut args, "--mutant").unwrap_or_default();
    if !mutant.is_empty() && !is_mutant("gateway", &mutant) {
        return Err(format!("the apisix gateway has no mutant `{mutant}`"));
    }
    let socket = option(&mut args, "--socket").ok_or("--socket is missing: where does the runner listen?")?;
    check_path(&socket)?;
    let plugins = pairs(&mut args, "--conf", "name=value")?;
    let vars = pairs(&mut args, "--var", "name=value")?.into_iter().collect();
    let timeout = match option(&mut args, "--timeout") {
        Some(text) => {
            text.parse::<u64>().map_err(|_| format!("--timeout is a number of seconds, not {text:?}"))?
                * SECOND
        }
        None => TIMEOUT,
    };
    let purpose = purpose(&mut args, &vars)?;
    let upstream = option(&mut args, "--upstream").unwrap_or_default();
    if let Purpose::Serve { .. } = purpose {
        parse_url(&upstream).map_err(|why| format!("--upstream: {why}"))?;
    }
    let degrades = flag(&mut args, "--allow-degradation");
    let is_driven = flag(&mut args, "--driven");
    if let Some(unknown) = args.first() {
        return Err(format!("unknown option {unknown}"));
    }
    let mut caller = Caller::new(&mutant, socket, plugins, timeout);
    caller.trace = matches!(purpose, Purpose::ByHand { .. }).then(Vec::new);
    Ok(actor(Gateway {
        wires: Wires(LISTENER.name),
        front: Front::new(&mutant, upstream, degrades, vars),
        spawned: Spawned::new(&mutant, argv),
        driver: is_driven.then(JsonLines::default),
        caller,
        purpose,
        mutant,
        listens: false,
        early: Vec::new(),
        body: None,
        again: None,
        status: None,
    }))
}

fn purpose(args: &mut Vec<String>, vars: &BTreeMap<String, String>) -> Result<Purpose, String> {
    let headers = pairs(args, "--header", "'Name: value'")?;
    let body = option(args, "--body");
    match (option(args, "--request"), option(args, "--listen")) {
        (Some(line), None) => {
            let (method, target) =
                line.split_once(' ').ok_or("--request is a method and a path, as in 'GET /x?y=1'")?;
            let target = target.trim();
            if !target.starts_with('/') {
                return Err(format!("the path of --request begins with a slash, not {target:?}"));
            }
            let mut headers: Vec<(String, String)> =
                headers.into_iter().map(|(name, value)| (name, value.trim().to_owned())).collect();
            if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
                headers.push(("host".into(), "localhost".into()));
            }
            let exchange = Exchange::new(method, target, headers, Vec::new(), vec![127, 0, 0, 1], vars);
            Ok(Purpose::ByHand { exchange: Box::new(exchange), body })
        }
        (None, Some(port)) => {
            let port = port.parse().map_err(|_| format!("--listen is a port, not {port:?}"))?;
            Ok(Purpose::Serve { port })
        }
        _ => Err("say --request 'GET /x' for one call, or --listen PORT --upstream URL for a gateway".into()),
    }
}

/// The path of a socket that can be one.
///
/// # Errors
/// Why it cannot.
pub(crate) fn check_path(path: &str) -> Result<(), String> {
    if path.len() > LONGEST_PATH {
        return Err(format!(
            "the path of a socket has at most {LONGEST_PATH} bytes, this one has {}: {path}",
            path.len()
        ));
    }
    Ok(())
}

/// The values of an option that may come again, cut at the first `=` or `:`.
fn pairs(args: &mut Vec<String>, name: &str, form: &str) -> Result<Vec<(String, String)>, String> {
    let mut pairs = Vec::new();
    let cut = if form.contains(':') { ':' } else { '=' };
    while args.iter().any(|arg| arg == name) {
        let value = option(args, name).ok_or_else(|| format!("{name} wants {form}"))?;
        let (key, value) =
            value.split_once(cut).ok_or_else(|| format!("{name} wants {form}, not {value:?}"))?;
        pairs.push((key.to_owned(), value.to_owned()));
    }
    Ok(pairs)
}

/// What it is there for.
enum Purpose {
    /// One call, which is shown.
    ByHand { exchange: Box<Exchange>, body: Option<String> },
    /// Clients and an upstream.
    Serve { port: u16 },
}

/// Numbers of wires.
pub(super) struct Wires(u32);

impl Wires {
    fn next(&mut self) -> WireId {
        self.0 += 1;
        WireId::own(self.0)
    }
}

/// The gateway.
struct Gateway {
    mutant: String,
    wires: Wires,
    purpose: Purpose,
    caller: Caller,
    front: Front,
    spawned: Spawned,
    driver: Option<JsonLines>,
    listens: bool,
    /// Operations that came before it listened.
    early: Vec<i128>,
    /// The question for the body of a call by hand.
    body: Option<ActId>,
    /// When a call by hand is tried again, since the runner that we started does not listen yet.
    again: Option<Nanos>,
    /// The status of a call by hand that is over.
    status: Option<i32>,
}

impl Role for Gateway {
    /// Takes an event, then whatever it made due.
    fn take(&mut self, what: &What, out: &mut Acting<'_>) {
        let (mut done, mut begins) = (Vec::new(), Vec::new());
        let mut wires = std::mem::replace(&mut self.wires, Wires(0));
        let mut at = Moment { now: out.now, wires: &mut wires, out, done: &mut done, begins: &mut begins };
        self.event(what, &mut at);
        while !at.done.is_empty() || !at.begins.is_empty() {
            for over in std::mem::take(at.done) {
                self.over(over, &mut at);
            }
            for (client, exchange) in std::mem::take(at.begins) {
                let call = self.caller.begin(exchange, &mut at);
                self.front.waits(client, call);
            }
        }
        let next = [self.caller.deadline(), self.spawned.deadline(), self.again];
        let next = next.into_iter().flatten().min();
        if let Some(next) = next {
            at.out.wake(next);
        }
        self.wires = wires;
    }
}

impl Gateway {
    fn event(&mut self, what: &What, at: &mut Moment<'_, '_>) {
        match what {
            What::Start { given, .. } => {
                self.spawned.env.clone_from(&given.env);
                self.start(at);
            }
            What::Listening { at: address, .. } => self.listening(address, at),
            What::Bytes { wire: WireId::STDIO, bytes, .. } => self.told(&bytes.0, at),
            What::Ended { wire: WireId::STDIO, part: Part::Main } if self.driver.is_some() => self.stop(at),
            What::Signal { wire: WireId::STDIO, signal: 2 | 15 } => self.stop(at),
            What::Got { act, value } if self.body == Some(*act) => self.got_body(value, at),
            What::Failed { why, .. } if !self.listens && matches!(self.purpose, Purpose::Serve { .. }) => {
                at.out.complain(&why.text);
                at.out.exit(Exit::Code(3));
            }
            What::Time => {
                self.caller.time(at);
                self.try_again(at);
                let socket = self.caller.socket.clone();
                self.spawned.time(&socket, at);
            }
            _ => match self.spawned.take(what, at) {
                Some(news) => self.news(news, at),
                None if self.caller.take(what, at) => {}
                None => drop(self.front.take(what, at)),
            },
        }
    }

    fn start(&mut self, at: &mut Moment<'_, '_>) {
        let socket = self.caller.socket.clone();
        self.spawned.start(&socket, at);
        match &mut self.purpose {
            Purpose::Serve { port } => {
                let addr = Address::Tcp(format!("127.0.0.1:{port}"));
                at.out.act(Act::Listen { wire: LISTENER, at: addr, over_stale: false, mode: EVERYBODY });
            }
            Purpose::ByHand { body: Some(path), .. } => {
                self.body = Some(at.out.act(Act::Read { path: path.clone() }));
            }
            Purpose::ByHand { exchange, .. } => {
                self.caller.begin((**exchange).clone(), at);
            }
        }
    }

    fn got_body(&mut self, value: &Value, at: &mut Moment<'_, '_>) {
        let Purpose::ByHand { exchange, .. } = &mut self.purpose else { return };
        match value {
            Value::File(bytes) => {
                exchange.body = Arc::new(bytes.0.clone());
                let length = bytes.0.len().to_string();
                exchange.request.headers.insert("content-length".into(), vec![length]);
                self.caller.begin((**exchange).clone(), at);
            }
            Value::Missing(why) => {
                at.out.complain(&format!("the body cannot be read: {why}"));
                at.out.exit(Exit::Code(2));
            }
            Value::Datum(_) => {}
        }
    }

    fn listening(&mut self, address: &Address, at: &mut Moment<'_, '_>) {
        self.listens = true;
        if let (Purpose::Serve { port: 0 }, Address::Tcp(address), None) =
            (&self.purpose, address, &self.driver)
        {
            at.out.print(format!("http://{address}\n").into_bytes());
        }
        for id in std::mem::take(&mut self.early) {
            reply(id, at);
        }
    }

    /// Operations of a driver.
    fn told(&mut self, bytes: &[u8], at: &mut Moment<'_, '_>) {
        let Some(driver) = &mut self.driver else { return };
        driver.feed(bytes);
        let mut operations = Vec::new();
        while let Some(next) = driver.next() {
            match next {
                Ok(message) => operations.push(message.datum),
                Err(malformed) => at.out.complain(&malformed.reason),
            }
        }
        for operation in operations {
            self.operation(&operation, at);
        }
    }

    fn operation(&mut self, operation: &Datum, at: &mut Moment<'_, '_>) {
        let id = operation.get("id").and_then(Datum::as_int).unwrap_or_default();
        if operation.get("op").and_then(Datum::as_text).as_deref() != Some("configure") {
            return answer(id, vec![("error", Datum::text("only `configure` is known here"))], at);
        }
        if let Some(plugins) = operation.get("plugins").and_then(Datum::as_array) {
            let part =
                |entry: &Datum, key: &str| entry.get(key).and_then(Datum::as_inserted).unwrap_or_default();
            let plugins = plugins.iter().map(|entry| (part(entry, "name"), part(entry, "value")));
            self.caller.configure(plugins.collect());
        }
        if let Some(degrades) = operation.get("allow_degradation") {
            let said = degrades.as_bool().or(degrades.as_text().map(|text| text == "true"));
            self.front.degrades = said.unwrap_or_default();
        }
        if let Some(argv) = operation.get("spawn").and_then(Datum::as_array) {
            self.spawned.argv = argv.iter().filter_map(Datum::as_inserted).collect();
            let socket = self.caller.socket.clone();
            self.spawned.start(&socket, at);
        }
        if self.listens { reply(id, at) } else { self.early.push(id) }
    }

    fn news(&mut self, news: News, at: &mut Moment<'_, '_>) {
        match news {
            News::None => {}
            News::Ended(_) if self.status.is_none() && matches!(self.purpose, Purpose::ByHand { .. }) => {
                at.out.complain("the runner ended before it was called");
                at.out.exit(Exit::Code(UNREACHED));
            }
            News::Ended(text) => {
                if self.mutant != "tokens-outlive-the-runner" {
                    self.caller.forget_tokens();
                }
                at.out.complain(&text);
            }
            News::Failed(text) => {
                at.out.complain(&text);
                at.out.exit(Exit::Code(3));
            }
            News::Stopped => at.out.exit(Exit::Code(self.status.unwrap_or_default())),
        }
    }

    /// A runner that we started is called as soon as it listens.
    fn try_again(&mut self, at: &mut Moment<'_, '_>) {
        if let (Purpose::ByHand { exchange, .. }, Some(true)) =
            (&self.purpose, self.again.map(|again| again <= at.now))
        {
            self.again = None;
            self.caller.begin((**exchange).clone(), at);
        }
    }

    fn stop(&mut self, at: &mut Moment<'_, '_>) {
        if self.mutant == "runner-is-left-behind" || !self.spawned.stop(at) {
            at.out.exit(Exit::Code(self.status.unwrap_or_default()));
        }
    }

    fn over(&mut self, (call, result): Done, at: &mut Moment<'_, '_>) {
        if let Purpose::ByHand { exchange, .. } = &self.purpose {
            let unreached = result.as_ref().is_err_and(|failed| failed.unreached);
            if unreached && self.spawned.is_running() && at.now < PATIENCE {
                self.again = Some(at.now + PATIENCE / 500);
                self.caller.trace = Some(Vec::new());
                return;
            }
            let trace = self.caller.trace.take().unwrap_or_default();
            let (text, status) = hand::told(&trace, exchange, &result);
            at.out.print(text.into_bytes());
            let code = status.unwrap_or_else(|(code, why)| {
                at.out.complain(&why);
                code
            });
            self.status = Some(code);
            return self.stop(at);
        }
        if let Err(failed) = &result {
            at.out.complain(&format!("call {call}: {}", failed.why));
        }
        let result: Result<Outcome, String> = result.map_err(|failed| failed.why);
        self.front.called(call, result, at);
    }
}

fn reply(id: i128, at: &mut Moment<'_, '_>) {
    answer(id, Vec::new(), at);
}

fn answer(id: i128, fields: Vec<(&str, Datum)>, at: &mut Moment<'_, '_>) {
    let id = u64::try_from(id).unwrap_or_default();
    let message = Datum::map([("id", Datum::from(id))].into_iter().chain(fields));
    at.out.print(crate::mocks::encoded::json_line(&message));
}
