//! What is known of a wire: its codecs, its end, and its last bytes.

use std::ops::{Deref, DerefMut, Range};

use super::{Asked, Play, http, part_of};
use crate::actor::{ActId, Exit, Part, Payload, Pieces};
use crate::codec::http1::Http1;
use crate::codec::{Codec, Malformed, Message};
use crate::datum::Kind;
use crate::protocol;

/// Most bytes of a wire that are kept for showing a message in hex.
const TAIL: usize = 4096;
/// How many lines of a standard error are read; what follows is only counted, as bytes.
pub(super) const STDERR_READ: usize = 10_000;

/// What is known of a wire.
pub(super) struct Wire {
    /// The lane of its main part.
    pub(super) lane: usize,
    /// The lane of its standard error.
    stderr_lane: Option<usize>,
    pub(super) codec: WireCodec,
    stderr: Option<Box<dyn Codec>>,
    /// How many lines of its standard error were read.
    pub(super) stderr_read: usize,
    /// The view that took its last message; of HTTP that of the exchange which is being read.
    pub(super) view: usize,
    /// Of HTTP: requests without a whole response.
    pub(super) open_exchanges: usize,
    /// What its next dialling is for.
    pub(super) redialled: Option<Asked>,
    /// Of HTTP: the host that we opened it to.
    pub(super) host: String,
    /// Whether we opened it.
    pub(super) is_client: bool,
    /// What is written first once it is open.
    pub(super) first: Option<(Payload, Pieces)>,
    pub(super) is_process: bool,
    pub(super) opened: bool,
    pub(super) ended: bool,
    pub(super) closed: bool,
    pub(super) we_closed: bool,
    pub(super) exited: Option<Exit>,
    /// Messages that came.
    pub(super) messages: u64,
    /// Acts on it whose failure concerns it.
    pub(super) acts: Vec<ActId>,
    /// Up to where the stream was messages.
    consumed: u64,
    tail: Tail,
}

impl Wire {
    /// A wire of a lane, with fresh codecs.
    pub(super) fn new(play: &Play, lane: usize, is_process: bool, accepted: bool) -> Self {
        let spec = &play.script.lanes[lane];
        let suite = &play.script.name.suite;
        let codec = match spec.codec.as_str() {
            "http" => WireCodec::Http(http::codec(&spec.bodies, accepted)),
            name => {
                WireCodec::Plain(protocol::codec(suite, name).unwrap_or_else(|| Box::new(protocol::Silence)))
            }
        };
        let stderr_lane = play.script.lanes.iter().position(|lane| part_of(&lane.source) == Part::Stderr);
        let stderr_lane = stderr_lane.filter(|_| is_process && play.script.is_stdio(lane));
        let stderr = stderr_lane.and_then(|_| protocol::codec(suite, "text-lines"));
        Self {
            lane,
            stderr_lane,
            codec,
            stderr,
            stderr_read: 0,
            view: lane,
            open_exchanges: 0,
            redialled: None,
            host: String::new(),
            is_client: !accepted,
            first: None,
            is_process,
            opened: false,
            ended: false,
            closed: false,
            we_closed: false,
            exited: None,
            messages: 0,
            acts: Vec::new(),
            consumed: 0,
            tail: Tail::default(),
        }
    }

    /// Takes bytes of one of its streams.
    pub(super) fn feed(&mut self, part: Part, bytes: &[u8]) {
        match part {
            Part::Main => {
                self.tail.feed(bytes);
                self.codec.feed(bytes);
            }
            Part::Stderr => {
                if let Some(codec) = &mut self.stderr {
                    codec.feed(bytes);
                }
            }
        }
    }

    /// The next message of one of its streams, and the lane that it goes to.
    pub(super) fn next(&mut self, part: Part) -> Option<(usize, Result<Message, Malformed>)> {
        if part == Part::Stderr {
            let next = self.stderr.as_mut()?.next()?;
            self.stderr_read += 1;
            if self.stderr_read == STDERR_READ {
                self.stderr = None;
            }
            return Some((self.stderr_lane.unwrap_or(self.lane), next));
        }
        let next = self.codec.next()?;
        self.messages += 1;
        self.consumed = match &next {
            Ok(message) => message.wire.end.max(self.consumed),
            Err(_) => self.tail.end,
        };
        Some((self.lane_of(&next), next))
    }

    /// Ends one of its streams: what is wrong with the end. What we ourselves cut short of HTTP is neither wrong, nor is
    /// that the end of a body.
    pub(super) fn finish(&mut self, part: Part) -> Option<Malformed> {
        match part {
            Part::Main => {
                self.ended = true;
                let is_cut_by_us = self.we_closed && self.http().is_some();
                if is_cut_by_us { None } else { self.codec.finish() }
            }
            Part::Stderr => self.stderr.as_mut().and_then(|codec| codec.finish()),
        }
    }

    /// The bytes of a message, as far as they are kept.
    pub(super) fn slice(&self, range: &Range<u64>) -> &[u8] {
        self.tail.slice(range)
    }

    /// Whether bytes came that are no whole message yet; a line end alone is none.
    pub(super) fn is_inside_a_message(&self) -> bool {
        const LINE_END: u64 = 2;
        !self.ended && self.tail.end > self.consumed + LINE_END
    }

    /// Whether nothing more can come from it.
    pub(super) fn is_spent(&self) -> bool {
        if self.is_process {
            self.ended && self.exited.is_some()
        } else {
            self.closed || (self.ended && (self.we_closed || self.http().is_some()))
        }
    }

    /// Where a message of it goes: of HTTP all of an exchange goes where its head went.
    fn lane_of(&mut self, next: &Result<Message, Malformed>) -> usize {
        let is_http = self.http().is_some();
        match next {
            Ok(message) if is_http && message.kind != Kind::Head => {
                let ended = usize::from(message.kind == Kind::End);
                self.open_exchanges = self.open_exchanges.saturating_sub(ended);
                self.view
            }
            Err(_) if is_http => self.view,
            _ => self.lane,
        }
    }

    /// Its codec, if it speaks HTTP.
    pub(super) fn http(&self) -> Option<&Http1> {
        match &self.codec {
            WireCodec::Http(codec) => Some(codec),
            WireCodec::Plain(_) => None,
        }
    }

    /// The same, for writing past its `encode`.
    pub(super) fn http_mut(&mut self) -> Option<&mut Http1> {
        match &mut self.codec {
            WireCodec::Http(codec) => Some(codec),
            WireCodec::Plain(_) => None,
        }
    }

    /// Whether a further request can go out on it.
    pub(super) fn takes_requests(&self) -> bool {
        self.opened && !self.ended && !self.closed && !self.we_closed && self.http().is_some()
    }
}

/// What reads a wire and writes to it.
pub(super) enum WireCodec {
    /// A format of messages alone.
    Plain(Box<dyn Codec>),
    /// HTTP, whose bodies differ from exchange to exchange.
    Http(Box<Http1>),
}

impl Deref for WireCodec {
    type Target = dyn Codec;

    fn deref(&self) -> &Self::Target {
        match self {
            WireCodec::Plain(codec) => codec.as_ref(),
            WireCodec::Http(codec) => codec.as_ref(),
        }
    }
}

impl DerefMut for WireCodec {
    fn deref_mut(&mut self) -> &mut Self::Target {
        match self {
            WireCodec::Plain(codec) => codec.as_mut(),
            WireCodec::Http(codec) => codec.as_mut(),
        }
    }
}

/// The last bytes of a stream.
#[derive(Default)]
struct Tail {
    bytes: Vec<u8>,
    end: u64,
}

impl Tail {
    fn feed(&mut self, bytes: &[u8]) {
        self.end += bytes.len() as u64;
        let kept = &bytes[bytes.len().saturating_sub(TAIL)..];
        if kept.len() < bytes.len() {
            self.bytes.clear(); // what stands before a gap is not the last
        }
        self.bytes.extend_from_slice(kept);
        let surplus = self.bytes.len().saturating_sub(2 * TAIL);
        if surplus > 0 {
            self.bytes.drain(..surplus);
        }
    }

    /// The bytes of a range, as far as they are kept.
    fn slice(&self, range: &Range<u64>) -> &[u8] {
        let start = self.end - self.bytes.len() as u64;
        let from = range.start.max(start).min(self.end) - start;
        let to = range.end.max(start).min(self.end) - start;
        &self.bytes[from as usize..(to as usize).max(from as usize)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_bytes_have_no_gap() {
        let mut tail = Tail::default();
        tail.feed(b"first");
        tail.feed(&[b'a'; 2 * TAIL]);
        let all = 5 + 2 * TAIL as u64;
        assert_eq!(tail.slice(&(0..all)), &[b'a'; TAIL]);
        assert_eq!(tail.slice(&(0..5)), b"");
        tail.feed(b"last");
        assert_eq!(tail.slice(&(all..all + 4)), b"last");
    }
}
