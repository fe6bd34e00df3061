//! An event stream as the deployed Dify daemon reads it: line by line, each line an event of its own.
//!
//! The rules of langgenius/dify-plugin-daemon (`pkg/utils/http_requests`, `pkg/utils/parser`): lines end with a line
//! feed, a `data:` in front of a line is optional, a blank line means nothing, several lines of `data` are several
//! events. Where it and [`Sse`](super::sse::Sse) give different messages for the same bytes, the stream is not portable.

use super::{Codec, Malformed, Message, json, scan, sse};
use crate::actor::Payload;
use crate::datum::{Compare, Datum, Kind};

/// Longest line, its line feed included. A longer one ends the daemon's reading.
pub const LIMIT: usize = 30 << 20;

/// One JSON value a line. What both readers ignore (comments, `event`, `id`, `retry`) is passed over.
pub struct SseLines {
    buffer: Vec<u8>,
    /// Where the next line starts in `buffer`.
    at: usize,
    /// Up to where `buffer` was searched for a line end.
    searched: usize,
    /// Stream position of `buffer[0]`.
    base: u64,
    limit: usize,
    ended: bool,
    dead: bool,
}

impl Default for SseLines {
    fn default() -> Self {
        Self::with_limit(LIMIT)
    }
}

impl SseLines {
    /// A reader of lines of at most `limit` bytes, their line feeds included.
    pub fn with_limit(limit: usize) -> Self {
        Self { buffer: Vec::new(), at: 0, searched: 0, base: 0, limit, ended: false, dead: false }
    }

    /// The next line without its end, and where it starts in the stream.
    fn line(&mut self) -> Option<Result<(u64, &[u8]), Malformed>> {
        let (start, at) = (self.at, self.base + self.at as u64);
        let until = self.buffer.len().min(start + self.limit);
        let from = self.searched.clamp(start, until);
        let found = scan::find(&self.buffer[from..until], b'\n').map(|offset| from + offset);
        self.searched = found.map_or(until, |end| end + 1);
        match found {
            Some(end) => {
                self.at = end + 1;
                Some(Ok((at, &self.buffer[start..end])))
            }
            None if until - start == self.limit => {
                self.dead = true;
                let reason = format!("a line is longer than the {} bytes that are read", self.limit);
                Some(Err(Malformed { at, reason, fatal: true }))
            }
            None if self.ended && start < until => {
                self.at = until;
                Some(Ok((at, &self.buffer[start..until])))
            }
            None => None,
        }
    }
}

impl Codec for SseLines {
    fn feed(&mut self, bytes: &[u8]) {
        if self.dead {
            return;
        }
        self.buffer.drain(..self.at);
        self.base += self.at as u64;
        self.searched -= self.at;
        self.at = 0;
        self.buffer.extend_from_slice(bytes);
    }

    fn next(&mut self) -> Option<Result<Message, Malformed>> {
        while !self.dead {
            match self.line()? {
                Err(malformed) => return Some(Err(malformed)),
                Ok((at, line)) => {
                    if let Some(result) = read(at, line) {
                        return Some(result);
                    }
                }
            }
        }
        None
    }

    /// A last line without its end counts too: `next` gives it.
    fn finish(&mut self) -> Option<Malformed> {
        self.ended = true;
        None
    }

    fn encode(&mut self, _: Kind, datum: &Datum, out: &mut Payload) -> Result<(), String> {
        sse::encode(datum, out)
    }

    fn compare(&self) -> Compare {
        Compare::ByValue
    }
}

fn read(at: u64, line: &[u8]) -> Option<Result<Message, Malformed>> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let rest = line.strip_prefix(b"data:").unwrap_or(line);
    let harmless: [&[u8]; 3] = [b":", b"id:", b"retry:"];
    if line.is_empty() || rest.starts_with(b"event:") || harmless.iter().any(|field| line.starts_with(field))
    {
        return None;
    }
    let text = text(rest);
    Some(match json::parse(text.trim().as_bytes()) {
        Ok(datum) => Ok(Message { kind: Kind::Message, datum, wire: at..at + line.len() as u64 }),
        Err(error) => Err(Malformed { at, reason: format!("a line is no JSON: {error}"), fatal: false }),
    })
}

/// Go's reading of UTF-8: one replacement character for each byte that is wrong.
fn text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::sse::Sse;
    use crate::codec::testing::{Decoded, chunk_invariance, decode_all};
    use crate::strategy::json::any_json;
    use crate::strategy::sse::near_stream;

    fn run(bytes: &[u8]) -> Decoded {
        decode_all(&mut SseLines::default(), [bytes])
    }

    fn shown(codec: &mut dyn Codec, bytes: &[u8]) -> Vec<String> {
        decode_all(codec, [bytes]).messages.iter().map(|message| message.datum.to_string()).collect()
    }

    proptest! {
        #[test]
        fn chunks_do_not_matter(bytes in near_stream(), cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6), limit in 1..60_usize) {
            chunk_invariance(&|| Box::new(SseLines::default()), &bytes, &cuts)?;
            chunk_invariance(&|| Box::new(SseLines::with_limit(limit)), &bytes, &cuts)?;
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            chunk_invariance(&|| Box::new(SseLines::default()), &bytes, &[])?;
        }

        #[test]
        fn both_readers_agree_on_single_lines(items in proptest::collection::vec(any_json(), 0..5), end in prop_oneof![Just("\n"), Just("\r\n")]) {
            let mut bytes = Vec::new();
            for item in &items {
                bytes.extend_from_slice(b": comment\nid: 4\ndata:");
                json::encode(item, &mut bytes).unwrap();
                bytes.extend_from_slice(end.repeat(2).as_bytes());
            }
            let daemon = shown(&mut SseLines::default(), &bytes);
            prop_assert_eq!(&daemon, &shown(&mut Sse::default(), &bytes));
            prop_assert_eq!(daemon.len(), items.len());
            prop_assert_eq!(run(&bytes).malformed, []);
        }
    }

    #[test]
    fn the_readers_differ_where_a_stream_is_not_portable() {
        for (bytes, daemon, standard) in [
            (&b"data: {\"a\":\ndata: 1}\n\n"[..], vec![], vec![r#"{"a": 1}"#]),
            (b"data: 1\rdata: 2\r\r", vec![], vec![]),
            (b"data: 1\r\r", vec!["1"], vec!["1"]),
            (b"{\"a\": 1}\n\n", vec![r#"{"a": 1}"#], vec![]),
            (b"data: 1\ndata: 2\n\n", vec!["1", "2"], vec![]),
            (b"data: 1", vec!["1"], vec![]),
            (b"\xef\xbb\xbfdata: 1\n\n", vec![], vec!["1"]),
        ] {
            assert_eq!(shown(&mut SseLines::default(), bytes), daemon, "{bytes:?}");
            assert_eq!(shown(&mut Sse::default(), bytes), standard, "{bytes:?}");
        }
    }

    #[test]
    fn prefixes_and_spaces() {
        let spaces = run(b"data:1\n  2  \r\ndata: event: x\nevent: y\ndata:\t3\xc2\xa0\n");
        assert_eq!((spaces.messages.len(), spaces.malformed.len()), (3, 1));
        assert_eq!(run(b"data:event: x\nevent: y\n\n\r\n: c\n").malformed, []);
        assert_eq!(run(b"data:\ndata: [DONE]\nDATA: 1\n1 2\n").malformed.len(), 4);
        assert_eq!(run(b"\"\xe2\x82\"\n").messages[0].datum, Datum::text("\u{fffd}\u{fffd}"));
    }

    #[test]
    fn a_long_line_ends_the_reading() {
        let read = |bytes: &[u8]| decode_all(&mut SseLines::with_limit(8), [bytes]);
        assert_eq!(read(b"1234567\n2\n").messages.len(), 2);
        let run = read(b"1\n12345678\n2\n");
        assert_eq!((run.messages.len(), run.malformed[0].at, run.malformed[0].fatal), (1, 2, true));
        assert_eq!(run.malformed[0].reason, "a line is longer than the 8 bytes that are read");
        assert_eq!(read(b"1234567").messages.len(), 1);
        assert_eq!(read(b"12345678").messages.len(), 0);
    }
}
