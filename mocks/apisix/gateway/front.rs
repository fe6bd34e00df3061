//! The HTTP side: clients in front, the upstream behind.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::caller::Moment;
use super::deviation;
use super::question::Exchange;
use crate::actor::{Act, ActId, CloseHow, Part, Payload, Target, What, WireId};
use crate::codec::Codec;
use crate::codec::http1::{Asked, Format, Http1, request_bytes, response_bytes};
use crate::datum::{Datum, Kind};
use crate::play::parse_url;
use crate::protocol::apisix::meaning::{Headers, Outcome, Request, Response};

/// Headers that concern one connection only, and lengths, which are told anew.
const OF_THE_HOP: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "content-length",
];

/// Clients and the upstream.
pub(super) struct Front {
    pub mutant: String,
    pub upstream: String,
    /// Whether a request goes on unchanged when its call fails.
    pub degrades: bool,
    pub vars: BTreeMap<String, String>,
    clients: BTreeMap<WireId, Client>,
    forwards: BTreeMap<WireId, Forward>,
    /// Who waits for a call.
    waiting: BTreeMap<u64, (WireId, Whole)>,
}

struct Client {
    codec: Http1,
    address: String,
    head: Option<Datum>,
    body: Vec<u8>,
    /// Requests that came while one was under way.
    queue: VecDeque<Whole>,
    busy: bool,
    ended: bool,
}

/// A request that has come whole.
#[derive(Clone)]
struct Whole {
    method: String,
    exchange: Exchange,
}

/// A request to the upstream, and its response so far.
struct Forward {
    codec: Http1,
    client: WireId,
    method: String,
    request: Payload,
    head: Option<Datum>,
    body: Vec<u8>,
    /// Headers that the client gets whatever the upstream says.
    headers: Headers,
    open: ActId,
}

impl Front {
    pub fn new(mutant: &str, upstream: String, degrades: bool, vars: BTreeMap<String, String>) -> Self {
        Self {
            mutant: mutant.into(),
            upstream,
            degrades,
            vars,
            clients: BTreeMap::new(),
            forwards: BTreeMap::new(),
            waiting: BTreeMap::new(),
        }
    }

    /// Takes what happened to one of its wires; `None` if it is none of its own.
    pub fn take(&mut self, what: &What, at: &mut Moment<'_, '_>) -> Option<()> {
        match what {
            What::Opened { wire, from: Some(_), peer } => {
                let address = match peer {
                    crate::actor::Peer::Socket { addr } => addr.clone(),
                    crate::actor::Peer::Process { .. } => String::new(),
                };
                let codec = Http1::server(Box::new(|_: &Asked, _: &Datum| Format::Bytes));
                let (queue, body) = (VecDeque::new(), Vec::new());
                let client = Client { codec, address, head: None, body, queue, busy: false, ended: false };
                self.clients.insert(*wire, client);
            }
            What::Opened { wire, .. } => {
                let forward = self.forwards.get_mut(wire)?;
                at.out.write(*wire, std::mem::take(&mut forward.request));
            }
            What::Bytes { wire, part: Part::Main, bytes } if self.clients.contains_key(wire) => {
                self.feed_client(*wire, &bytes.0, at);
                at.begins.extend(self.next_call(*wire));
            }
            What::Bytes { wire, part: Part::Main, bytes } => {
                self.forwards.get_mut(wire)?.codec.feed(&bytes.0);
                self.drain_upstream(*wire, at);
            }
            What::Ended { wire, .. } if self.clients.contains_key(wire) => {
                if let Some(client) = self.clients.get_mut(wire) {
                    client.ended = true;
                }
                self.leave_if_over(*wire, at);
            }
            What::Closed { wire, .. } if self.clients.remove(wire).is_some() => {}
            What::Ended { wire, .. } | What::Closed { wire, .. } => {
                let forward = self.forwards.get_mut(wire)?;
                let cut = forward.codec.finish().is_some();
                self.drain_upstream(*wire, at);
                if cut || self.forwards.contains_key(wire) {
                    self.upstream_failed(*wire, at);
                }
            }
            What::Failed { act, .. } => {
                let wire =
                    self.forwards.iter().find(|(_, forward)| forward.open == *act).map(|(id, _)| *id)?;
                self.upstream_failed(wire, at);
            }
            _ => return None,
        }
        Some(())
    }

    fn feed_client(&mut self, wire: WireId, bytes: &[u8], at: &mut Moment<'_, '_>) {
        let vars = &self.vars;
        let Some(client) = self.clients.get_mut(&wire) else { return };
        client.codec.feed(bytes);
        while let Some(next) = client.codec.next() {
            match next {
                Ok(message) if message.kind == Kind::Head => client.head = Some(message.datum),
                Ok(message) if message.kind == Kind::Message => {
                    client.body = message.datum.into_bytes().unwrap_or_default();
                }
                Ok(_) => {
                    let (Some(head), body) = (client.head.take(), std::mem::take(&mut client.body)) else {
                        continue;
                    };
                    client.queue.push_back(whole(&head, body, &client.address, vars));
                }
                Err(malformed) => {
                    let refusal = page(400, &malformed.reason);
                    at.out.write(wire, response(&refusal, "GET"));
                    at.out.close(wire, CloseHow::Both);
                    self.clients.remove(&wire);
                    return;
                }
            }
        }
    }

    /// The next request of a client, if none is under way.
    fn next_call(&mut self, wire: WireId) -> Option<(WireId, Exchange)> {
        let client = self.clients.get_mut(&wire).filter(|client| !client.busy)?;
        let exchange = client.queue.front()?.exchange.clone();
        client.busy = true;
        Some((wire, exchange))
    }

    /// Remembers whose call it is.
    pub fn waits(&mut self, client: WireId, call: u64) {
        let whole = self.clients.get_mut(&client).and_then(|client| client.queue.pop_front());
        if let Some(whole) = whole {
            self.waiting.insert(call, (client, whole));
        }
    }

    /// A call is over.
    pub fn called(&mut self, call: u64, outcome: Result<Outcome, String>, at: &mut Moment<'_, '_>) {
        let Some((client, mut whole)) = self.waiting.remove(&call) else { return };
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(why) if self.mutant == "tries-never-degrade" && why.contains("tries") => {
                Outcome::Failure(why)
            }
            Err(_) if self.degrades && self.mutant != "never-degrades" => {
                if self.mutant == "degraded-body-is-lost" {
                    whole.exchange.body = Arc::default();
                }
                Outcome::Forward(whole.exchange.request.clone())
            }
            Err(_) if self.mutant == "failure-goes-on" => Outcome::Forward(whole.exchange.request.clone()),
            Err(why) => Outcome::Failure(why),
        };
        match outcome {
            Outcome::Forward(request) => self.forward(client, &whole, &request, at),
            Outcome::Answer(_) if self.mutant == "stop-goes-upstream-too" => {
                self.forward(client, &whole, &whole.exchange.request, at);
            }
            Outcome::Answer(mut answer) => {
                deviation::of_answer(&self.mutant, &mut answer);
                self.answer(client, &whole.method, &answer, at);
            }
            Outcome::Failure(why) => self.answer(client, &whole.method, &page(503, &why), at),
        }
    }

    /// Answers a client; its next request may begin.
    fn answer(&mut self, wire: WireId, method: &str, answer: &Response, at: &mut Moment<'_, '_>) {
        let Some(client) = self.clients.get_mut(&wire) else { return };
        client.codec.answered();
        client.busy = false;
        at.out.write(wire, response(answer, method));
        self.leave_if_over(wire, at);
        at.begins.extend(self.next_call(wire));
    }

    fn leave_if_over(&mut self, wire: WireId, at: &mut Moment<'_, '_>) {
        let over = |client: &Client| client.ended && !client.busy && client.queue.is_empty();
        if self.clients.get(&wire).is_some_and(over) {
            at.out.close(wire, CloseHow::Both);
            self.clients.remove(&wire);
        }
    }

    fn forward(&mut self, client: WireId, whole: &Whole, request: &Request, at: &mut Moment<'_, '_>) {
        let (addr, host, base) = match parse_url(&self.upstream) {
            Ok(parts) => parts,
            Err(why) => return self.answer(client, &whole.method, &page(502, &why), at),
        };
        let path = format!("{base}{}", target(whole, request, &self.mutant));
        let bytes = upstream_request(whole, request, &path, &host, &self.mutant);
        let mut codec = Http1::client(Box::new(|_: &Asked, _: &Datum| Format::Bytes));
        codec.sent(Asked { method: request.method.clone(), path });
        let wire = at.wires.next();
        let open = at.out.act(Act::Open { wire, to: Target::Connect { addr, tls: false } });
        let headers = request.response_headers.clone();
        let forward = Forward {
            codec,
            client,
            method: whole.method.clone(),
            request: bytes,
            head: None,
            body: Vec::new(),
            headers,
            open,
        };
        self.forwards.insert(wire, forward);
    }

    fn drain_upstream(&mut self, wire: WireId, at: &mut Moment<'_, '_>) {
        while let Some(next) = self.forwards.get_mut(&wire).and_then(|forward| forward.codec.next()) {
            let Some(forward) = self.forwards.get_mut(&wire) else { return };
            match next {
                Ok(message) if message.kind == Kind::Head => {
                    let status = message.datum.get("status").and_then(Datum::as_int).unwrap_or_default();
                    forward.head = (status >= 200).then_some(message.datum);
                }
                Ok(message) if message.kind == Kind::Message => {
                    forward.body = message.datum.into_bytes().unwrap_or_default();
                }
                Ok(_) if forward.head.is_some() => return self.upstream_answered(wire, at),
                Ok(_) => {}
                Err(_) => return self.upstream_failed(wire, at),
            }
        }
    }

    fn upstream_answered(&mut self, wire: WireId, at: &mut Moment<'_, '_>) {
        let Some(forward) = self.forwards.remove(&wire) else { return };
        at.out.close(wire, CloseHow::Both);
        let head = forward.head.unwrap_or(Datum::Null);
        let mut headers: Headers = headers_of(&head);
        headers.retain(|name, _| {
            !OF_THE_HOP.contains(&&**name) || (name == "content-length" && forward.method == "HEAD")
        });
        headers.extend(forward.headers);
        let status = head.get("status").and_then(Datum::as_int).and_then(|status| u16::try_from(status).ok());
        let answer = Response { status: status.unwrap_or(502), headers, body: Some(forward.body) };
        self.answer(forward.client, &forward.method, &answer, at);
    }

    fn upstream_failed(&mut self, wire: WireId, at: &mut Moment<'_, '_>) {
        let Some(forward) = self.forwards.remove(&wire) else { return };
        at.out.close(wire, CloseHow::Both);
        self.answer(forward.client, &forward.method, &page(502, "the upstream does not answer"), at);
    }
}

fn whole(head: &Datum, body: Vec<u8>, address: &str, vars: &BTreeMap<String, String>) -> Whole {
    let part = |key: &str| head.get(key).and_then(Datum::as_inserted).unwrap_or_default();
    let headers = headers_of(head).into_iter();
    let headers =
        headers.flat_map(|(name, values)| values.into_iter().map(move |value| (name.clone(), value)));
    let exchange =
        Exchange::new(&part("method"), &part("path"), headers.collect(), body, octets(address), vars);
    Whole { method: part("method"), exchange }
}

fn headers_of(head: &Datum) -> Headers {
    let fields = head.get("headers").and_then(Datum::as_map).unwrap_or_default();
    let text = |value: &Datum| value.as_text().unwrap_or_default().into_owned();
    let values = |value: &Datum| match value.as_array() {
        Some(values) => values.iter().map(text).collect(),
        None => vec![text(value)],
    };
    fields.iter().map(|(name, value)| (text(name), values(value))).collect()
}

/// 4 or 16 bytes of a socket's address; of one that has none, those of this machine.
fn octets(address: &str) -> Vec<u8> {
    match address.parse::<core::net::SocketAddr>().map(|address| address.ip()) {
        Ok(core::net::IpAddr::V4(ip)) => ip.octets().to_vec(),
        Ok(core::net::IpAddr::V6(ip)) => ip.octets().to_vec(),
        Err(_) => vec![127, 0, 0, 1],
    }
}

/// Path and query that go upstream: what the reply did not change stays as the client wrote it.
pub(super) fn target_of(exchange: &Exchange, request: &Request) -> String {
    let (path, query) = match exchange.target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (&*exchange.target, None),
    };
    let plain = Request { args: BTreeMap::new(), ..request.clone() };
    let path = if request.path == exchange.request.path { path.to_owned() } else { plain.target() };
    let changed = (request.args != exchange.request.args)
        .then(|| crate::protocol::apisix::meaning::query(&request.args));
    match changed.as_deref().or(query) {
        None | Some("") => path,
        Some(query) => format!("{path}?{query}"),
    }
}

fn target(whole: &Whole, request: &Request, mutant: &str) -> String {
    let target = target_of(&whole.exchange, request);
    match mutant {
        "query-is-lost" => target.split('?').next().unwrap_or_default().to_owned(),
        "path-is-not-escaped" if request.path != whole.exchange.request.path => {
            target.replacen("%3F", "?", 1)
        }
        "escapes-are-kept" => target.replace("%25", "%"),
        "arguments-are-not-escaped" => target.replace("%26", "&"),
        "flags-get-empty-values" if request.args != whole.exchange.request.args => {
            target.replacen("z", "z=", 1)
        }
        _ => target,
    }
}

/// The request that goes upstream.
pub(super) fn head_of(request: &Request, path: &str) -> Datum {
    let headers = request.headers.iter().filter(|(name, _)| !OF_THE_HOP.contains(&&***name));
    let mut headers: Vec<(String, Datum)> =
        headers.map(|(name, values)| (name.clone(), list(values))).collect();
    if !request.headers.contains_key("host") {
        headers.push(("host".into(), Datum::text("")));
    }
    Datum::map([
        ("method", Datum::text(&request.method)),
        ("path", Datum::text(path)),
        ("headers", Datum::map(headers)),
    ])
}

fn list(values: &[String]) -> Datum {
    match values {
        [one] => Datum::text(one),
        all => Datum::array(all.iter().map(Datum::text)),
    }
}

fn upstream_request(whole: &Whole, request: &Request, path: &str, host: &str, mutant: &str) -> Payload {
    let mut body = request.body.clone().unwrap_or_else(|| whole.exchange.body.to_vec());
    if mutant == "new-body-has-the-old-length" {
        body.resize(whole.exchange.body.len(), b' ');
    }
    let body = (!body.is_empty()).then(|| Payload::from(body));
    request_bytes(&head_of(request, path), host, body, &|_| None).unwrap_or_default()
}

fn response(answer: &Response, method: &str) -> Payload {
    let headers = answer.headers.iter().map(|(name, values)| (name.clone(), list(values)));
    let head =
        Datum::map([("status", Datum::from(i64::from(answer.status))), ("headers", Datum::map(headers))]);
    let is_bare = method == "HEAD" || matches!(answer.status, 100..=199 | 204 | 304);
    let body = (!is_bare).then(|| Payload::from(answer.body.clone().unwrap_or_default()));
    response_bytes(&head, body, &|_| None).unwrap_or_default()
}

/// A page of our own, for what went wrong.
fn page(status: u16, why: &str) -> Response {
    let headers = Headers::from([("content-type".into(), vec!["text/plain; charset=utf-8".into()])]);
    Response { status, headers, body: Some(format!("{why}\n").into_bytes()) }
}
