//! HTTP/1.1 streams, heads and forms: valid ones, and ones that are damaged a little.

use proptest::prelude::*;
use proptest::sample::Index;

use super::cbor::damaged;
use crate::datum::Datum;

/// Requests back to back, with bodies of every framing; in half of the streams some bytes are damaged.
pub fn near_requests() -> impl Strategy<Value = Vec<u8>> {
    let request = (request_line(), fields(), framed_body(false)).prop_map(|parts| message(&parts));
    near(prop::collection::vec(request, 0..4).prop_map(|all| all.concat()))
}

/// Responses back to back, interim ones too; the last may have a body until close.
pub fn near_responses() -> impl Strategy<Value = Vec<u8>> {
    let response = (status_line(), fields(), framed_body(true)).prop_map(|parts| message(&parts));
    near(prop::collection::vec(response, 0..4).prop_map(|all| all.concat()))
}

/// The head of a request with its empty line; in half of them some bytes are damaged.
pub fn near_request_head() -> impl Strategy<Value = Vec<u8>> {
    near((request_line(), fields()).prop_map(|(line, fields)| format!("{line}{fields}\r\n").into_bytes()))
}

/// The head of a response with its empty line; in half of them some bytes are damaged.
pub fn near_response_head() -> impl Strategy<Value = Vec<u8>> {
    near((status_line(), fields()).prop_map(|(line, fields)| format!("{line}{fields}\r\n").into_bytes()))
}

/// A head as a value: `{method, path, headers}` or `{status, headers}`, without fields of framing.
pub fn any_head() -> impl Strategy<Value = Datum> {
    let start = prop_oneof![
        ("[A-Z]{1,6}", "/[a-z?%=]{0,8}")
            .prop_map(|(method, path)| vec![("method", Datum::text(method)), ("path", Datum::text(path))]),
        (200..600_u64).prop_map(|status| vec![("status", status.into())]),
    ];
    let value = || "[a-zß;=]{1,8}".prop_map(Datum::text);
    let values = prop_oneof![value(), prop::collection::vec(value(), 2..4).prop_map(Datum::array)];
    let headers = prop::collection::btree_map("x-[a-z]{1,6}", values, 0..4).prop_map(Datum::map);
    (start, headers).prop_map(|(mut entries, headers)| {
        entries.push(("headers", headers));
        Datum::map(entries)
    })
}

/// The body of a form with this boundary; in half of them some bytes are damaged.
pub fn near_form(boundary: &'static str) -> impl Strategy<Value = Vec<u8>> {
    near(any_form(boundary))
}

/// The body of a form with this boundary.
pub fn any_form(boundary: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let part = ("[a-z]{1,5}", prop::option::of("[a-zß ]{1,6}"), any::<bool>(), part_body()).prop_map(
        move |(name, filename, typed, body)| {
            let filename = filename.map_or(String::new(), |name| format!("; filename=\"{name}\""));
            let kind = if typed { "Content-Type: application/x-y\r\n" } else { "" };
            let head = format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"{filename}\r\n{kind}\r\n"
            );
            [head.as_bytes(), &body, b"\r\n"].concat()
        },
    );
    prop::collection::vec(part, 1..4)
        .prop_map(move |parts| [parts.concat(), format!("--{boundary}--\r\n").into_bytes()].concat())
}

fn part_body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[a-zß\r\n-]{0,12}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..20),
        Just(b"\r\n--".to_vec()),
    ]
}

fn near(whole: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let damage = prop::collection::vec((any::<Index>(), any::<u8>(), 0..3_u8), 0..4);
    (whole, any::<bool>(), damage)
        .prop_map(|(bytes, intact, damage)| if intact { bytes } else { damaged(bytes, damage) })
}

fn message((line, fields, body): &(String, String, Vec<u8>)) -> Vec<u8> {
    [line.as_bytes(), fields.as_bytes(), body].concat()
}

fn request_line() -> impl Strategy<Value = String> {
    ("(GET|POST|HEAD|x)", "/[a-z?%=]{0,6}", version())
        .prop_map(|(method, path, version)| format!("{method} {path} {version}\r\n"))
}

fn status_line() -> impl Strategy<Value = String> {
    let status = prop_oneof![4 => Just(200), 1 => 100..600];
    (version(), status, "( [a-zA-Z ]{0,6})?")
        .prop_map(|(version, status, reason)| format!("{version} {status}{reason}\r\n"))
}

fn version() -> impl Strategy<Value = &'static str> {
    prop_oneof![9 => Just("HTTP/1.1"), 1 => Just("HTTP/1.0")]
}

fn fields() -> impl Strategy<Value = String> {
    let plain = "[A-Za-z-]{1,6}:[ \t]?[a-zß,;=]{0,6}";
    let field = prop_oneof![
        8 => plain.prop_map(|field| field),
        1 => Just("Connection: close".to_owned()),
        1 => Just("Connection: keep-alive".to_owned()),
    ];
    let end = prop_oneof![9 => Just("\r\n"), 1 => Just("\n")];
    prop::collection::vec((field, end), 0..4)
        .prop_map(|lines| lines.into_iter().map(|(field, end)| field + end).collect())
}

/// The fields that frame a body, the empty line, and the body.
fn framed_body(until_close: bool) -> impl Strategy<Value = Vec<u8>> {
    let chunks = prop::collection::vec((content(), "(;[a-z]{1,3}=[a-z]{1,3})?"), 0..4);
    let trailers = prop_oneof![3 => Just(""), 1 => Just("X-Sum: 1\r\n")];
    prop_oneof![
        2 => Just(b"\r\n".to_vec()),
        3 => content().prop_map(|body| [format!("Content-Length: {}\r\n\r\n", body.len()).into_bytes(), body].concat()),
        3 => (chunks, trailers).prop_map(|(chunks, trailers)| chunked(chunks, trailers)),
        1 => content().prop_map(move |body| [b"\r\n".to_vec(), if until_close { body } else { Vec::new() }].concat()),
    ]
}

fn chunked(chunks: Vec<(Vec<u8>, String)>, trailers: &str) -> Vec<u8> {
    let mut bytes = b"Transfer-Encoding: chunked\r\n\r\n".to_vec();
    for (chunk, extension) in chunks.into_iter().filter(|(chunk, _)| !chunk.is_empty()) {
        bytes.extend_from_slice(format!("{:x}{extension}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(&chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(format!("0\r\n{trailers}\r\n").as_bytes());
    bytes
}

fn content() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(b"{\"a\": [1, \"\xc3\x9f\"]}".to_vec()),
        Just(b"data: {\"a\": 1}\n\nda".to_vec()),
        Just(b"ta: 2\r\n\r\n".to_vec()),
        "[a-z\n]{0,8}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..8),
    ]
}
