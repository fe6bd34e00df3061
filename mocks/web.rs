//! What references that speak HTTP share: parts of what they read, and answers.

use crate::actor::Payload;
use crate::codec::http1::response_bytes;
use crate::datum::Datum;
use crate::mocks::encoded::json_bytes;
use crate::mocks::percent;

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
