//! Server-sent events as the HTML standard reads them (WHATWG, section 9.2.6), and their writer.
//!
//! Deployed clients read the same bytes by simpler rules: see [`sse_lines`](super::sse_lines).

use std::borrow::Cow;
use std::ops::Range;

use super::{Codec, Malformed, Message, Sink, json, scan};
use crate::actor::Payload;
use crate::datum::{Compare, Datum, Kind};

/// The name of an event that has none.
const UNNAMED: &str = "message";

/// One event of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its name (`event`); `message` if it has none.
    pub name: Cow<'static, str>,
    /// Its lines of `data`, joined by line feeds.
    pub data: String,
    /// The last `id` of the stream, its own or that of an earlier event; empty if there was none.
    pub id: String,
    /// From its first field up to the byte that completes it, counted from the start of the stream.
    pub wire: Range<u64>,
}

/// The framing: cuts a stream into events. Knows nothing of what they hold.
#[derive(Default)]
pub struct Events {
    buffer: Vec<u8>,
    /// Where the next line starts in `buffer`.
    at: usize,
    /// Up to where `buffer` was searched for a line end.
    searched: usize,
    /// Stream position of `buffer[0]`.
    base: u64,
    /// The last line ended with a carriage return: a line feed that follows belongs to it.
    after_return: bool,
    started: bool,
    partial: Partial,
    id: String,
    retry: Option<u64>,
}

/// An event whose fields are still coming.
#[derive(Default)]
struct Partial {
    name: String,
    /// Each line of `data` and a line feed.
    data: String,
    /// Where its first field stands.
    start: Option<u64>,
}

impl Events {
    /// Takes the next bytes of the stream.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.at);
        self.base += self.at as u64;
        self.searched -= self.at;
        self.at = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// Where the event starts that the end of the stream has cut; the standard drops it.
    pub fn rest(&self) -> Option<u64> {
        let unread = &self.buffer[self.at..];
        let line = match (self.after_return, unread) {
            (true, [b'\n', line @ ..]) | (_, line) => line,
        };
        let cut = (!line.is_empty()).then_some(self.base + (self.buffer.len() - line.len()) as u64);
        if self.partial.data.is_empty() { cut } else { self.partial.start }
    }

    /// The last `retry` of the stream: how many milliseconds a client waits before it connects again.
    pub fn retry(&self) -> Option<u64> {
        self.retry
    }

    /// The next line without its end.
    fn line(&mut self) -> Option<Range<usize>> {
        if self.after_return && self.at < self.buffer.len() {
            self.after_return = false;
            self.at += usize::from(self.buffer[self.at] == b'\n');
        }
        let from = self.searched.max(self.at);
        let Some(offset) = scan::find_either(&self.buffer[from..], b'\n', b'\r') else {
            self.searched = self.buffer.len();
            return None;
        };
        let (mut start, end) = (self.at, from + offset);
        self.after_return = self.buffer[end] == b'\r';
        self.at = end + 1;
        self.searched = self.at;
        if !std::mem::replace(&mut self.started, true) && self.buffer[start..end].starts_with(b"\xef\xbb\xbf")
        {
            start += 3;
        }
        Some(start..end)
    }

    fn field(&mut self, line: Range<usize>) {
        let (name, value) = split(&self.buffer[line.clone()]);
        if name.is_empty() {
            return;
        }
        self.partial.start.get_or_insert(self.base + line.start as u64);
        match name {
            b"data" => {
                self.partial.data.push_str(&String::from_utf8_lossy(value));
                self.partial.data.push('\n');
            }
            b"event" => self.partial.name = String::from_utf8_lossy(value).into_owned(),
            b"id" if !value.contains(&0) => self.id = String::from_utf8_lossy(value).into_owned(),
            b"retry" if value.iter().all(u8::is_ascii_digit) => {
                self.retry = String::from_utf8_lossy(value).parse().ok().or(self.retry);
            }
            _ => {}
        }
    }

    /// Without a line of `data` there is no event.
    fn dispatch(&mut self, end: u64) -> Option<Event> {
        let Partial { name, mut data, start } = std::mem::take(&mut self.partial);
        data.pop()?;
        let name = if name.is_empty() { Cow::Borrowed(UNNAMED) } else { Cow::Owned(name) };

        Some(Event { name, data, id: self.id.clone(), wire: start.unwrap_or(end)..end })
    }
}

impl Iterator for Events {
    type Item = Event;

    /// The next complete event; after `None` there may be more once more bytes came.
    fn next(&mut self) -> Option<Event> {
        loop {
            let line = self.line()?;
            if line.is_empty() {
                let event = self.dispatch(self.base + line.start as u64 + 1);
                if event.is_some() {
                    return event;
                }
            } else {
                self.field(line);
            }
        }
    }
}

/// The name before the colon and the value behind it, less one space. A comment has an empty name.
fn split(line: &[u8]) -> (&[u8], &[u8]) {
    match line.iter().position(|byte| *byte == b':') {
        None => (line, b""),
        Some(colon) => {
            let value = &line[colon + 1..];
            (&line[..colon], value.strip_prefix(b" ").unwrap_or(value))
        }
    }
}

/// Appends one event: its name if it has one, its id unless empty, a line of `data` for each line of it.
pub fn write(name: &str, id: &str, data: &str, out: &mut impl Sink) {
    let mut line = |field: &str, value: &str| {
        for text in [field, ": ", value, "\n"] {
            out.bytes(text.as_bytes());
        }
    };
    if !matches!(name, "" | UNNAMED) {
        line("event", name);
    }
    if !id.is_empty() {
        line("id", id);
    }
    for text in data.replace("\r\n", "\n").split(['\n', '\r']) {
        line("data", text);
    }
    out.bytes(b"\n");
}

/// One JSON value an event; names and ids are passed over.
#[derive(Default)]
pub struct Sse {
    events: Events,
    ended: bool,
}

impl Codec for Sse {
    fn feed(&mut self, bytes: &[u8]) {
        self.events.feed(bytes);
    }

    fn next(&mut self) -> Option<Result<Message, Malformed>> {
        self.events.next().map(read)
    }

    fn finish(&mut self) -> Option<Malformed> {
        if std::mem::replace(&mut self.ended, true) {
            return None;
        }
        let reason = "the stream ends inside an event, which is dropped".into();

        self.events.rest().map(|at| Malformed { at, reason, fatal: true })
    }

    fn encode(&mut self, _: Kind, datum: &Datum, out: &mut Payload) -> Result<(), String> {
        self::encode(datum, out)
    }

    fn compare(&self) -> Compare {
        Compare::ByValue
    }
}

/// One JSON value as one event.
pub(super) fn encode(datum: &Datum, out: &mut Payload) -> Result<(), String> {
    out.bytes(b"data: ");
    json::encode(datum, out)?;
    out.bytes(b"\n\n");
    Ok(())
}

fn read(event: Event) -> Result<Message, Malformed> {
    match json::parse(event.data.as_bytes()) {
        Ok(datum) => Ok(Message { kind: Kind::Message, datum, wire: event.wire }),
        Err(error) => {
            let reason = format!("the data of an event is no JSON: {error}");
            Err(Malformed { at: event.wire.start, reason, fatal: false })
        }
    }
}

#[cfg(test)]
mod tests {
    use eventsource_stream::Eventsource;
    use futures_util::{FutureExt, StreamExt, stream};
    use proptest::prelude::*;

    use super::*;
    use crate::codec::testing::{chunk_invariance, decode_all};
    use crate::strategy::json::any_json;
    use crate::strategy::sse::{any_stream, near_stream};

    fn events(pieces: &[&[u8]]) -> Vec<Event> {
        let mut framing = Events::default();
        let mut events = Vec::new();
        for piece in pieces {
            framing.feed(piece);
            events.extend(&mut framing);
        }
        events
    }

    fn shown(bytes: &[u8]) -> Vec<(String, String, String)> {
        events(&[bytes]).into_iter().map(|event| (event.name.into_owned(), event.data, event.id)).collect()
    }

    fn oracle(bytes: &[u8]) -> Vec<(String, String, String)> {
        let settled = [bytes, b":\n"].concat(); // the other one waits for what follows a carriage return
        let whole = stream::iter([Ok::<_, std::convert::Infallible>(settled)]);
        let events = whole.eventsource().filter_map(async |event| event.ok()).collect::<Vec<_>>();
        let events = events.now_or_never().expect("nothing is waited for");

        events.into_iter().map(|event| (event.event, event.data, event.id)).collect()
    }

    proptest! {
        #[test]
        fn chunks_do_not_matter(bytes in near_stream(), cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6)) {
            chunk_invariance(&|| Box::new(Sse::default()), &bytes, &cuts)?;
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            prop_assert_eq!(events(&[&bytes]), events(&single));
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            chunk_invariance(&|| Box::new(Sse::default()), &bytes, &[])?;
        }

        #[test]
        fn another_reader_sees_the_same(bytes in any_stream()) {
            prop_assert_eq!(shown(&bytes), oracle(&bytes));
        }

        #[test]
        fn what_was_written_is_read(name in "[a-z]{1,8}", id in "[a-z0-9]{0,4}", data in "[a-zß \n:]{0,20}") {
            let mut bytes = Vec::new();
            write(&name, &id, &data, &mut bytes);
            prop_assert_eq!(shown(&bytes), [(name, data, id)]);
        }

        #[test]
        fn encode_and_decode_are_inverse(datum in any_json()) {
            let mut payload = Payload::default();
            Sse::default().encode(Kind::Message, &datum, &mut payload).unwrap();
            let bytes = payload.to_vec(&|_| None).unwrap();
            let run = decode_all(&mut Sse::default(), [&bytes[..]]);
            prop_assert_eq!(run.messages.len(), 1);
            prop_assert_eq!(&run.messages[0].datum, &datum);
            prop_assert_eq!(run.end, None);
        }
    }

    #[test]
    fn the_examples_of_the_standard() {
        let data = |bytes: &[u8]| shown(bytes).into_iter().map(|(_, data, _)| data).collect::<Vec<_>>();
        assert_eq!(data(b"data: YHOO\ndata: +2\ndata: 10\n\n"), ["YHOO\n+2\n10"]);
        assert_eq!(
            data(
                b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n"
            ),
            ["first event", "second event"]
        );
        assert_eq!(data(b"data\n\ndata\ndata\n\ndata:"), ["", "\n"]);
        assert_eq!(data(b"data:test\n\ndata: test\n\n"), ["test", "test"]);
    }

    #[test]
    fn every_line_end_ends_a_line() {
        let wanted = [("message".into(), "a\nb".into(), String::new()), ("e".into(), "c".into(), "7".into())];
        for bytes in [
            &b"data: a\ndata: b\n\nid: 7\nevent: e\ndata: c\n\n"[..],
            b"data: a\rdata: b\r\rid: 7\revent: e\rdata: c\r\r",
            b"data: a\r\ndata: b\r\n\r\nid: 7\r\nevent: e\r\ndata: c\r\n\r\n",
            b"\xef\xbb\xbfdata: a\rdata: b\n\rid: 7\r\nevent: e\ndata: c\r\n\r",
        ] {
            assert_eq!(shown(bytes), wanted);
        }
    }

    #[test]
    fn what_does_not_fit_is_ignored() {
        let mut framing = Events::default();
        framing.feed(b"retry: 1x\nretry: 250\nid: a\0b\nDATA: x\nnoise\n\xef\xbb\xbfdata: y\n\nevent: gone\n\ndata: z\n\n");
        let event = framing.next().expect("an event");
        assert_eq!((&*event.name, &*event.data, &*event.id), (UNNAMED, "z", ""));
        assert_eq!((framing.next(), framing.retry()), (None, Some(250)));
    }

    #[test]
    fn an_event_knows_its_bytes() {
        let wires: Vec<_> =
            events(&[b"\n: c\ndata: a\r\n", b"\r", b"\ndata: b\n\n"]).into_iter().map(|e| e.wire).collect();
        assert_eq!(wires, [5..15, 16..25]);
    }

    #[test]
    fn a_cut_event_is_told() {
        for (bytes, at) in [(&b"data: 1\n\ndata: 2\n"[..], Some(9)), (b"data: 1\n\n: x", Some(9))] {
            let run = decode_all(&mut Sse::default(), [bytes]);
            assert_eq!((run.messages.len(), run.end.map(|end| end.at)), (1, at));
        }
        assert_eq!(decode_all(&mut Sse::default(), [&b"data: 1\r\r\n"[..]]).end, None);
    }
}
