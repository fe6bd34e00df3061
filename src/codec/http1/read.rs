//! The reading half of [`Http1`]: from state to state, as far as the bytes go.

use std::ops::Range;

use super::content::Content;
use super::field::{Fields, trim_end};
use super::framing::{Framing, chunk_size, framing};
use super::head::{Head, Start};
use super::{Asked, CHUNK_LINE, HEAD, Http1, State};
use crate::codec::{Malformed, Message, scan};
use crate::datum::{Datum, Kind};

impl Http1 {
    pub(super) fn position(&self) -> u64 {
        self.base + self.at as u64
    }

    pub(super) fn unread(&self) -> &[u8] {
        &self.buffer[self.at..]
    }

    /// Passes over bytes that were read.
    fn take(&mut self, length: usize) -> Range<u64> {
        let start = self.position();
        self.at += length;
        (self.lines, self.searched) = (0, 0);
        start..self.position()
    }

    /// Reads on; false if more bytes are needed.
    pub(super) fn step(&mut self) -> bool {
        match self.state {
            _ if self.unread().is_empty() => return false,
            State::Head => return self.head(),
            State::Length(left) => self.body(left, |left| match left {
                0 => None,
                left => Some(State::Length(left)),
            }),
            State::UntilClose => self.body(u64::MAX, |_| Some(State::UntilClose)),
            State::ChunkSize => return self.chunk_size(),
            State::Chunk(left) => self.body(left, |left| match left {
                0 => Some(State::ChunkEnd),
                left => Some(State::Chunk(left)),
            }),
            State::ChunkEnd => return self.chunk_end(),
            State::Trailers => return self.trailers(),
            State::Closed => self.die(0, "bytes follow a message after which its sender closes"),
            State::Dead => {
                self.at = self.buffer.len();
                return false;
            }
        }
        true
    }

    fn head(&mut self) -> bool {
        if is_tls(self.unread()) {
            self.die(0, "these bytes are TLS, the other side does not speak plain HTTP");
            return true;
        }
        let Some(length) = self.block() else { return self.is_dead() };
        let bytes = &self.unread()[..length];
        if self.is_server && trim_end(bytes).is_empty() {
            self.take(length); // empty lines before a request mean nothing (RFC 9112 section 2.2)
            return true;
        }
        match if self.is_server { Head::request(bytes) } else { Head::response(bytes) } {
            Ok(head) => self.begin(&head, length),
            Err(fault) => self.die(fault.at, fault.reason),
        }
        true
    }

    fn begin(&mut self, head: &Head, length: usize) {
        let datum = head.datum();
        let asked = match &head.start {
            Start::Request { method, target } => {
                let asked = Asked { method: method.clone(), path: target.clone() };
                self.asked.push_back(asked.clone());
                asked
            }
            Start::Response { status } if is_interim(*status) => {
                let wire = self.take(length);
                return self.ready.push_back(Ok(Message { kind: Kind::Head, datum, wire }));
            }
            Start::Response { .. } => self.asked.pop_front().unwrap_or_default(),
        };
        let format = (self.choose)(&asked, &datum);
        let wire = self.take(length);
        let start = wire.start;
        self.ready.push_back(Ok(Message { kind: Kind::Head, datum, wire }));
        self.is_closing = head.closes();
        self.content = Content::new(format, head.fields.get("content-type"));
        match framing(head, &asked.method) {
            Ok(framing) => self.enter(framing, head, start),
            Err(reason) => {
                self.ready.push_back(Err(Malformed { at: start, reason, fatal: true }));
                self.state = State::Dead;
            }
        }
    }

    fn enter(&mut self, framing: Framing, head: &Head, start: u64) {
        if framing == Framing::Chunked && head.fields.get("content-length").is_some() {
            let reason = "a head has both Transfer-Encoding and Content-Length (RFC 9112 section 6.2)".into();
            self.ready.push_back(Err(Malformed { at: start, reason, fatal: false }));
        }
        self.state = match framing {
            Framing::None | Framing::Length(0) => return self.end(self.position(), Datum::Null),
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::ChunkSize,
            Framing::UntilClose => State::UntilClose,
        };
    }

    /// Bytes of the body, at most `left`; `then` tells what follows, `None` the end of the message.
    fn body(&mut self, left: u64, then: fn(u64) -> Option<State>) {
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(self.unread().len());
        let at = self.position();
        self.content.feed(at, &self.buffer[self.at..self.at + length]);
        self.take(length);
        match then(left - length as u64) {
            Some(state) => self.state = state,
            None => self.end(self.position(), Datum::Null),
        }
    }

    fn chunk_size(&mut self) -> bool {
        let window = &self.unread()[..self.unread().len().min(CHUNK_LINE)];
        let Some(offset) = scan::find(&window[self.searched..], b'\n') else {
            self.searched = window.len();
            if self.searched == CHUNK_LINE {
                self.die(0, format!("the first line of a chunk is longer than {CHUNK_LINE} bytes"));
                return true;
            }
            return false;
        };
        let line = &window[..self.searched + offset];
        let size = match line.strip_suffix(b"\r") {
            Some(line) => chunk_size(line),
            None => Err("the first line of a chunk does not end with CR LF".into()),
        };
        match size {
            Ok(size) => {
                let length = line.len() + 1;
                self.chunk(size, length);
            }
            Err(reason) => self.die(0, reason),
        }
        true
    }

    /// Of the last chunk the line stays unread: the end covers it together with the trailers.
    fn chunk(&mut self, size: u64, line: usize) {
        if size == 0 {
            (self.lines, self.searched) = (line, line);
            self.state = State::Trailers;
        } else {
            self.take(line);
            self.state = State::Chunk(size);
        }
    }

    fn chunk_end(&mut self) -> bool {
        match self.unread() {
            [b'\r', b'\n', ..] => {
                self.take(2);
                self.state = State::ChunkSize;
            }
            [b'\r'] => return false,
            _ => self.die(0, "a chunk is longer than its size says"),
        }
        true
    }

    fn trailers(&mut self) -> bool {
        let first = self.unread().iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let Some(length) = self.block() else { return self.is_dead() };
        let block = &self.unread()[first..length];
        let empty = block.len() - if block.ends_with(b"\r\n") { 2 } else { 1 };
        match Fields::parse(&block[..empty], first) {
            Ok(fields) => {
                let start = self.take(length).start;
                let is_empty = fields.iter().next().is_none();
                self.end(start, if is_empty { Datum::Null } else { fields.datum() });
            }
            Err(fault) => self.die(fault.at, fault.reason),
        }
        true
    }

    /// The length of the lines up to and with the next empty one; dies if they are too long.
    fn block(&mut self) -> Option<usize> {
        let until = self.unread().len().min(HEAD);
        while let Some(offset) = scan::find(&self.unread()[self.searched..until], b'\n') {
            let (start, end) = (self.lines, self.searched + offset + 1);
            (self.lines, self.searched) = (end, end);
            if trim_end(&self.unread()[start..end]).is_empty() {
                return Some(end);
            }
        }
        self.searched = until;
        if until == HEAD {
            self.die(0, format!("a head is longer than {HEAD} bytes"));
        }
        None
    }

    /// The message is complete; its last bytes, from `start` on, are no body.
    pub(super) fn end(&mut self, start: u64, datum: Datum) {
        self.content.finish(true);
        let wire = start..self.position();
        self.ready.push_back(Ok(Message { kind: Kind::End, datum, wire }));
        self.state = if self.is_closing { State::Closed } else { State::Head };
    }

    fn is_dead(&self) -> bool {
        matches!(self.state, State::Dead)
    }

    fn die(&mut self, offset: usize, reason: impl Into<String>) {
        let at = self.position() + offset as u64;
        self.ready.push_back(Err(Malformed { at, reason: reason.into(), fatal: true }));
        self.state = State::Dead;
    }
}

/// 101 is final: what follows it is no HTTP.
pub(super) fn is_interim(status: u16) -> bool {
    matches!(status, 100 | 102..=199)
}

/// Whether bytes begin as a record of TLS does (RFC 8446, section 5.1).
fn is_tls(bytes: &[u8]) -> bool {
    matches!(bytes, [0x14..=0x17, 0x03, 0x00..=0x04, ..])
}
