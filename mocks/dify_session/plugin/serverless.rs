//! The plugin in the serverless runtime: an HTTP server that answers each invocation with its session, and calls back
//! with requests of its own.
//!
//! Sources: dify_plugin 0.7.4, core/server/serverless and core/runtime.py 288-345;
//! langgenius/dify-plugin-daemon bdb5642, internal/core/serverless_runtime/io.go.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Envelope, Plugin};
use crate::actor::{
    Act, ActId, Address, CloseHow, EVERYBODY, Exit, Given, Nanos, Payload, SECOND, Target, What, WireId,
};
use crate::codec::Codec;
use crate::codec::http1::{Asked, Format, Http1, chunk, last_chunk};
use crate::datum::{Datum, Kind};
use crate::mocks::Acting;
use crate::mocks::encoded::json_bytes;
use crate::mocks::web::{Outgoing, Requests, answer, body_bytes, refusal, stream_head, text};
use crate::protocol::dify_session::message::line;

/// Our listener; calls back have the wires after it.
const LISTENER: WireId = WireId::own(1);
/// Where the deployed daemon takes calls back.
const TRANSACTION: &str = "/backwards-invocation/transaction";

/// The face of the plugin on the web.
#[derive(Default)]
pub(super) struct Web {
    /// Where the daemon takes calls back.
    daemon: String,
    /// How long an invocation may say nothing.
    limit: Nanos,
    is_listening: bool,
    conns: BTreeMap<WireId, Conn>,
    exchanges: Vec<Exchange>,
    called: u32,
    backs: BTreeMap<WireId, Back>,
}

/// A connection of the daemon.
struct Conn {
    requests: Requests,
    ended: bool,
}

/// An invocation whose response is being written.
struct Exchange {
    session: String,
    wire: WireId,
    /// When it last said something.
    last: Nanos,
    /// What a mutant holds back until the end.
    held: Vec<u8>,
}

/// A call back under way.
struct Back {
    codec: Http1,
    request: Payload,
    opening: ActId,
    session: String,
    id: String,
    status: i128,
}

/// What the command line says of the web.
#[derive(Clone, Default)]
pub(super) struct Asks {
    pub(super) port: Option<String>,
    pub(super) daemon: Option<String>,
}

impl Plugin {
    /// Listens, if the environment or the command line says that this is the serverless runtime.
    pub(super) fn serve(&mut self, given: &Given, out: &mut Acting<'_>) {
        let env = |name: &str| given.env.get(name).cloned();
        let method = env("INSTALL_METHOD").unwrap_or_default();
        if self.asks.port.is_none() && !matches!(method.as_str(), "serverless" | "aws_lambda") {
            return;
        }
        let port = self.asks.port.clone().or(env("SERVERLESS_PORT")).unwrap_or_else(|| "8080".into());
        let host = env("SERVERLESS_HOST").unwrap_or_else(|| "127.0.0.1".into());
        let daemon = self.asks.daemon.clone().or(env("DIFY_PLUGIN_DAEMON_URL"));
        let limit = env("MAX_REQUEST_TIMEOUT").and_then(|text| text.parse().ok()).unwrap_or(300.0_f64);
        self.web = Some(Web {
            daemon: daemon.unwrap_or_else(|| "http://localhost:5002".into()),
            limit: (limit.clamp(0.001, 1e6) * SECOND as f64) as Nanos,
            ..Web::default()
        });
        if !self.is("port-is-not-served") {
            let at = Address::Tcp(format!("{host}:{port}"));
            out.act(Act::Listen { wire: LISTENER, at, over_stale: false, mode: EVERYBODY });
        }
    }

    /// What happens on the web.
    pub(super) fn on_web(&mut self, what: &What, out: &mut Acting<'_>) {
        let Some(web) = &mut self.web else { return };
        match what {
            What::Listening { at: Address::Tcp(at), .. } => {
                web.is_listening = true;
                out.print(format!("http://{at}\n").into_bytes());
            }
            What::Failed { why, .. } if !web.is_listening => {
                out.complain(&why.text);
                out.exit(Exit::Code(3));
            }
            What::Failed { act, why, .. } => self.back_failed(*act, &why.text, out),
            What::Opened { wire, from: Some(_), .. } => {
                let requests = Requests::new(Box::new(|_: &Asked, _: &Datum| Format::Bytes));
                web.conns.insert(*wire, Conn { requests, ended: false });
            }
            What::Opened { wire, .. } => {
                if let Some(back) = web.backs.get_mut(wire) {
                    out.write(*wire, std::mem::take(&mut back.request));
                }
            }
            What::Bytes { wire, bytes, .. } if web.backs.contains_key(wire) => {
                self.back_bytes(*wire, &bytes.0, out);
            }
            What::Bytes { wire, bytes, .. } => {
                if let Some(conn) = web.conns.get_mut(wire) {
                    conn.requests.feed(&bytes.0);
                }
                self.read(*wire, out);
            }
            What::Ended { wire, .. } | What::Closed { wire, .. } if web.backs.contains_key(wire) => {
                self.back_over(*wire, out);
            }
            What::Ended { wire, .. } => {
                if let Some(conn) = web.conns.get_mut(wire) {
                    conn.ended = true;
                }
                self.read(*wire, out);
            }
            What::Closed { wire, .. } => self.leave(*wire, out),
            _ => {}
        }
    }

    /// Reads requests of a connection, one after the other.
    fn read(&mut self, wire: WireId, out: &mut Acting<'_>) {
        loop {
            let Some(web) = &mut self.web else { return };
            if web.exchanges.iter().any(|exchange| exchange.wire == wire) {
                return;
            }
            let Some(conn) = web.conns.get_mut(&wire) else { return };
            match conn.requests.next() {
                Some(Ok((head, body))) => self.asked(wire, &head, &body_bytes(body), out),
                Some(Err(why)) => {
                    out.write(wire, refusal(400, &why));
                    return self.leave(wire, out);
                }
                None if conn.ended => return self.leave(wire, out),
                None => return,
            }
        }
    }

    /// Nobody reads on a connection any more.
    fn leave(&mut self, wire: WireId, out: &mut Acting<'_>) {
        let Some(web) = &mut self.web else { return };
        if web.conns.remove(&wire).is_some() {
            out.close(wire, CloseHow::Both);
        }
        let of_wire = |exchange: &Exchange| (exchange.wire == wire).then(|| exchange.session.clone());
        for session in web.exchanges.iter().filter_map(of_wire).collect::<Vec<_>>() {
            self.forget(&session);
        }
    }

    /// What a session still had to do is not done.
    fn forget(&mut self, session: &str) {
        self.sessions.retain(|known| known.id != session);
        self.calls.retain(|call| call.session != session);
        if let Some(web) = &mut self.web {
            web.exchanges.retain(|exchange| exchange.session != session);
        }
    }

    /// A request has come whole.
    fn asked(&mut self, wire: WireId, head: &Datum, body: &[u8], out: &mut Acting<'_>) {
        let target = text(head, "path");
        match (text(head, "method").as_str(), target.split('?').next().unwrap_or_default()) {
            ("GET", "/health") if !self.is("health-is-404") => {
                out.write(wire, answer(200, "text/plain", "OK"))
            }
            ("POST", "/invoke") => self.invoked(wire, body, out),
            (_, "/invoke" | "/health") => out.write(wire, refusal(405, "the method does not fit")),
            _ => out.write(wire, refusal(404, "there is no such thing here")),
        }
    }

    fn invoked(&mut self, wire: WireId, body: &[u8], out: &mut Acting<'_>) {
        let read = serde_json::from_slice::<Value>(body).map_err(|error| error.to_string());
        let envelope = read.and_then(Envelope::read).and_then(|envelope| match envelope.event.as_str() {
            "request" => Ok(envelope),
            other => Err(format!("the event `{other}` is no request")),
        });
        let envelope = match envelope {
            Ok(envelope) => envelope,
            Err(_) if self.is("bad-body-ends-plugin") => return out.exit(Exit::Code(1)),
            Err(_) if self.is("bad-body-is-200") => return out.write(wire, answer(200, "text/plain", "")),
            Err(why) if self.is("bad-body-is-500") => return out.write(wire, refusal(500, &why)),
            Err(why) => return out.write(wire, refusal(400, &why)),
        };
        let (session, last) = (envelope.session.clone(), out.now);
        let status = if self.is("answer-is-201") { 201 } else { 200 };
        out.write(wire, stream_head(status, "text/event-stream"));
        if let Some(web) = &mut self.web {
            web.exchanges.push(Exchange { session, wire, last, held: Vec::new() });
        }
        self.request(&envelope, out);
    }

    /// Writes a session's event into the response of its invocation; a call back becomes a request.
    pub(super) fn respond(&mut self, event: &Value, out: &mut Acting<'_>) {
        let id = event["session_id"].as_str().unwrap_or_default();
        let kind = event["data"]["type"].as_str().unwrap_or_default();
        if kind == "invoke" {
            return self.post_back(event, out);
        }
        let mutant = self.mutant.as_str();
        let Some(web) = &mut self.web else { return };
        let Some(at) = web.exchanges.iter().position(|exchange| exchange.session == id) else { return };
        let exchange = &mut web.exchanges[at];
        exchange.last = out.now;
        if !(kind == "end" && mutant == "body-without-end") {
            exchange.held.extend(line(event));
        }
        let is_end = kind == "end";
        if is_end || mutant != "body-at-once" {
            let said = chunk(std::mem::take(&mut exchange.held).into(), &|_| None);
            out.write(exchange.wire, said.unwrap_or_default());
        }
        if is_end {
            let wire = web.exchanges.remove(at).wire;
            out.write(wire, last_chunk(&[]));
            self.read(wire, out);
        }
    }

    /// When the next invocation has said nothing for too long.
    pub(super) fn silence_ends(&self) -> Option<Nanos> {
        let web = self.web.as_ref()?;
        web.exchanges.iter().map(|exchange| exchange.last + web.limit).min()
    }

    /// Ends what has said nothing for too long.
    pub(super) fn end_silent(&mut self, out: &mut Acting<'_>) {
        while let Some(web) = &mut self.web {
            let is_late = |exchange: &&Exchange| exchange.last + web.limit <= out.now;
            let Some(exchange) = web.exchanges.iter().find(is_late) else { return };
            let (session, wire) = (exchange.session.clone(), exchange.wire);
            if self.is("limit-ends-body") {
                out.write(wire, last_chunk(&[]));
            } else {
                self.fail(&session, "TimeoutError", "the tool took longer than MAX_REQUEST_TIMEOUT", out);
            }
            self.forget(&session);
        }
    }

    /// Asks the daemon to serve a call back.
    fn post_back(&mut self, event: &Value, out: &mut Acting<'_>) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (session, id) =
            (text(&event["session_id"]), text(&event["data"]["data"]["backwards_request_id"]));
        let path = if self.is("calls-back-elsewhere") { "/transaction" } else { TRANSACTION };
        let named = !self.is("calls-back-without-session");
        let Some(web) = &mut self.web else { return };
        let formats = |_: &Asked, head: &Datum| match head.get("status").and_then(Datum::as_int) {
            Some(200..=299) => Format::Lines,
            _ => Format::Bytes,
        };
        let headers = [("Content-Type", "application/json"), ("Dify-Plugin-Session-ID", &session)];
        let headers = headers.into_iter().filter(|(name, _)| named || *name == "Content-Type");
        let body = Some(line(event));
        let outgoing = Outgoing::new(&web.daemon, ("POST", path), headers, body, Box::new(formats));
        let Outgoing { addr, bytes: request, codec } = match outgoing {
            Ok(outgoing) => outgoing,
            Err(why) => return self.back_fails(&session, &id, &why, out),
        };
        web.called += 1;
        let wire = WireId::own(1 + web.called);
        let opening = out.act(Act::Open { wire, to: Target::Connect { addr, tls: false } });
        web.backs.insert(wire, Back { codec, request, opening, session, id, status: 0 });
    }

    fn back_bytes(&mut self, wire: WireId, bytes: &[u8], out: &mut Acting<'_>) {
        let has_blank_line = bytes.windows(2).any(|pair| pair == b"\n\n") || bytes == b"\n";
        if let Some(back) = self.web.as_mut().and_then(|web| web.backs.get_mut(&wire)) {
            back.codec.feed(bytes);
            if has_blank_line && self.mutant == "blank-line-fails-call-back" {
                let (session, id) = (back.session.clone(), back.id.clone());
                self.back_fails(&session, &id, "a line of the daemon is no JSON", out);
            }
        }
        while let Some(back) = self.web.as_mut().and_then(|web| web.backs.get_mut(&wire)) {
            let Some(next) = back.codec.next() else { break };
            let (session, id, status) = (back.session.clone(), back.id.clone(), back.status);
            match next {
                Ok(message) if message.kind == Kind::Head => {
                    back.status = message.datum.get("status").and_then(Datum::as_int).unwrap_or_default();
                }
                Ok(message) if message.kind == Kind::Message => {
                    let bytes = match message.datum.as_bytes() {
                        Some(bytes) => bytes.into_owned(),
                        None => json_bytes(&message.datum),
                    };
                    let value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
                    self.back_line(&session, &id, status, value, out);
                }
                Ok(_) => return self.back_over(wire, out),
                Err(malformed) => {
                    let why = format!("the daemon answered with status {status}: {}", malformed.reason);
                    self.back_fails(&session, &id, &why, out);
                }
            }
        }
        self.close_answered(out);
    }

    /// A line of the daemon's answer; a refusal comes bare (serverless_handler.go 148-191).
    fn back_line(&mut self, session: &str, id: &str, status: i128, value: Value, out: &mut Acting<'_>) {
        if (200..300).contains(&status) {
            if let Ok(envelope) = Envelope::read(value) {
                self.answer(&envelope, out);
            }
            return;
        }
        let told = value["message"].as_str().or(value["data"]["message"].as_str());
        let why = match told {
            Some(told) if !self.is("refusal-is-not-told") => told.to_owned(),
            _ => format!("the daemon answered with status {status}"),
        };
        self.back_fails(session, id, &why, out);
    }

    fn back_fails(&mut self, session: &str, id: &str, why: &str, out: &mut Acting<'_>) {
        let own = |call: &super::Call| call.session == session && call.id == id;
        if let Some(at) = self.calls.iter().position(own) {
            self.calls.remove(at);
            self.fail(session, "Exception", why, out);
        }
    }

    fn back_failed(&mut self, act: ActId, why: &str, out: &mut Acting<'_>) {
        let Some(web) = &mut self.web else { return };
        let own = |(_, back): &(&WireId, &Back)| back.opening == act;
        let Some(wire) = web.backs.iter().find(own).map(|(wire, _)| *wire) else { return };
        if let Some(back) = web.backs.remove(&wire) {
            self.back_fails(&back.session, &back.id, why, out);
        }
    }

    /// The daemon says nothing more to a call back.
    fn back_over(&mut self, wire: WireId, out: &mut Acting<'_>) {
        let Some(back) = self.web.as_mut().and_then(|web| web.backs.remove(&wire)) else { return };
        out.close(wire, CloseHow::Both);
        let why = match back.status {
            0 | 200..=299 => "the daemon's answer stopped before its end".to_owned(),
            status => format!("the daemon answered with status {status}"),
        };
        self.back_fails(&back.session, &back.id, &why, out);
    }

    /// Closes the connections of calls back that are over.
    pub(super) fn close_answered(&mut self, out: &mut Acting<'_>) {
        let Some(web) = &mut self.web else { return };
        let lives =
            |back: &Back| self.calls.iter().any(|call| call.session == back.session && call.id == back.id);
        let over: Vec<WireId> =
            web.backs.iter().filter(|(_, back)| !lives(back)).map(|(wire, _)| *wire).collect();
        for wire in over {
            web.backs.remove(&wire);
            out.close(wire, CloseHow::Both);
        }
    }
}
