//! What bodies hold: the format that the caller chose, read from the bytes that the framing let through.

use std::collections::VecDeque;

use super::super::lines::JsonLines;
use super::super::sse_both::BothSse;
use super::super::{Codec, Malformed, Message, json, multipart};
use crate::actor::Payload;
use crate::datum::{Datum, Kind};

/// The format of a body; never guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON text.
    Json,
    /// Server-sent events by the standard, the data of each is JSON. Where the line rules read something else, it is told.
    Sse,
    /// The same by the deployed Dify daemon's line rules. Where the standard reads something else, it is told.
    SseLines,
    /// A JSON text a line.
    Lines,
    /// One text.
    Text,
    /// Bytes.
    Bytes,
    /// A form; its boundary stands in Content-Type.
    Multipart,
}

impl Format {
    /// Every format with its name in suite.toml.
    pub const ALL: [(&'static str, Format); 7] = [
        ("json", Format::Json),
        ("sse", Format::Sse),
        ("sse-lines", Format::SseLines),
        ("lines", Format::Lines),
        ("text", Format::Text),
        ("bytes", Format::Bytes),
        ("multipart", Format::Multipart),
    ];

    /// The format with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(other, _)| *other == name).map(|(_, format)| format)
    }

    /// The reader of its messages, if they come while the body is still coming.
    fn stream(self) -> Option<Box<dyn Codec>> {
        match self {
            Self::Sse => Some(Box::new(BothSse::standard())),
            Self::SseLines => Some(Box::new(BothSse::lines())),
            Self::Lines => Some(Box::new(JsonLines::default())),
            Self::Json | Self::Text | Self::Bytes | Self::Multipart => None,
        }
    }
}

/// Appends one message of a body; `boundary` is that of a form.
///
/// # Errors
/// Why this value cannot be written in this format.
pub fn write_content(format: Format, datum: &Datum, boundary: &str, out: &mut Payload) -> Result<(), String> {
    if let Some(mut codec) = format.stream() {
        return codec.encode(Kind::Message, datum, out);
    }
    match format {
        Format::Json => json::encode(datum, out),
        Format::Multipart => {
            multipart::write(multipart::parts(datum)?, boundary, out);
            Ok(())
        }
        _ => multipart::write_body(datum, out),
    }
}

/// The body that is being read.
#[derive(Default)]
pub(super) struct Content {
    reader: Reader,
    segments: Segments,
    /// The body has ended, in order (true) or cut; not told to the reader yet.
    ending: Option<bool>,
    /// What the end of the body gave.
    end: Option<Result<Message, Malformed>>,
}

#[derive(Default)]
enum Reader {
    #[default]
    None,
    Whole {
        format: Format,
        boundary: Option<String>,
        bytes: Vec<u8>,
    },
    Stream(Box<dyn Codec>),
}

impl Content {
    pub(super) fn new(format: Format, content_type: Option<&str>) -> Self {
        let boundary = || content_type.and_then(multipart::boundary);
        let reader = match format.stream() {
            Some(codec) => Reader::Stream(codec),
            None => Reader::Whole { format, boundary: boundary(), bytes: Vec::new() },
        };
        Self { reader, ..Self::default() }
    }

    /// Takes bytes of the body that stand at `at` in the stream.
    pub(super) fn feed(&mut self, at: u64, bytes: &[u8]) {
        self.segments.push(at, bytes.len() as u64);
        match &mut self.reader {
            Reader::None => {}
            Reader::Whole { bytes: all, .. } => all.extend_from_slice(bytes),
            Reader::Stream(codec) => codec.feed(bytes),
        }
    }

    /// The body ended, in order or cut; of a cut one only what it gave already counts.
    pub(super) fn finish(&mut self, is_whole: bool) {
        self.ending = Some(is_whole);
    }

    /// The next message, its place in the stream and not in the body.
    pub(super) fn next(&mut self) -> Option<Result<Message, Malformed>> {
        let mut result = self.read();
        if result.is_none()
            && let Some(is_whole) = self.ending.take()
        {
            self.end = self.reader.finish(is_whole);
            result = self.read();
        }
        Some(match result? {
            Ok(message) => {
                let wire = self.segments.range(message.wire);
                Ok(Message { wire, ..message })
            }
            Err(malformed) => {
                Err(Malformed { at: self.segments.place(malformed.at), fatal: false, ..malformed })
            }
        })
    }

    fn read(&mut self) -> Option<Result<Message, Malformed>> {
        match &mut self.reader {
            Reader::Stream(codec) => codec.next().or_else(|| self.end.take()),
            _ => self.end.take(),
        }
    }
}

impl Reader {
    fn finish(&mut self, is_whole: bool) -> Option<Result<Message, Malformed>> {
        match self {
            Reader::Stream(codec) => codec.finish().filter(|_| is_whole).map(Err),
            Reader::Whole { format, boundary, bytes } if is_whole && !bytes.is_empty() => {
                Some(read(*format, boundary.as_deref(), std::mem::take(bytes)))
            }
            _ => None,
        }
    }
}

fn read(format: Format, boundary: Option<&str>, bytes: Vec<u8>) -> Result<Message, Malformed> {
    let length = bytes.len() as u64;
    let malformed = |at: u64, reason: String| Malformed { at, reason, fatal: false };
    let datum = match format {
        Format::Json => {
            json::parse(&bytes).map_err(|error| malformed(0, format!("the body is no JSON: {error}")))
        }
        Format::Text => String::from_utf8(bytes).map(Datum::text).map_err(|error| {
            let at = error.utf8_error().valid_up_to() as u64;
            malformed(at, "the body is no text in UTF-8".into())
        }),
        Format::Multipart => match boundary {
            Some(boundary) => {
                multipart::parse(boundary, &bytes).map_err(|fault| malformed(fault.at as u64, fault.reason))
            }
            None => Err(malformed(0, "the Content-Type names no multipart/form-data with a boundary".into())),
        },
        _ => Ok(Datum::bytes(bytes)),
    };
    datum.map(|datum| Message { kind: Kind::Message, datum, wire: 0..length })
}

/// Where the bytes of a body stand in the stream: chunks lie between lines that are not of the body.
#[derive(Default)]
struct Segments {
    /// Where each run starts in the body and in the stream.
    starts: VecDeque<(u64, u64)>,
    /// The length of the body so far.
    length: u64,
    /// Where its last byte ends in the stream.
    end: u64,
}

impl Segments {
    fn push(&mut self, at: u64, length: u64) {
        if self.starts.is_empty() || at != self.end {
            self.starts.push_back((self.length, at));
        }
        self.length += length;
        self.end = at + length;
    }

    /// The place in the stream of a byte of the body. Of what lies before one that was asked for only about where it is.
    fn place(&mut self, at: u64) -> u64 {
        while self.starts.get(1).is_some_and(|(start, _)| *start <= at) {
            self.starts.pop_front();
        }
        self.starts.front().map_or(at, |(start, place)| place + at.saturating_sub(*start))
    }

    fn range(&mut self, body: std::ops::Range<u64>) -> std::ops::Range<u64> {
        let start = self.place(body.start);
        let last = self.place(body.end.saturating_sub(1).max(body.start));

        start..last + u64::from(body.end > body.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_has_its_name() {
        for (name, format) in Format::ALL {
            assert_eq!(Format::from_name(name), Some(format));
        }
        assert_eq!(Format::from_name("xml"), None);
    }

    #[test]
    fn places_lie_in_the_stream() {
        let mut segments = Segments::default();
        for (at, length) in [(10, 3), (13, 2), (20, 5)] {
            segments.push(at, length);
        }
        assert_eq!(segments.starts.len(), 2);
        assert_eq!(segments.range(1..5), 11..15);
        assert_eq!(segments.range(4..7), 14..22);
        assert_eq!(segments.starts.len(), 1);
    }
}
