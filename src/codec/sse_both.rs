//! Both readings of one event stream: one gives the messages, the other says where it would have read something else.
//!
//! A runtime's stream is read by standards clients and by the deployed Dify daemon. What only one of them understands is
//! not portable, whichever text binds, so the disagreement is told as malformed, with what each of them reads.

use std::collections::VecDeque;

use super::sse::Sse;
use super::sse_lines::SseLines;
use super::{Codec, Malformed, Message};
use crate::actor::Payload;
use crate::datum::{Compare, Datum, Kind, brief};

/// A reading and what it gave since the two were compared last.
struct Reading {
    name: &'static str,
    codec: Box<dyn Codec>,
    read: Vec<Datum>,
    malformed: Vec<Malformed>,
}

/// One stream, read twice. Compared wherever a blank line ends an event, and at the end.
pub struct BothSse {
    binding: Reading,
    other: Reading,
    /// Bytes that no line end has completed.
    line: Vec<u8>,
    /// Stream position of the end of what was fed.
    at: u64,
    /// Where the lines start that are compared next.
    since: u64,
    after_return: bool,
    out: VecDeque<Result<Message, Malformed>>,
}

const STANDARD: &str = "the standard of server-sent events";
const DAEMON: &str = "the deployed daemon's line rules";

impl BothSse {
    /// The standard gives the messages.
    pub fn standard() -> Self {
        Self::new(
            Reading::new(STANDARD, Box::new(Sse::default())),
            Reading::new(DAEMON, Box::new(SseLines::default())),
        )
    }

    /// The deployed daemon's line rules give the messages.
    pub fn lines() -> Self {
        Self::new(
            Reading::new(DAEMON, Box::new(SseLines::default())),
            Reading::new(STANDARD, Box::new(Sse::default())),
        )
    }

    fn new(binding: Reading, other: Reading) -> Self {
        Self { binding, other, line: Vec::new(), at: 0, since: 0, after_return: false, out: VecDeque::new() }
    }

    /// A line with its end has come; of CR LF each byte ends one.
    fn line(&mut self) {
        let line = std::mem::take(&mut self.line);
        self.at += line.len() as u64;
        let completes = self.after_return && line == b"\n";
        let is_blank = line.len() == 1 && !completes;
        self.after_return = line.ends_with(b"\r");
        self.out.extend(self.binding.take(&line).into_iter().map(Ok));
        self.other.take(&line);
        if is_blank {
            self.compare();
        }
    }

    /// Says where the readings differ; of one that is torn itself that, and what the other makes of it.
    fn compare(&mut self) {
        let at = std::mem::replace(&mut self.since, self.at);
        let (ours, theirs) = (std::mem::take(&mut self.binding.read), std::mem::take(&mut self.other.read));
        let torn = std::mem::take(&mut self.binding.malformed);
        self.other.malformed.clear();
        let differ = (ours != theirs).then(|| {
            format!(
                "the two readings of these bytes differ: by {} they are {}, by {} {}",
                self.binding.name,
                shown(&ours),
                self.other.name,
                shown(&theirs)
            )
        });
        match (torn.is_empty(), differ) {
            (true, Some(reason)) => self.out.push_back(Err(Malformed { at, reason, fatal: false })),
            (_, differ) => {
                let with = differ.map_or(String::new(), |differ| format!("; {differ}"));
                let told = |malformed: Malformed| {
                    Err(Malformed { reason: format!("{}{with}", malformed.reason), ..malformed })
                };
                self.out.extend(torn.into_iter().map(told));
            }
        }
    }
}

fn shown(read: &[Datum]) -> String {
    match read {
        [] => "nothing".into(),
        [event] => brief(event),
        events => {
            format!("{} events: {}", events.len(), events.iter().map(brief).collect::<Vec<_>>().join(" "))
        }
    }
}

impl Reading {
    fn new(name: &'static str, codec: Box<dyn Codec>) -> Self {
        Self { name, codec, read: Vec::new(), malformed: Vec::new() }
    }

    fn take(&mut self, bytes: &[u8]) -> Vec<Message> {
        self.codec.feed(bytes);
        self.drain()
    }

    fn drain(&mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        while let Some(next) = self.codec.next() {
            match next {
                Ok(message) => {
                    self.read.push(message.datum.clone());
                    messages.push(message);
                }
                Err(malformed) => self.malformed.push(malformed),
            }
        }
        messages
    }
}

impl Codec for BothSse {
    fn feed(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')) {
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") || part.ends_with(b"\r") {
                self.line();
            }
        }
    }

    fn next(&mut self) -> Option<Result<Message, Malformed>> {
        self.out.pop_front()
    }

    fn finish(&mut self) -> Option<Malformed> {
        let line = std::mem::take(&mut self.line);
        self.at += line.len() as u64;
        self.out.extend(self.binding.take(&line).into_iter().map(Ok));
        self.other.take(&line);
        let end = self.binding.codec.finish();
        self.other.codec.finish();
        self.out.extend(self.binding.drain().into_iter().map(Ok));
        self.other.drain();
        self.compare();
        end
    }

    fn encode(&mut self, kind: Kind, datum: &Datum, out: &mut Payload) -> Result<(), String> {
        self.binding.codec.encode(kind, datum, out)
    }

    fn compare(&self) -> Compare {
        Compare::ByValue
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::testing::{Decoded, chunk_invariance, decode_all};
    use crate::strategy::sse::near_stream;

    fn read(bytes: &[u8]) -> [Decoded; 2] {
        [BothSse::standard(), BothSse::lines()].map(|mut codec| decode_all(&mut codec, [bytes]))
    }

    proptest! {
        #[test]
        fn chunks_do_not_matter(bytes in near_stream(), cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6)) {
            chunk_invariance(&|| Box::new(BothSse::standard()), &bytes, &cuts)?;
            chunk_invariance(&|| Box::new(BothSse::lines()), &bytes, &cuts)?;
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            chunk_invariance(&|| Box::new(BothSse::standard()), &bytes, &[])?;
        }

        #[test]
        fn the_binding_reading_is_the_one_of_its_own_codec(bytes in near_stream()) {
            let [standard, lines] = read(&bytes);
            prop_assert_eq!(standard.messages, decode_all(&mut Sse::default(), [&bytes[..]]).messages);
            prop_assert_eq!(lines.messages, decode_all(&mut SseLines::default(), [&bytes[..]]).messages);
        }

        #[test]
        fn a_difference_is_told_by_both_or_none(bytes in near_stream()) {
            let tells = |decoded: &Decoded| decoded.malformed.iter().any(|told| told.reason.contains("readings of these bytes differ"));
            let [standard, lines] = read(&bytes);
            prop_assert_eq!(tells(&standard), tells(&lines));
        }
    }

    #[test]
    fn what_both_understand_is_portable() {
        for bytes in [&b"data: 1\n\ndata:2\n\n"[..], b": c\r\nid: 1\r\ndata: 1\r\n\r\ndata: 2\r\n\r\n"] {
            for decoded in read(bytes) {
                assert_eq!((decoded.messages.len(), decoded.malformed.len()), (2, 0));
            }
        }
    }

    #[test]
    fn a_difference_names_both_readings_and_its_place() {
        let [standard, lines] = read(b"data: 1\n\ndata: {\"a\":\ndata: 2}\n\ndata: 3\n\n");
        assert_eq!(standard.messages.len(), 3);
        assert_eq!(standard.malformed.len(), 1);
        assert_eq!(standard.malformed[0].at, 9);
        assert_eq!(
            standard.malformed[0].reason,
            "the two readings of these bytes differ: by the standard of server-sent events they are {\"a\": 2}, \
             by the deployed daemon's line rules nothing"
        );
        assert_eq!(lines.messages.len(), 2);
        assert!(lines.malformed[0].reason.ends_with("by the standard of server-sent events {\"a\": 2}"));
        for bytes in [&b"{\"a\": 1}\n\n"[..], b"data: 1\r\rdata: 2\n\n", b"data: 1", b"data: 1\ndata: 2\n\n"]
        {
            for decoded in read(bytes) {
                let told = decoded.malformed.iter().filter(|told| told.reason.contains("differ")).count();
                assert!(told > 0, "{}", bytes.escape_ascii());
            }
        }
    }
}
