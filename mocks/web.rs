//! What references that speak HTTP share: requests as they come and go, parts of what they read, and answers.

use crate::actor::{Address, Payload};
use crate::codec::Codec;
use crate::codec::http1::{Asked, Choose, Http1, request_bytes, response_bytes};
use crate::datum::{Datum, Kind};
use crate::mocks::encoded::json_bytes;
use crate::mocks::percent;
use crate::play::parse_url;

/// A connection on which requests come, one after the other.
pub(in crate::mocks) struct Requests {
    codec: Http1,
    head: Option<Datum>,
    body: Option<Datum>,
}

impl Requests {
    /// None yet; `formats` says how their bodies are read.
    pub(in crate::mocks) fn new(formats: Choose) -> Self {
        Self { codec: Http1::server(formats), head: None, body: None }
    }

    /// Takes the next bytes of the connection.
    pub(in crate::mocks) fn feed(&mut self, bytes: &[u8]) {
        self.codec.feed(bytes);
    }

    /// Head and body of the next request that has come whole.
    ///
    /// # Errors
    /// What keeps it from being a request; nothing can come behind it.
    pub(in crate::mocks) fn next(&mut self) -> Option<Result<(Datum, Option<Datum>), String>> {
        loop {
            match self.codec.next()? {
                Ok(message) if message.kind == Kind::Head => {
                    (self.head, self.body) = (Some(message.datum), None);
                }
                Ok(message) if message.kind == Kind::Message => self.body = Some(message.datum),
                Ok(_) => {
                    self.codec.answered();
                    if let Some(head) = self.head.take() {
                        return Some(Ok((head, self.body.take())));
                    }
                }
                Err(malformed) if malformed.fatal => return Some(Err(malformed.reason)),
                Err(_) => {}
            }
        }
    }
}

/// A request that is to be sent, where to, and what reads its response.
pub(in crate::mocks) struct Outgoing {
    pub(in crate::mocks) addr: Address,
    pub(in crate::mocks) bytes: Payload,
    pub(in crate::mocks) codec: Http1,
}

impl Outgoing {
    /// A request for a path below a URL; `formats` says how the body of its response is read.
    ///
    /// # Errors
    /// A URL that is none, or a head that cannot be written.
    pub(in crate::mocks) fn new<'a>(
        url: &str,
        (method, path): (&str, &str),
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
        body: Option<Vec<u8>>,
        formats: Choose,
    ) -> Result<Self, String> {
        let (addr, host, base) = parse_url(url)?;
        let path = format!("{base}{path}");
        let headers = headers.into_iter().map(|(name, value)| (name, Datum::text(value)));
        let head = Datum::map([
            ("method", Datum::text(method)),
            ("path", Datum::text(&path)),
            ("headers", Datum::map(headers)),
        ]);
        let bytes = request_bytes(&head, &host, body.map(Payload::from), &|_| None)?;
        let mut codec = Http1::client(formats);
        codec.sent(Asked { method: method.into(), path });
        Ok(Self { addr, bytes, codec })
    }
}

/// The bytes of a body; none where there was none.
pub(in crate::mocks) fn body_bytes(body: Option<Datum>) -> Vec<u8> {
    body.and_then(Datum::into_bytes).unwrap_or_default()
}

/// The first value of a header, its name in lower case.
pub(in crate::mocks) fn header(head: &Datum, name: &str) -> Option<String> {
    let value = head.get("headers")?.get(name)?;
    let first = value.as_array().and_then(<[Datum]>::first).unwrap_or(value);
    first.as_text().map(std::borrow::Cow::into_owned)
}

/// A part of a head as text.
pub(in crate::mocks) fn text(head: &Datum, key: &str) -> String {
    head.get(key).and_then(Datum::as_inserted).unwrap_or_default()
}

/// The value of a query's field, decoded.
pub(in crate::mocks) fn query(target: &str, name: &str) -> Option<String> {
    let (_, query) = target.split_once('?')?;
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        (key == name).then(|| percent::decoded(value, true))
    })
}

/// A response with a body.
pub(in crate::mocks) fn answer(status: i64, kind: &str, body: impl Into<Vec<u8>>) -> Payload {
    let headers = Datum::map([("Content-Type", Datum::text(kind))]);
    let head = Datum::map([("status", Datum::from(status)), ("headers", headers)]);
    response_bytes(&head, Some(Payload::from(body.into())), &|_| None).unwrap_or_default()
}

/// A response that is JSON.
pub(in crate::mocks) fn json(status: i64, value: &Datum) -> Payload {
    answer(status, "application/json", json_bytes(value))
}

/// A response that tells what is wrong.
pub(in crate::mocks) fn refusal(status: i64, why: &str) -> Payload {
    json(status, &Datum::map([("error", Datum::text(why))]))
}

/// The head of a response whose body is sent in chunks.
pub(in crate::mocks) fn stream_head(status: i64, kind: &str) -> Payload {
    let headers = [("Content-Type", kind), ("Cache-Control", "no-cache"), ("Transfer-Encoding", "chunked")];
    let headers = Datum::map(headers.map(|(name, value)| (name, Datum::text(value))));
    let head = Datum::map([("status", Datum::from(status)), ("headers", headers)]);
    response_bytes(&head, None, &|_| None).unwrap_or_default()
}
