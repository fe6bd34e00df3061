//! Server-sent events into their fields: our framing beside the crate `eventsource-stream`.

use std::convert::Infallible;
use std::hint::black_box;

use eventsource_stream::Eventsource;
use futures_util::{FutureExt, StreamExt, stream};
use plugfest::codec::sse::Events;

/// Bytes of a chunk, as a socket gives them.
const CHUNK: usize = 64 << 10;

/// Events that our framing reads.
pub(super) fn ours(bytes: &[u8]) -> usize {
    let mut framing = Events::default();
    let mut count = 0;
    for chunk in bytes.chunks(CHUNK) {
        framing.feed(chunk);
        count += framing.by_ref().map(black_box).count();
    }
    count
}

/// Events that the other one reads.
pub(super) fn theirs(bytes: &[u8]) -> usize {
    let chunks = stream::iter(bytes.chunks(CHUNK).map(Ok::<_, Infallible>));
    let events = chunks.eventsource().map(black_box).count();
    events.now_or_never().unwrap_or_default()
}

/// The stages of a launch, as a runtime sends them.
pub(super) fn launch() -> Vec<u8> {
    let stages = ["healthz", "start", "build", "run", "end"];
    let event = |stage: &str| {
        format!(
            "data: {{\"Stage\": \"{stage}\", \"State\": \"success\", \"Obj\": \"\", \"Message\": \"all is well\"}}\n\n"
        )
    };
    stages.iter().map(|stage| event(stage)).collect::<String>().into_bytes()
}

/// Everything that the format has: names, ids, comments, several lines of data, CR LF.
pub(super) fn of_all_kinds() -> Vec<u8> {
    b": a comment\r\nevent: stage\r\nid: 17\r\nretry: 250\r\ndata: {\"a\":\r\ndata: 1}\r\n\r\ndata:no space\r\n\r\n".to_vec()
}

/// One event of 1 MiB.
pub(super) fn large() -> Vec<u8> {
    format!("data: {}\n\n", "a".repeat(1 << 20)).into_bytes()
}
