//! Bytes into values: our codecs beside `serde_json`, `ciborium` and `flatbuffers`.

use std::hint::black_box;
use std::io::BufRead;

use plugfest::actor::Payload;
use plugfest::codec::Codec;
use plugfest::codec::cbor::{self, Cbor};
use plugfest::codec::lines::JsonLines;
use plugfest::datum::{Datum, Kind, notation};
use plugfest::protocol::apisix::Apisix;

use super::{Bench, Budget, Figure, time};
use crate::root;

mod events;
mod tables;

/// Rounds of each, at least, and for how long ours are repeated, in seconds; the fastest counts. A round of one large
/// value is over in a tenth of a millisecond, and takes some hundred until the allocator has settled.
const ROUNDS: usize = 60;
const SPAN: f64 = 0.25;
/// What a value of ours may cost beside one of the library's.
const VALUE: f64 = 1.25;
/// How much the same messages are repeated, so that a round takes milliseconds.
const VOLUME: usize = 1 << 20;

pub(super) fn measure(_: &Bench) -> Result<Vec<Figure>, String> {
    let captured = captured()?;
    let lines = |bytes: &[u8]| all(JsonLines::default(), bytes);
    let items = |bytes: &[u8]| all(Cbor::default(), bytes);
    let frames = |bytes: &[u8]| all(Apisix::runner_side(), bytes);
    let sse = |what: &str, bytes: &[u8]| figure(what, bytes, events::ours, events::theirs, 1.0);
    Ok(vec![
        figure(
            "JSON lines of a session, 100 bytes each",
            &repeated(&session_line()),
            lines,
            serde_lines,
            VALUE,
        )?,
        figure(
            "JSON lines, a plugin's declaration each",
            &repeated(&declaration_line()),
            lines,
            serde_lines,
            VALUE,
        )?,
        figure("a JSON line of 1 MiB", &text_line(), lines, serde_lines, VALUE)?,
        figure(
            "CBOR, captured sessions of the real SDKs",
            &repeated(&captured),
            items,
            ciborium_items,
            VALUE,
        )?,
        figure("CBOR, a text of 1 MiB", &text_item(), items, ciborium_items, VALUE)?,
        figure(
            "FlatBuffers, calls with 24 headers",
            &repeated(&calls()?),
            frames,
            tables::verified_and_copied,
            VALUE,
        )?,
        sse("server-sent events, the stages of a launch", &repeated(&events::launch()))?,
        sse("server-sent events of all kinds", &repeated(&events::of_all_kinds()))?,
        sse("a server-sent event of 1 MiB", &events::large())?,
    ])
}

/// Both readers must find the same number of messages.
fn figure(
    what: &str,
    bytes: &[u8],
    ours: impl Fn(&[u8]) -> usize,
    bare: impl Fn(&[u8]) -> usize,
    most: f64,
) -> Result<Figure, String> {
    let (found, expected) = (ours(bytes), bare(bytes));
    if found != expected {
        return Err(format!("{what}: we read {found} messages, the other library {expected}"));
    }
    let run = |reader: &dyn Fn(&[u8]) -> usize| {
        black_box(reader(black_box(bytes)));
    };
    let rounds = ROUNDS.max((SPAN / time::seconds(&mut || run(&ours))) as usize);
    let (ours, bare) = time::fastest(rounds, || run(&ours), || run(&bare));
    let per_mib = |seconds: f64| seconds * 1000.0 * (1 << 20) as f64 / bytes.len() as f64;
    Ok(Figure {
        what: what.into(),
        ours: per_mib(ours),
        bare: Some(per_mib(bare)),
        unit: "ms/MiB",
        budget: Budget::Times(most),
    })
}

/// Feeds in chunks as a socket gives them, and counts messages.
fn all(mut codec: impl Codec, bytes: &[u8]) -> usize {
    let mut count = 0;
    for chunk in bytes.chunks(64 << 10) {
        codec.feed(chunk);
        while let Some(message) = codec.next() {
            count += usize::from(black_box(message).is_ok());
        }
    }
    count
}

/// Lines as they are read from a stream, each into a value.
fn serde_lines(bytes: &[u8]) -> usize {
    let mut reader = std::io::BufReader::with_capacity(64 << 10, bytes);
    let (mut count, mut line) = (0, Vec::new());
    while reader.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
        let value: Result<serde_json::Value, _> = serde_json::from_slice(&line);
        count += usize::from(black_box(value).is_ok());
        line.clear();
    }
    count
}

fn ciborium_items(mut bytes: &[u8]) -> usize {
    let mut count = 0;
    while !bytes.is_empty() {
        let item: Result<ciborium::Value, _> = ciborium::from_reader(&mut bytes);
        if black_box(item).is_err() {
            break;
        }
        count += 1;
    }
    count
}

fn repeated(unit: &[u8]) -> Vec<u8> {
    unit.repeat(VOLUME / unit.len().max(1) + 1)
}

fn session_line() -> Vec<u8> {
    let line = r#"{"session_id": "7f3a", "event": "session", "data": {"type": "stream", "data": {"type": "text", "message": {"text": "hello"}}}}"#;
    format!("{line}\n").into_bytes()
}

fn declaration_line() -> Vec<u8> {
    let parameter = |n: usize| {
        serde_json::json!({
            "name": format!("parameter_{n}"), "type": "string", "required": n.is_multiple_of(2), "form": "llm",
            "label": {"en_US": format!("Parameter {n}"), "zh_Hans": "参数"}, "min": n, "max": 1.5 * n as f64,
            "human_description": {"en_US": "What this parameter is for, in a sentence of the usual length."},
        })
    };
    let parameters: Vec<serde_json::Value> = (0..24).map(parameter).collect();
    format!("{}\n", serde_json::json!({"identity": {"name": "tool"}, "parameters": parameters})).into_bytes()
}

fn text_line() -> Vec<u8> {
    format!("{{\"text\": \"{}\"}}\n", "abcdefgh".repeat(1 << 17)).into_bytes()
}

fn text_item() -> Vec<u8> {
    let mut bytes = Vec::new();
    cbor::encode(&Datum::map([("text", Datum::text("abcdefgh".repeat(1 << 17)))]), &mut bytes);
    bytes
}

/// What real plugins sent, as captured, all sessions together.
fn captured() -> Result<Vec<u8>, String> {
    let folder = root().join("fixtures/arcaflow/wire/ok");
    let mut all = Vec::new();
    let entries = std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let digits: String = text
            .lines()
            .filter_map(|line| line.strip_prefix('<'))
            .flat_map(|line| line.trim().chars())
            .collect();
        let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).map_err(|error| error.to_string());
        let bytes: Vec<u8> = (0..digits.len()).step_by(2).map(byte).collect::<Result<_, _>>()?;
        all.extend(bytes);
    }
    Ok(all)
}

/// Calls as the gateway writes them.
fn calls() -> Result<Vec<u8>, String> {
    let headers: Vec<String> = (0..24)
        .map(|n| format!(r#"{{"name": "x-header-{n}", "value": "the value of header number {n}"}}"#))
        .collect();
    let text = format!(
        r#"{{"type": "HTTPReqCall", "id": 7, "src_ip": h'7f000001', "method": "GET", "path": "/some/path",
            "args": [{{"name": "a", "value": "1"}}], "headers": [{}], "token": 3}}"#,
        headers.join(", ")
    );
    let datum = notation::parse_datum(&text).map_err(|error| error.message)?;
    let mut out = Payload::default();
    Apisix::gateway_side().encode(Kind::Message, &datum, &mut out)?;
    out.to_vec(&|_| None)
}
