//! What acts do with HTTP: requests on exchanges of their own, responses, and the bodies that are sent bit by bit.

use std::sync::Arc;

use super::Ran;
use super::stage::Stage;
use crate::actor::{Address, Part, Payload, Pieces, WireId};
use crate::codec::http1::{self, Asked, Format, Http1};
use crate::datum::{Datum, Kind};
use crate::scenario::Body;

/// A request that is ready but for its connection.
pub struct Request {
    /// Where to, if not to the lane's own subject: `http://host:port/base`.
    pub url: Option<String>,
    /// Its method.
    pub method: String,
    /// Its target below the base of the URL.
    pub path: String,
    /// Its headers, in order.
    pub headers: Vec<(String, String)>,
    /// What follows the head.
    pub body: Sent,
    /// In which pieces it goes out.
    pub pieces: Pieces,
}

/// What follows a head that we send.
#[derive(Clone, Debug, PartialEq)]
pub enum Sent {
    /// Nothing.
    Nothing,
    /// All of the body.
    Whole(Payload),
    /// Further acts: chunks, messages, `close = "body"`.
    Stream,
}

/// The codec of a connection, whose bodies are read as the suite says for their paths.
pub(super) fn codec(bodies: &[Body], accepted: bool) -> Box<Http1> {
    let bodies: Arc<[Body]> = bodies.into();
    let choose = move |asked: &Asked, head: &Datum| {
        let Some(body) = body_of(&bodies, &asked.path) else { return Format::Text };
        match head.get("status").and_then(Datum::as_int) {
            None => body.request,
            Some(200..=299) => body.body,
            Some(_) => body.error,
        }
    };
    Box::new(if accepted { Http1::server(Box::new(choose)) } else { Http1::client(Box::new(choose)) })
}

fn body_of<'a>(bodies: &'a [Body], target: &str) -> Option<&'a Body> {
    let path = target.split('?').next().unwrap_or_default();
    bodies.iter().find(|body| match body.path.strip_prefix('*') {
        Some(end) => path.ends_with(end),
        // Whatever the path of the URL below which it lies.
        None => path.ends_with(&body.path),
    })
}

/// The length of a package, for the head of what holds it.
fn length(name: &str) -> Option<u64> {
    crate::mocks::package(name).map(|bytes| bytes.len() as u64)
}

/// The address, the Host and the base path of an `http` URL.
///
/// # Errors
/// Why nobody can connect to it.
pub fn parse_url(url: &str) -> Result<(Address, String, String), String> {
    let rest = url.strip_prefix("http://").ok_or_else(|| match url.starts_with("https://") {
        true => format!("{url}: plugfest speaks plain HTTP only"),
        false => format!("{url:?} is no http URL"),
    })?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, base) = rest.split_at(end);
    let base = base.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    let port = host.rsplit_once(':').filter(|(_, port)| !port.contains(']'));
    if host.is_empty() || host.contains('@') || port.is_some_and(|(_, port)| port.parse::<u16>().is_err()) {
        return Err(format!("{url:?} is no http URL: its host is {host:?}"));
    }
    let addr = if port.is_some() { host.to_owned() } else { format!("{host}:80") };

    Ok((Address::Tcp(addr), host.to_owned(), base.to_owned()))
}

/// Where a URL leads: whether through TLS, the address, the Host and the base path.
fn destination(url: &str) -> Result<(bool, Address, String, String), String> {
    let Some(rest) = url.strip_prefix("https://") else {
        return parse_url(url).map(|(addr, host, base)| (false, addr, host, base));
    };
    let (addr, host, base) = parse_url(&format!("http://{rest}"))?;
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
    let addr = if has_port { addr } else { Address::Tcp(format!("{host}:443")) };
    Ok((true, addr, host, base))
}

impl Stage<'_> {
    /// Sends a request on the lane's connection while it is open, else on a new one.
    pub fn request(&mut self, request: Request) -> Ran {
        let url = match &request.url {
            Some(url) => url.clone(),
            None => match self.bindings().get("url").and_then(Datum::as_inserted) {
                Some(url) => url,
                None => return Ran::Failed("there is no `url` to send a request to".into()),
            },
        };
        let (tls, addr, host, base) = match destination(&url) {
            Ok(parts) => parts,
            Err(why) => return Ran::Failed(why),
        };
        let (wire, is_new) = match self.open_exchange(&host) {
            Some(wire) => (wire, false),
            None => (self.new_exchange(&host), true),
        };
        let pieces = request.pieces.clone();
        let bytes = match self.write_request(wire, &host, &base, request) {
            Ok(bytes) => bytes,
            Err(why) => return Ran::Failed(why),
        };
        if is_new {
            return Ran::Asked(self.connect_first(wire, addr, tls, bytes, pieces));
        }
        self.begin_exchange(wire);
        self.write(wire, Part::Main, bytes, pieces);
        Ran::Done
    }

    fn write_request(
        &mut self,
        wire: WireId,
        host: &str,
        base: &str,
        request: Request,
    ) -> Result<Payload, String> {
        let path = format!("{base}{}", request.path);
        let mut headers = request.headers;
        let says = |name: &str, headers: &[(String, String)]| {
            headers.iter().any(|(header, _)| header.eq_ignore_ascii_case(name))
        };
        for (name, value) in self.usual_headers() {
            if !says(&name, &headers) {
                headers.push((name, value));
            }
        }
        if request.body == Sent::Stream {
            if !says("host", &headers) {
                headers.insert(0, ("Host".into(), host.into()));
            }
            stream(&mut headers);
        }
        let head = Datum::map([
            ("method", Datum::text(&request.method)),
            ("path", Datum::text(&path)),
            ("headers", fields(&headers)),
        ]);
        self.note_sent(&head);
        let http = self.http(wire)?;
        match request.body {
            Sent::Stream => {
                let mut bytes = Payload::default();
                crate::codec::Codec::encode(http, Kind::Head, &head, &mut bytes)?;
                Ok(bytes)
            }
            body => {
                http.sent(Asked { method: request.method, path });
                http1::request_bytes(&head, host, body.whole(), &length)
            }
        }
    }

    /// Answers the request that the lane took last.
    pub fn respond(
        &mut self,
        status: i64,
        headers: Vec<(String, String)>,
        body: Sent,
        pieces: Pieces,
    ) -> Ran {
        let Some(wire) = self.connection() else { return Ran::NotYet };
        match self.write_response(wire, status, headers, body) {
            Ok(bytes) => {
                self.write(wire, Part::Main, bytes, pieces);
                Ran::Done
            }
            Err(why) => Ran::Failed(why),
        }
    }

    fn write_response(
        &mut self,
        wire: WireId,
        status: i64,
        mut headers: Vec<(String, String)>,
        body: Sent,
    ) -> Result<Payload, String> {
        if body == Sent::Stream {
            stream(&mut headers);
        }
        let head = Datum::map([("status", Datum::from(status)), ("headers", fields(&headers))]);
        self.note_sent(&head);
        let http = self.http(wire)?;
        if body == Sent::Stream {
            let mut bytes = Payload::default();
            crate::codec::Codec::encode(http, Kind::Head, &head, &mut bytes)?;
            return Ok(bytes);
        }
        if !(100..200).contains(&status) {
            http.answered();
        }
        http1::response_bytes(&head, body.whole(), &length)
    }

    /// Sends bytes of a body that is sent bit by bit: one chunk, where the body is chunked.
    pub fn write_part(&mut self, bytes: Payload, pieces: Pieces) -> Ran {
        let Some(wire) = self.connection() else { return Ran::NotYet };
        let framed = self.http(wire).and_then(|http| http.part(bytes, &length));
        match framed {
            Ok(bytes) => {
                self.write(wire, Part::Main, bytes, pieces);
                Ran::Done
            }
            Err(why) => Ran::Failed(why),
        }
    }

    /// Ends a body that is sent bit by bit; the connection stays.
    pub fn end_body(&mut self) -> Ran {
        let Some(wire) = self.connection() else { return Ran::NotYet };
        let mut bytes = Payload::default();
        match self.encode(wire, Kind::End, &Datum::Null, &mut bytes) {
            Ok(()) => {
                self.write(wire, Part::Main, bytes, Pieces::Whole);
                Ran::Done
            }
            Err(why) => Ran::Failed(why),
        }
    }
}

impl Sent {
    fn whole(self) -> Option<Payload> {
        match self {
            Sent::Whole(body) => Some(body),
            Sent::Nothing | Sent::Stream => None,
        }
    }
}

/// A body of no known length is chunked, unless the head says how it ends.
fn stream(headers: &mut Vec<(String, String)>) {
    let says = ["transfer-encoding", "content-length"];
    if !headers.iter().any(|(name, _)| says.iter().any(|other| name.eq_ignore_ascii_case(other))) {
        headers.push(("Transfer-Encoding".into(), "chunked".into()));
    }
}

fn fields(headers: &[(String, String)]) -> Datum {
    let field = |(name, value): &(String, String)| (name.clone(), Datum::text(value));
    Datum::map(headers.iter().map(field))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_have_an_address_a_host_and_a_base() {
        let parsed = parse_url("http://127.0.0.1:80/a/b/?x=1").unwrap();
        assert_eq!(parsed, (Address::Tcp("127.0.0.1:80".into()), "127.0.0.1:80".into(), "/a/b".into()));
        assert_eq!(parse_url("http://h").unwrap().0, Address::Tcp("h:80".into()));
        for wrong in ["", "h:80", "ftp://h", "http://", "http://h:x", "http://u@h", "https://h"] {
            assert!(parse_url(wrong).is_err(), "{wrong}");
        }
    }
}
