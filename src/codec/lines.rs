//! Lines of JSON: one value a line, ended by a line feed (a carriage return before it belongs to the end).

use super::{Codec, Malformed, Message, json, scan};
use crate::actor::Payload;
use crate::codec::Sink;
use crate::datum::{Compare, Datum, Kind};

/// The framing: cuts a stream into lines. Knows nothing of what they hold.
#[derive(Default)]
pub struct Lines {
    buffer: Vec<u8>,
    /// Where the next line starts in `buffer`.
    at: usize,
    /// Up to where `buffer` was searched for a line end.
    searched: usize,
    /// Stream position of `buffer[0]`.
    base: u64,
}

impl Lines {
    /// Takes the next bytes of the stream.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.at);
        self.base += self.at as u64;
        self.searched -= self.at;
        self.at = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next line without its end, and where it starts in the stream.
    pub fn next_line(&mut self) -> Option<(u64, &[u8])> {
        let from = self.searched.max(self.at);
        let Some(offset) = scan::find(&self.buffer[from..], b'\n') else {
            self.searched = self.buffer.len();
            return None;
        };
        let (start, end) = (self.at, from + offset);
        self.at = end + 1;
        self.searched = self.at;
        Some((self.base + start as u64, trim(&self.buffer[start..end])))
    }

    /// Bytes that have come of a line whose end has not.
    pub fn unfinished(&self) -> usize {
        self.buffer.len() - self.at
    }

    /// What stands behind the last line end, and where; empty if the stream ended with one.
    pub fn rest(&mut self) -> (u64, &[u8]) {
        let start = std::mem::replace(&mut self.at, self.buffer.len());
        self.searched = self.at;
        (self.base + start as u64, trim(&self.buffer[start..]))
    }
}

fn trim(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// One JSON value a line; empty lines are passed over. A last line without its end is malformed.
#[derive(Default)]
pub struct JsonLines {
    lines: Lines,
}

impl Codec for JsonLines {
    fn feed(&mut self, bytes: &[u8]) {
        self.lines.feed(bytes);
    }

    fn next(&mut self) -> Option<Result<Message, Malformed>> {
        loop {
            let (at, line) = self.lines.next_line()?;
            if !line.trim_ascii().is_empty() {
                return Some(read(at, line));
            }
        }
    }

    fn finish(&mut self) -> Option<Malformed> {
        let (at, line) = self.lines.rest();
        if line.trim_ascii().is_empty() {
            return None;
        }
        let reason = "the stream ends inside a line".into();

        Some(Malformed { at, reason, fatal: true })
    }

    fn encode(&mut self, _: Kind, datum: &Datum, out: &mut Payload) -> Result<(), String> {
        json::encode(datum, out)?;
        out.bytes(b"\n");
        Ok(())
    }

    fn compare(&self) -> Compare {
        Compare::ByValue
    }
}

/// One message a line, as it is; what is not UTF-8 is replaced.
#[derive(Default)]
pub struct TextLines {
    lines: Lines,
    last: Option<Message>,
}

impl Codec for TextLines {
    fn feed(&mut self, bytes: &[u8]) {
        self.lines.feed(bytes);
    }

    fn next(&mut self) -> Option<Result<Message, Malformed>> {
        let next = self.lines.next_line().map(|(at, line)| text_message(at, line));
        next.or_else(|| self.last.take()).map(Ok)
    }

    fn finish(&mut self) -> Option<Malformed> {
        let (at, line) = self.lines.rest();
        if !line.is_empty() {
            self.last = Some(text_message(at, line));
        }
        None
    }

    fn encode(&mut self, _: Kind, datum: &Datum, out: &mut Payload) -> Result<(), String> {
        let Some(text) = datum.as_text() else { return Err(format!("{} is no line of text", datum.kind())) };
        out.bytes(text.as_bytes());
        out.bytes(b"\n");
        Ok(())
    }

    fn compare(&self) -> Compare {
        Compare::ByValue
    }
}

/// All that comes until the end is one message.
#[derive(Default)]
pub struct WholeText {
    bytes: Vec<u8>,
    last: Option<Message>,
}

impl Codec for WholeText {
    fn feed(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn next(&mut self) -> Option<Result<Message, Malformed>> {
        self.last.take().map(Ok)
    }

    fn finish(&mut self) -> Option<Malformed> {
        self.last = Some(text_message(0, &std::mem::take(&mut self.bytes)));
        None
    }

    fn encode(&mut self, _: Kind, datum: &Datum, out: &mut Payload) -> Result<(), String> {
        out.bytes(datum.as_text().ok_or("only a text can be sent here")?.as_bytes());
        Ok(())
    }

    fn compare(&self) -> Compare {
        Compare::ByValue
    }
}

/// The last line that is not empty, as JSON: the answer of a command that does one operation.
#[derive(Default)]
pub struct LastJsonLine(WholeText);

impl Codec for LastJsonLine {
    fn feed(&mut self, bytes: &[u8]) {
        self.0.feed(bytes);
    }

    fn next(&mut self) -> Option<Result<Message, Malformed>> {
        let message = self.0.last.take()?;
        let text = message.datum.as_text()?;
        let line = text.lines().rfind(|line| !line.trim().is_empty())?;
        Some(read(0, line.as_bytes()))
    }

    fn finish(&mut self) -> Option<Malformed> {
        self.0.finish()
    }

    fn encode(&mut self, kind: Kind, datum: &Datum, out: &mut Payload) -> Result<(), String> {
        self.0.encode(kind, datum, out)
    }

    fn compare(&self) -> Compare {
        Compare::ByValue
    }
}

fn text_message(at: u64, line: &[u8]) -> Message {
    let datum = Datum::text(String::from_utf8_lossy(line));
    Message { kind: Kind::Message, datum, wire: at..at + line.len() as u64 }
}

fn read(at: u64, line: &[u8]) -> Result<Message, Malformed> {
    match json::parse(line) {
        Ok(datum) => Ok(Message { kind: Kind::Message, datum, wire: at..at + line.len() as u64 }),
        Err(error) => Err(Malformed { at, reason: format!("a line is no JSON: {error}"), fatal: false }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::testing::{chunk_invariance, decode_all, last_of_twins, oracle};
    use crate::datum::equal;
    use crate::strategy::json::near_lines;

    proptest! {
        #[test]
        fn chunks_do_not_matter(bytes in near_lines(), cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6)) {
            chunk_invariance(&|| Box::new(JsonLines::default()), &bytes, &cuts)?;
            chunk_invariance(&|| Box::new(TextLines::default()), &bytes, &cuts)?;
            chunk_invariance(&|| Box::new(WholeText::default()), &bytes, &cuts)?;
            chunk_invariance(&|| Box::new(LastJsonLine::default()), &bytes, &cuts)?;
        }

        #[test]
        fn serde_json_says_the_same_of_each_line(bytes in near_lines()) {
            let run = decode_all(&mut JsonLines::default(), [&bytes[..]]);
            let (lines, rest) = match bytes.iter().rposition(|byte| *byte == b'\n') {
                Some(last) => (&bytes[..last], &bytes[last + 1..]),
                None => (&bytes[..0], &bytes[..]),
            };
            let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
            let mut messages = run.messages.iter();
            let mut refused = 0;
            for line in lines {
                let Some(oracle) = oracle(line) else {
                    refused += 1;
                    continue;
                };
                let message = messages.next().map(|message| last_of_twins(&message.datum));
                prop_assert!(
                    message.as_ref().is_some_and(|datum| equal(datum, &oracle, Compare::ByValue).is_ok()),
                    "{:?} is not {}", message, oracle
                );
            }
            prop_assert_eq!(messages.next(), None);
            prop_assert_eq!(run.malformed.len(), refused);
            prop_assert_eq!(run.end.is_some(), !rest.trim_ascii().is_empty());
        }
    }

    #[test]
    fn a_bad_line_costs_only_itself() {
        let run = decode_all(&mut JsonLines::default(), [&b"{\"a\":1}\r\nnonsense\n\n[2]\n"[..]]);
        assert_eq!(run.messages.len(), 2);
        assert_eq!((run.malformed[0].at, run.malformed[0].fatal), (9, false));
        assert_eq!(run.end, None);
    }

    #[test]
    fn a_cut_line_is_told() {
        let run = decode_all(&mut JsonLines::default(), [&b"1\n{\"a\""[..]]);
        assert_eq!(run.end.map(|end| end.at), Some(2));
    }
}
