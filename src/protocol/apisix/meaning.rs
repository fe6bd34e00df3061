//! Replies by what they do: the gateway's rules, applied to a request or to the upstream's response.
//!
//! Two replies mean the same when the gateway then does the same. Order between names is free, order of the
//! values of one name is not; names of headers have no case.
//! Source: apache/apisix f519a0f, `apisix/plugins/ext-plugin/init.lua`, lines 601-714 (Stop, Rewrite) and 795-832,
//! `apisix/plugins/ext-plugin-post-resp.lua`, lines 126-141 (HTTPRespCall), and captured exchanges.

use std::collections::{BTreeMap, BTreeSet};

use crate::datum::Datum;

/// Headers by their name in lower case.
pub type Headers = BTreeMap<String, Vec<String>>;
/// Decoded arguments; one without `=` has no value.
pub type Args = BTreeMap<String, Vec<Option<String>>>;

/// A request on its way to the upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Its method.
    pub method: String,
    /// Its path, decoded.
    pub path: String,
    /// The arguments of its query.
    pub args: Args,
    /// Its headers; lengths are left to who sends it.
    pub headers: Headers,
    /// Another body than the client's.
    pub body: Option<Vec<u8>>,
    /// Headers that the client's response gets, whatever the upstream says.
    pub response_headers: Headers,
}

/// A response to the client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// Its status.
    pub status: u16,
    /// Headers; what the gateway adds of its own is not among them.
    pub headers: Headers,
    /// Its body; without one the gateway has a page of its own for errors.
    pub body: Option<Vec<u8>>,
}

/// What the gateway does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The request goes on like this.
    Forward(Request),
    /// The client gets this.
    Answer(Response),
    /// The reply cannot be applied, the call fails.
    Failure(String),
}

/// Response headers that a Rewrite cannot set, and that a response loses when a reply to it has no headers
/// (`init.lua` lines 72-83).
pub const RESERVED: [&str; 10] = [
    "connection",
    "content-length",
    "transfer-encoding",
    "location",
    "server",
    "www-authenticate",
    "content-encoding",
    "content-type",
    "content-location",
    "content-language",
];

/// What a reply to HTTPReqCall makes of a request.
pub fn called(request: &Request, reply: &Datum) -> Outcome {
    let action = reply.get("action").and_then(Datum::as_map).and_then(<[_]>::first);
    let name = action.and_then(|(name, _)| name.as_text());
    let done = match (name.as_deref(), action) {
        (Some(_), Some((_, Datum::Null))) => Err("an action without its table".into()),
        (Some("Stop"), Some((_, stop))) => stopped(stop).map(Outcome::Answer),
        (Some("Rewrite"), Some((_, rewrite))) => rewritten(request, rewrite).map(Outcome::Forward),
        _ => Ok(Outcome::Forward(request.clone())),
    };
    done.unwrap_or_else(Outcome::Failure)
}

/// What a reply to HTTPRespCall makes of the upstream's response.
pub fn responded(upstream: &Response, reply: &Datum) -> Outcome {
    let mut headers = Headers::new();
    if entries(reply, "headers").next().is_none() {
        headers = upstream.headers.clone();
        headers.retain(|name, _| !RESERVED.contains(&&**name));
    } else if let Err(why) = set_then_add(&mut headers, entries(reply, "headers"), &[]) {
        return Outcome::Failure(why);
    }
    let status = status(reply).unwrap_or(upstream.status);
    let body = content(reply).or_else(|| upstream.body.clone());
    Outcome::Answer(Response { status, headers, body })
}

/// The first difference between what should happen and what does, in words.
pub fn difference(expected: &Outcome, actual: &Outcome) -> Option<String> {
    match (expected, actual) {
        (Outcome::Forward(a), Outcome::Forward(b)) => told("method", &quoted(&a.method), &quoted(&b.method))
            .or_else(|| told("path", &quoted(&a.path), &quoted(&b.path)))
            .or_else(|| entry("argument", &a.args, &b.args, |values| values.iter().map(argument).collect()))
            .or_else(|| of_headers("header", &a.headers, &b.headers))
            .or_else(|| told("body", &content_text(a.body.as_deref()), &content_text(b.body.as_deref())))
            .or_else(|| of_headers("response header", &a.response_headers, &b.response_headers)),
        (Outcome::Answer(a), Outcome::Answer(b)) => {
            told("status", &a.status.to_string(), &b.status.to_string())
                .or_else(|| of_headers("header", &a.headers, &b.headers))
                .or_else(|| told("body", &content_text(a.body.as_deref()), &content_text(b.body.as_deref())))
        }
        (Outcome::Failure(_), Outcome::Failure(_)) => None,
        (a, b) => {
            Some(format!("the reply means that the request {}, should mean that it {}", b.told(), a.told()))
        }
    }
}

/// The same of two replies to a call for the response phase. A runner may say the headers that the upstream sent again.
pub fn difference_of_responses(upstream: &Response, expected: &Datum, actual: &Datum) -> Option<String> {
    let (wanted, got) = (responded(upstream, expected), responded(upstream, actual));
    let found = difference(&wanted, &got)?;
    let Outcome::Answer(mut kept) = wanted else { return Some(found) };
    for (name, values) in &upstream.headers {
        kept.headers.entry(name.clone()).or_insert_with(|| values.clone());
    }
    difference(&Outcome::Answer(kept), &got).map(|_| found)
}

impl Outcome {
    /// What becomes of the request.
    fn told(&self) -> String {
        match self {
            Self::Forward(request) => format!("goes on to {}", quoted(&request.path)),
            Self::Answer(answer) => format!("ends with status {}", answer.status),
            Self::Failure(why) => format!("fails ({why})"),
        }
    }
}

fn told(what: &str, expected: &str, actual: &str) -> Option<String> {
    (expected != actual).then(|| format!("{what} is {actual}, should be {expected}"))
}

/// The first name whose values differ.
fn entry<V: PartialEq>(
    what: &str,
    expected: &BTreeMap<String, Vec<V>>,
    actual: &BTreeMap<String, Vec<V>>,
    texts: impl Fn(&[V]) -> Vec<String>,
) -> Option<String> {
    let names: BTreeSet<&String> = expected.keys().chain(actual.keys()).collect();
    let values = |map: &BTreeMap<String, Vec<V>>, name: &String| {
        map.get(name).map_or("not there".to_owned(), |values| texts(values).join(" and "))
    };
    let different = names.into_iter().find(|name| expected.get(*name) != actual.get(*name))?;
    told(&format!("{what} {different}"), &values(expected, different), &values(actual, different))
}

fn of_headers(what: &str, expected: &Headers, actual: &Headers) -> Option<String> {
    entry(what, expected, actual, |values| values.iter().map(|value| quoted(value)).collect())
}

/// Values of one name, for people.
pub fn listed(values: &[String]) -> String {
    let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
    if values.is_empty() { "not there".into() } else { values.join(" and ") }
}

fn argument(value: &Option<String>) -> String {
    value.as_deref().map_or_else(|| "there without a value".into(), quoted)
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}

/// A body for people: its text, or how long it is.
fn content_text(body: Option<&[u8]>) -> String {
    const MOST: usize = 60;
    match body.map(|body| (body, std::str::from_utf8(body))) {
        None => "not there".into(),
        Some((body, Ok(text))) if body.len() <= MOST => quoted(text),
        Some((body, _)) if body.len() <= MOST => Datum::bytes(body).to_string(),
        Some((body, _)) => format!("{} bytes that begin with {}", body.len(), Datum::bytes(&body[..8])),
    }
}

impl Request {
    /// The request that a HTTPReqCall tells of.
    pub fn new(call: &Datum) -> Self {
        let mut request = Self {
            method: call.get("method").map_or_else(|| "GET".into(), text),
            path: call.get("path").map(text).unwrap_or_default(),
            ..Self::default()
        };
        for (name, value) in entries(call, "headers") {
            let name = name.unwrap_or_default().to_ascii_lowercase();
            request.headers.entry(name).or_default().push(value.unwrap_or_default());
        }
        for (name, value) in entries(call, "args") {
            request.args.entry(name.unwrap_or_default()).or_default().push(value);
        }
        request
    }

    /// Path and query as they are sent.
    pub fn target(&self) -> String {
        let path = escape(&self.path, |byte| matches!(byte, 0x21..0x7f) && !b"#%?".contains(&byte));
        if self.args.is_empty() { path } else { format!("{path}?{}", query(&self.args)) }
    }
}

impl Response {
    /// The upstream's response that a HTTPRespCall tells of; of its body it says nothing.
    pub fn new(call: &Datum) -> Self {
        let headers = Request::new(call).headers;
        Self { status: status(call).unwrap_or(200), headers, body: None }
    }
}

/// Arguments as a query.
pub fn query(args: &Args) -> String {
    let plain = |text: &str| escape(text, |byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
    let pairs = args.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
    let pairs = pairs.map(|(name, value)| match value {
        None => plain(name),
        Some(value) => format!("{}={}", plain(name), plain(value)),
    });
    pairs.collect::<Vec<_>>().join("&")
}

fn escape(text: &str, plain: impl Fn(u8) -> bool) -> String {
    let one = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(one).collect()
}

/// Status 0 is 200; an empty body is none.
fn stopped(stop: &Datum) -> Result<Response, String> {
    let mut headers = Headers::new();
    set_then_add(&mut headers, entries(stop, "headers"), &[])?;
    Ok(Response { status: status(stop).unwrap_or(200), headers, body: content(stop) })
}

fn rewritten(request: &Request, rewrite: &Datum) -> Result<Request, String> {
    let mut request = request.clone();
    if let Some(path) = rewrite.get("path").map(text) {
        request.path = if path.is_empty() { "/".into() } else { path };
    }
    set_headers(&mut request.headers, entries(rewrite, "headers"))?;
    request.body = content(rewrite).or(request.body);
    set_then_add(&mut request.response_headers, entries(rewrite, "resp_headers"), &RESERVED)?;
    set_args(&mut request.args, entries(rewrite, "args"))?;
    Ok(request)
}

type Entry = (Option<String>, Option<String>);

/// Of one name the last entry wins; no value and an empty one delete.
fn set_headers(headers: &mut Headers, entries: impl Iterator<Item = Entry>) -> Result<(), String> {
    for (name, value) in entries {
        let name = name.ok_or("a header without a name")?.to_ascii_lowercase();
        match value.filter(|value| !value.is_empty()) {
            Some(value) => headers.insert(name, vec![one_line(&value)]),
            None => headers.remove(&name),
        };
    }
    Ok(())
}

/// The first entry of a name replaces, further ones add; no value deletes.
fn set_then_add(
    headers: &mut Headers,
    entries: impl Iterator<Item = Entry>,
    ignored: &[&str],
) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for (name, value) in entries {
        let name = name.ok_or("a header without a name")?.to_ascii_lowercase();
        if ignored.contains(&&*name) {
            continue;
        }
        if seen.insert(name.clone()) {
            headers.remove(&name);
        }
        if let Some(value) = value {
            headers.entry(name).or_default().push(one_line(&value));
        }
    }
    Ok(())
}

/// The first entry of a name with a value replaces, further ones add; no value deletes.
fn set_args(args: &mut Args, entries: impl Iterator<Item = Entry>) -> Result<(), String> {
    let mut changed = BTreeSet::new();
    for (name, value) in entries {
        let name = name.ok_or("an argument without a name")?;
        if value.is_none() || changed.insert(name.clone()) {
            args.remove(&name);
        }
        if value.is_some() {
            args.entry(name).or_default().push(value);
        }
    }
    Ok(())
}

fn entries<'a>(datum: &'a Datum, key: &str) -> impl Iterator<Item = Entry> + use<'a> {
    let items = datum.get(key).and_then(Datum::as_array).unwrap_or_default();
    items.iter().map(|entry| (entry.get("name").map(text), entry.get("value").map(text)))
}

/// A string; where it is no text, its bytes as Latin-1.
fn text(datum: &Datum) -> String {
    match (datum.as_text(), datum.as_bytes()) {
        (Some(text), _) => text.into_owned(),
        (None, Some(bytes)) => bytes.iter().copied().map(char::from).collect(),
        (None, None) => datum.to_string(),
    }
}

/// A status that is not 0.
fn status(datum: &Datum) -> Option<u16> {
    let status = datum.get("status").and_then(Datum::as_int)?;
    u16::try_from(status).ok().filter(|status| *status != 0)
}

/// A body that is not empty.
fn content(datum: &Datum) -> Option<Vec<u8>> {
    datum.get("body")?.as_bytes().filter(|body| !body.is_empty()).map(|body| body.into_owned())
}

/// The gateway lets no value end its line.
fn one_line(value: &str) -> String {
    value.replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datum::notation::parse_datum;
    use crate::protocol::apisix::captures::Capture;

    /// The last call of a capture of the real gateway, and what its reply makes of it.
    fn outcome(capture: &str) -> Outcome {
        let capture = Capture::named(&format!("ok/caller/{capture}"));
        let (calls, replies) =
            (capture.messages(true, "HTTPReqCall"), capture.messages(false, "HTTPReqCall"));
        called(&Request::new(calls.last().expect("a call")), replies.last().expect("a reply"))
    }

    /// What goes to the upstream: target, headers beside those that every captured request has, body.
    fn forwarded(capture: &str) -> (String, String, Option<String>) {
        let Outcome::Forward(request) = outcome(capture) else { panic!("{capture} goes on") };
        let body = request.body.clone().map(|body| String::from_utf8(body).expect("text"));
        (request.target(), shown(&request.headers), body)
    }

    fn answered(capture: &str) -> (u16, String, Option<String>) {
        let Outcome::Answer(response) = outcome(capture) else { panic!("{capture} ends") };
        let body = response.body.map(|body| String::from_utf8(body).expect("text"));
        (response.status, shown(&response.headers), body)
    }

    fn shown(headers: &Headers) -> String {
        let usual = ["accept-encoding", "x-conf-version", "content-length"];
        let headers = headers.iter().filter(|(name, _)| !usual.contains(&&***name));
        headers.map(|(name, values)| format!("{name}={}", values.join("|"))).collect::<Vec<_>>().join(" ")
    }

    const HOST: &str = "host=127.0.0.1:19080";

    #[test]
    fn stops_are_what_the_client_saw() {
        let cat = || Some("cat".into());
        let full = "content-type=text/x x-resp=foo x-same=1|2";
        assert_eq!(answered("10_stop_full"), (405, full.into(), cat()));
        assert_eq!(answered("11_stop_status_absent"), (200, String::new(), cat()));
        assert_eq!(answered("12_stop_no_body"), (403, String::new(), None));
        assert_eq!(answered("13_stop_empty_table_all_default"), (200, String::new(), None));
        assert_eq!(answered("15_stop_status_600"), (600, String::new(), Some("x".into())));
        assert_eq!(answered("17_stop_header_no_value"), (200, String::new(), Some("x".into())));
        let escaped = "x-i=a%0D%0AX-Evil: 1";
        assert_eq!(answered("76_header_crlf_injection"), (200, escaped.into(), Some("x".into())));
        assert!(matches!(outcome("18_stop_header_no_name"), Outcome::Failure(_)));
        assert!(matches!(outcome("29_action_type_set_no_table"), Outcome::Failure(_)));
    }

    #[test]
    fn rewrites_are_what_the_upstream_saw() {
        let same = "/hello?a=1&b=2";
        let seen = |target: &str, headers: &str, body: Option<&str>| {
            (target.to_string(), headers.trim().to_string(), body.map(String::from))
        };
        let changed = format!("{HOST} x-add=2 x-change=bar");
        assert_eq!(forwarded("20_rewrite_headers"), seen(same, &changed, None));
        assert_eq!(forwarded("21_rewrite_host"), seen(same, "host=up.example", None));
        assert_eq!(forwarded("21b_rewrite_host_delete"), seen(same, "", None));
        assert_eq!(forwarded("22_rewrite_path_only"), seen("/new?a=1&b=2", HOST, None));
        let escaped = "/new%3Fq=1%202?a=1&b=2";
        assert_eq!(forwarded("23_rewrite_path_with_query"), seen(escaped, HOST, None));
        assert_eq!(forwarded("23b_rewrite_path_empty"), seen("/?a=1&b=2", HOST, None));
        assert_eq!(forwarded("26_rewrite_body"), seen(same, HOST, Some("NEW\0BODY")));
        assert_eq!(forwarded("27_rewrite_body_empty"), seen(same, HOST, None));
        let one_line = format!("{HOST} x-i=a%0D%0AX-Evil: 1");
        assert_eq!(forwarded("77_rewrite_header_crlf"), seen(same, &one_line, None));
    }

    #[test]
    fn args_are_what_the_upstream_saw() {
        let target = |capture| forwarded(capture).0;
        assert_eq!(target("24_rewrite_args"), "/hello?a=x&a=y&c=&d=1");
        assert_eq!(target("25_rewrite_args_set_then_delete"), "/hello?b=2");
        assert_eq!(target("25b_rewrite_args_delete_then_add"), "/hello?a=q&a=r&b=2");
        assert_eq!(target("78_req_body_rewrite_plus_args_path"), "/p?a=1&b=2&n=1");
        assert_eq!(target("05_args_headers_shape"), "/h%20i?a=1&a=2&e=&p=%2F%20&z");
    }

    #[test]
    fn headers_of_the_response_are_set_then_added() {
        let Outcome::Forward(request) = outcome("28_rewrite_resp_headers") else { panic!("it goes on") };
        assert_eq!(shown(&request.response_headers), "x-r=1|2 x-up=new");
    }

    #[test]
    fn no_action_and_unknown_ones_change_nothing() {
        for capture in ["01_no_action", "30_action_type_3", "31_action_table_type_none", "59_err_degrade"] {
            let capture = Capture::named(&format!("ok/caller/{capture}"));
            let request = Request::new(&capture.messages(true, "HTTPReqCall")[0]);
            for reply in capture.messages(false, "HTTPReqCall") {
                assert_eq!(difference(&Outcome::Forward(request.clone()), &called(&request, &reply)), None);
            }
        }
    }

    #[test]
    fn a_difference_is_named() {
        let request = Request { path: "/a".into(), ..Request::default() };
        let reply = parse_datum(r#"{"action": {"Rewrite": {"path": "/b"}}}"#).expect("notation");
        let told = difference(&Outcome::Forward(request.clone()), &called(&request, &reply));
        assert_eq!(told.as_deref(), Some(r#"path is "/b", should be "/a""#));
    }

    fn upstream() -> Response {
        let headers = [("content-type", vec!["a/b"]), ("x-up", vec!["1", "2"])];
        let headers =
            headers.map(|(name, values)| (name.into(), values.into_iter().map(String::from).collect()));
        Response { status: 201, headers: headers.into(), body: Some(b"old".to_vec()) }
    }

    fn response(reply: &str) -> (u16, String, Option<Vec<u8>>) {
        match responded(&upstream(), &parse_datum(reply).expect("notation")) {
            Outcome::Answer(response) => (response.status, shown(&response.headers), response.body),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_reply_to_a_response_overrides_what_it_names() {
        let old = || Some(b"old".to_vec());
        assert_eq!(response("{}"), (201, "x-up=1|2".into(), old()));
        assert_eq!(response(r#"{"status": 0, "body": h''}"#), (201, "x-up=1|2".into(), old()));
        let named =
            r#"{"status": 404, "headers": [{"name": "Content-Type", "value": "t/x"}], "body": h'6e6577'}"#;
        assert_eq!(response(named), (404, "content-type=t/x".into(), Some(b"new".to_vec())));
    }
}
