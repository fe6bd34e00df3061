use proptest::prelude::*;

use super::*;
use crate::codec::testing::{Decoded, chunk_invariance, decode_all};
use crate::strategy::http::{any_head, near_requests, near_responses};

fn server(format: Format) -> Http1 {
    Http1::server(Box::new(move |_, _| format))
}

fn client(format: Format) -> Http1 {
    Http1::client(Box::new(move |_, _| format))
}

/// Messages as `$head(..)`, values, `$end(..)`; then what was malformed.
fn shown(run: &Decoded) -> Vec<String> {
    let messages = run.messages.iter().map(|message| match message.kind {
        Kind::Message => message.datum.to_string(),
        kind => format!("{kind}({})", message.datum),
    });
    let malformed = run.malformed.iter().chain(&run.end);
    messages.chain(malformed.map(|malformed| format!("{}: {}", malformed.at, malformed.reason))).collect()
}

fn responses(format: Format, bytes: &[u8]) -> Vec<String> {
    shown(&decode_all(&mut client(format), [bytes]))
}

fn requests(format: Format, bytes: &[u8]) -> Vec<String> {
    shown(&decode_all(&mut server(format), [bytes]))
}

fn any_format() -> impl Strategy<Value = Format> {
    (0..Format::ALL.len()).prop_map(|n| Format::ALL[n].1)
}

type Cuts = Vec<prop::sample::Index>;

fn cuts() -> impl Strategy<Value = Cuts> {
    prop::collection::vec(any::<prop::sample::Index>(), 0..6)
}

proptest! {
    #[test]
    fn chunks_of_requests_do_not_matter(bytes in near_requests(), format in any_format(), cuts in cuts()) {
        chunk_invariance(&|| Box::new(server(format)), &bytes, &cuts)?;
    }

    #[test]
    fn chunks_of_responses_do_not_matter(bytes in near_responses(), format in any_format(), cuts in cuts()) {
        chunk_invariance(&|| Box::new(client(format)), &bytes, &cuts)?;
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), format in any_format()) {
        chunk_invariance(&|| Box::new(server(format)), &bytes, &[])?;
        chunk_invariance(&|| Box::new(client(format)), &bytes, &[])?;
    }

    #[test]
    fn wires_lie_in_order(bytes in near_responses(), format in any_format()) {
        let mut last = 0;
        for message in decode_all(&mut client(format), [&bytes[..]]).messages {
            prop_assert!(last <= message.wire.start && message.wire.start <= message.wire.end, "{:?}", message);
            last = message.wire.end;
        }
        prop_assert!(last <= bytes.len() as u64);
    }

    #[test]
    fn what_was_encoded_is_decoded(head in any_head(), items in prop::collection::vec(crate::strategy::json::any_json(), 0..4), sse in any::<bool>()) {
        let format = if sse { Format::Sse } else { Format::Lines };
        let is_request = head.get("method").is_some();
        let coded = with_header(&head, "transfer-encoding", "chunked");
        prop_assume!(!matches!(head.get("status").and_then(Datum::as_int), Some(204 | 304)));
        let (mut writer, mut reader) =
            if is_request { (client(format), server(format)) } else { (server(format), client(format)) };
        let mut out = Payload::default();
        writer.encode(Kind::Head, &coded, &mut out).unwrap();
        for item in &items {
            writer.encode(Kind::Message, item, &mut out).unwrap();
        }
        writer.encode(Kind::End, &Datum::Null, &mut out).unwrap();
        let run = decode_all(&mut reader, [&out.to_vec(&|_| None).unwrap()[..]]);
        prop_assert_eq!((&run.malformed, &run.end), (&Vec::new(), &None));
        let mut values: Vec<Datum> = run.messages.into_iter().map(|message| message.datum).collect();
        prop_assert_eq!(values.remove(0), coded);
        prop_assert_eq!(values.pop(), Some(Datum::Null));
        prop_assert_eq!(values, items);
    }
}

fn with_header(head: &Datum, name: &str, value: &str) -> Datum {
    let entries = head.as_map().unwrap().iter().map(|(key, part)| {
        let key = key.as_text().unwrap().into_owned();
        let headers = part.as_map().map(|headers| {
            let more = (Datum::text(name), Datum::text(value));
            Datum::Map(headers.iter().cloned().chain([more]).collect(), Default::default())
        });
        (key, headers.unwrap_or_else(|| part.clone()))
    });
    Datum::map(entries)
}

#[test]
fn requests_on_one_connection() {
    let bytes = b"\r\nPOST /a HTTP/1.1\r\nContent-Length: 4\r\n\r\ntrueGET /b?c=%40 HTTP/1.1\r\n\r\nPOST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\n[1\r\n1\r\n]\r\n0\r\nX-Sum: 1\r\n\r\n";
    assert_eq!(
        requests(Format::Json, bytes),
        [
            r#"$head({"method": "POST", "path": "/a", "headers": {"content-length": "4"}})"#,
            "true",
            "$end(null)",
            r#"$head({"method": "GET", "path": "/b?c=%40", "headers": {}})"#,
            "$end(null)",
            r#"$head({"method": "POST", "path": "/", "headers": {"transfer-encoding": "chunked"}})"#,
            "[1]",
            r#"$end({"x-sum": "1"})"#,
        ]
    );
    let run = decode_all(&mut server(Format::Json), [&bytes[..]]);
    let body = &run.messages[6].wire;
    assert_eq!(&bytes[body.start as usize..body.end as usize], b"[1\r\n1\r\n]");
}

#[test]
fn events_come_before_their_body_ends() {
    let mut codec = client(Format::Sse);
    codec.feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n5\r\ndat");
    assert!(matches!(codec.next(), Some(Ok(Message { kind: Kind::Head, .. }))));
    assert_eq!(codec.next().unwrap().unwrap().wire, 50..59);
    assert_eq!(codec.next(), None);
    codec.feed(b"a:\r\n4\r\n 2\n\n\r\n");
    assert_eq!(codec.next().unwrap().unwrap().datum, 2_u64.into());
    assert_eq!(
        codec.finish().unwrap().reason,
        "the stream ends inside a chunked body, before its last chunk"
    );
}

#[test]
fn a_body_until_close() {
    let bytes = b"HTTP/1.1 200 OK\r\n\r\npong";
    assert_eq!(responses(Format::Text, bytes)[1..], ["\"pong\"", "$end(null)"]);
    assert_eq!(responses(Format::Text, &bytes[..19])[1..], ["$end(null)"]);
    let last = b"HTTP/1.1 200 OK\r\n\r\ndata: {}\n\n{\"a\": 1}";
    let read = responses(Format::SseLines, last);
    assert_eq!(read[1..4], ["{}", r#"{"a": 1}"#, "$end(null)"]);
    assert!(read[4].contains("the two readings of these bytes differ") && read.len() == 5, "{read:?}");
}

#[test]
fn what_has_no_body() {
    let bytes = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nHTTP/1.1 304 -\r\n\r\nHTTP/1.1 200 -\r\nContent-Length: 1\r\n\r\n7";
    let mut codec = client(Format::Json);
    for method in ["HEAD", "GET", "POST"] {
        codec.sent(Asked { method: method.into(), path: "/".into() });
    }
    let run = decode_all(&mut codec, [&bytes[..]]);
    let kinds: Vec<&str> = run.messages.iter().map(|message| message.kind.name()).collect();
    assert_eq!(kinds, ["head", "head", "end", "head", "end", "head", "message", "end"]);
    assert_eq!(run.end, None);
}

#[test]
fn the_request_chooses_the_format_of_its_response() {
    let choose = || -> Choose {
        Box::new(|asked, head| match (&*asked.path, head.get("status")) {
            ("/launch", Some(_)) => Format::Sse,
            ("/launch", None) => Format::Bytes,
            _ => Format::Text,
        })
    };
    let (mut writer, mut out) = (Http1::client(choose()), Payload::default());
    let head = Datum::map([("method", "POST".into()), ("path", "/launch".into())]);
    writer.encode(Kind::Head, &head, &mut out).unwrap();
    let run = decode_all(&mut writer, [&b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ndata: 5\n\n"[..]]);
    assert_eq!(run.messages[1].datum, 5_u64.into());

    let mut reader = Http1::server(choose());
    reader.feed(b"POST /launch HTTP/1.1\r\nContent-Length: 1\r\n\r\nx");
    let messages: Vec<_> = std::iter::from_fn(|| reader.next()).flatten().collect();
    assert_eq!(messages[1].datum, Datum::bytes(*b"x"));
    let mut out = Payload::default();
    reader.encode(Kind::Head, &Datum::map([("status", 200_u64.into())]), &mut out).unwrap();
    reader.encode(Kind::Message, &5_u64.into(), &mut out).unwrap();
    assert!(out.to_vec(&|_| None).unwrap().ends_with(b"\r\n\r\ndata: 5\n\n"));
}

#[test]
fn a_body_that_is_no_json_costs_only_itself() {
    let bytes =
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npongHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n7";
    let run = decode_all(&mut client(Format::Json), [&bytes[..]]);
    assert_eq!((run.malformed[0].at, run.malformed[0].fatal), (38, false));
    assert_eq!(run.messages[3].datum, 7_u64.into());
}

#[test]
fn cut_bodies_are_told() {
    let end = |format, bytes: &[u8]| responses(format, bytes).pop().unwrap();
    assert_eq!(
        end(Format::Text, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab"),
        "40: the stream ends inside a body, 7 bytes before its end"
    );
    assert_eq!(
        end(Format::Text, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nab"),
        "52: the stream ends inside a chunk, 7 bytes before its end"
    );
    assert_eq!(end(Format::Text, b"HTTP/1.1 200 OK\r\nA"), "0: the stream ends inside a head");
    let cut = responses(Format::SseLines, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1\n2");
    assert_eq!(cut[1..3], ["1", "2"], "the daemon reads the last line of a cut stream");
}

#[test]
fn limits_have_words() {
    let long = [b"GET / HTTP/1.1\r\nA: ".to_vec(), vec![b'a'; HEAD]].concat();
    assert_eq!(requests(Format::Text, &long), ["0: a head is longer than 65536 bytes"]);
    let many = [b"GET / HTTP/1.1\r\n".to_vec(), b"A:\r\n".repeat(FIELDS + 1), b"\r\n".to_vec()].concat();
    assert_eq!(requests(Format::Text, &many), ["1040: there are more than 256 fields"]);
    let line = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;".to_vec(), vec![b'a'; CHUNK_LINE]]
        .concat();
    assert_eq!(
        responses(Format::Text, &line)[1..],
        ["47: the first line of a chunk is longer than 4096 bytes"]
    );
}

#[test]
fn faults_of_framing_have_words() {
    let fault =
        |rest: &str| responses(Format::Text, format!("HTTP/1.1 200 OK\r\n{rest}").as_bytes()).remove(1);
    assert_eq!(fault("Content-Length: x\r\n\r\n"), "0: the Content-Length \"x\" is no length");
    assert_eq!(
        fault("Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n"),
        "51: a chunk is longer than its size says"
    );
    assert_eq!(
        fault("Transfer-Encoding: chunked\r\n\r\n1\nab\r\n"),
        "47: the first line of a chunk does not end with CR LF"
    );
    assert!(
        fault("Transfer-Encoding: chunked\r\n\r\n0\r\nx\r\n\r\n").starts_with("50: a field has no colon")
    );
    let closed = responses(Format::Text, b"HTTP/1.1 204 -\r\nConnection: close\r\n\r\nHTTP/1.1 200 OK\r\n");
    assert_eq!(closed[2], "37: bytes follow a message after which its sender closes");
}

#[test]
fn two_framings_at_once_are_told() {
    let bytes =
        b"POST / HTTP/1.1\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n7\r\n0\r\n\r\n";
    let run = decode_all(&mut server(Format::Json), [&bytes[..]]);
    assert_eq!((run.messages.len(), run.malformed.len(), run.malformed[0].fatal), (3, 1, false));
}

#[test]
fn a_claimed_length_costs_nothing() {
    for head in [
        "Content-Length: 18446744073709551615\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
    ] {
        let mut codec = client(Format::Bytes);
        codec.feed(format!("HTTP/1.1 200 OK\r\n{head}x").as_bytes());
        while codec.next().is_some() {}
        assert!(codec.buffer.capacity() < 1024);
        assert!(codec.finish().is_some());
    }
}

/// Bytes that a real daemon and a scripted runtime exchanged: `fixtures/dify-sri/wire/README.md`.
mod captured {
    use super::*;

    fn sri(asked: &Asked, head: &Datum) -> Format {
        match (asked.path.split('?').next().unwrap_or_default(), head.get("status").is_some()) {
            ("/v1/launch", false) => Format::Multipart,
            ("/v1/launch", true) => Format::Sse,
            ("/fn1/invoke", true) => Format::Lines,
            _ => Format::Json,
        }
    }

    fn exchange(requests: &[u8], responses: &[u8]) -> (Decoded, Decoded) {
        let mut client = Http1::client(Box::new(sri));
        let requests = decode_all(&mut Http1::server(Box::new(sri)), [requests]);
        for head in requests.messages.iter().filter(|message| message.kind == Kind::Head) {
            client.encode(Kind::Head, &head.datum, &mut Payload::default()).unwrap();
        }
        let responses = decode_all(&mut client, [responses]);
        for run in [&requests, &responses] {
            assert_eq!((&run.malformed, &run.end), (&Vec::new(), &None));
            heads_survive(run);
        }
        (requests, responses)
    }

    /// A head that is written again means the same.
    fn heads_survive(run: &Decoded) {
        for head in run.messages.iter().filter(|message| message.kind == Kind::Head) {
            let bytes = head_bytes(&head.datum).unwrap();
            let again = if head.datum.get("method").is_some() {
                Head::request(&bytes)
            } else {
                Head::response(&bytes)
            };
            assert_eq!(again.unwrap().datum(), head.datum);
        }
    }

    fn messages(run: &Decoded) -> Vec<&Datum> {
        run.messages
            .iter()
            .filter(|message| message.kind == Kind::Message)
            .map(|message| &message.datum)
            .collect()
    }

    #[test]
    fn a_launch_with_a_verified_package() {
        let (requests, responses) = exchange(
            include_bytes!("../../../fixtures/dify-sri/wire/ok/launch-verified.request"),
            include_bytes!("../../../fixtures/dify-sri/wire/ok/launch-verified.response"),
        );
        let form = messages(&requests)[0];
        assert_eq!(form.get("verified").unwrap().get("body"), Some(&"true".into()));
        assert_eq!(form.get("context").unwrap().get("type"), Some(&"application/octet-stream".into()));
        let events = messages(&responses);
        assert_eq!(events[0].to_string(), r#"{"items": []}"#);
        assert_eq!(events.len(), 8);
        assert_eq!(events[7].get("Stage"), Some(&"end".into()));
    }

    #[test]
    fn an_install_and_a_call() {
        let (requests, responses) = exchange(
            include_bytes!("../../../fixtures/dify-sri/wire/ok/install.request"),
            include_bytes!("../../../fixtures/dify-sri/wire/ok/install.response"),
        );
        let context = messages(&requests)[0].get("context").unwrap();
        assert_eq!(context.get("body").unwrap().as_bytes().unwrap().len(), 27089);
        assert_eq!(messages(&responses).len(), 8);
        let (requests, responses) = exchange(
            include_bytes!("../../../fixtures/dify-sri/wire/ok/invoke.request"),
            include_bytes!("../../../fixtures/dify-sri/wire/ok/invoke.response"),
        );
        assert_eq!(messages(&requests)[0].get("event"), Some(&"request".into()));
        assert_eq!(messages(&responses).len(), 3);
        let (requests, responses) = exchange(
            include_bytes!("../../../fixtures/dify-sri/wire/ok/invoke-live.request"),
            include_bytes!("../../../fixtures/dify-sri/wire/ok/invoke-live.response"),
        );
        let session = messages(&requests)[0].get("session_id").cloned();
        let answers = messages(&responses);
        assert_eq!(answers.len(), 3);
        assert!(answers.iter().all(|answer| answer.get("session_id").cloned() == session));
    }

    #[test]
    fn a_ping_and_a_reinstallation() {
        let (requests, responses) = exchange(
            include_bytes!("../../../fixtures/dify-sri/wire/ok/ping.request"),
            include_bytes!("../../../fixtures/dify-sri/wire/ok/ping.response"),
        );
        assert_eq!(requests.messages[0].datum.get("method"), Some(&"POST".into()));
        assert_eq!(messages(&responses), [&Datum::text("pong")]);
        let (requests, responses) = exchange(
            include_bytes!("../../../fixtures/dify-sri/wire/ok/reinstall.request"),
            include_bytes!("../../../fixtures/dify-sri/wire/ok/reinstall.response"),
        );
        let metadata =
            messages(&requests)[0].get("metadata").unwrap().get("body").unwrap().as_text().unwrap();
        assert!(metadata.contains("confsuite/probe:0.0.1@"), "{metadata}");
        assert_eq!(messages(&responses).len(), 7);
        let mut events = crate::codec::sse::Events::default();
        events.feed(include_bytes!("../../../fixtures/dify-sri/wire/ok/reinstall.events"));
        let data: Vec<String> = events.map(|event| event.data).collect();
        assert!(data.len() == 5 && data[4].contains("successfully reinstalled"), "{data:?}");
    }
}
