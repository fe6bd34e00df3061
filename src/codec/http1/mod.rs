//! HTTP/1.1 (RFC 9112) without sockets: reads requests as a server or responses as a client, and writes the other.
//!
//! Each message gives [`Kind::Head`], the messages of its body in the format that the caller chose for it, and
//! [`Kind::End`]; an interim response (1xx) gives its head alone. Nothing is decoded that the framing does not
//! need: a Content-Encoding is the body's own affair.

mod content;
mod field;
mod framing;
mod head;
mod write;

pub use content::{Format, write_content};
pub use field::{FIELDS, Fault, Fields};
pub use framing::{Framing, chunk_size, framing};
pub use head::{Head, Start};
pub use write::{Lengths, chunk, head_bytes, last_chunk, length, request_bytes, response_bytes};

use std::collections::VecDeque;
use std::ops::Range;

use super::{Codec, Malformed, Message, Sink, multipart, scan};
use crate::actor::Payload;
use crate::datum::{Compare, Datum, Kind};
use content::Content;

/// Longest head, and longest trailers. A limit of ours.
pub const HEAD: usize = 64 << 10;
/// Longest first line of a chunk, its line end included. A limit of ours.
pub const CHUNK_LINE: usize = 4 << 10;

/// What a request asked for: the responses to it are read and written by it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Its method; empty if no request is known.
    pub method: String,
    /// Its target, query included.
    pub path: String,
}

/// Chooses the format of the body behind a head (names of headers in lower case), given its request.
pub type Choose = Box<dyn Fn(&Asked, &Datum) -> Format + Send>;

/// Both directions of one connection, seen from one side.
pub struct Http1 {
    is_server: bool,
    choose: Choose,
    /// Bytes that are not read yet start at `at` in here.
    buffer: Vec<u8>,
    at: usize,
    /// Stream position of `buffer[0]`.
    base: u64,
    /// How much of a head behind `at` consists of whole lines.
    lines: usize,
    /// Up to where behind `at` a line end was searched.
    searched: usize,
    state: State,
    /// Nothing may follow the message that is being read.
    is_closing: bool,
    content: Content,
    ready: VecDeque<Result<Message, Malformed>>,
    /// Requests whose final response has not begun.
    asked: VecDeque<Asked>,
    writing: Option<Writing>,
}

/// What is read next.
#[derive(Clone, Copy)]
enum State {
    Head,
    Length(u64),
    UntilClose,
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailers,
    Closed,
    Dead,
}

/// The message that is being written.
struct Writing {
    format: Format,
    boundary: String,
    is_chunked: bool,
}

impl Http1 {
    /// Reads requests and writes responses.
    pub fn server(choose: Choose) -> Self {
        Self::new(true, choose)
    }

    /// Reads responses and writes requests.
    pub fn client(choose: Choose) -> Self {
        Self::new(false, choose)
    }

    fn new(is_server: bool, choose: Choose) -> Self {
        Self {
            is_server,
            choose,
            buffer: Vec::new(),
            at: 0,
            base: 0,
            lines: 0,
            searched: 0,
            state: State::Head,
            is_closing: false,
            content: Content::default(),
            ready: VecDeque::new(),
            asked: VecDeque::new(),
            writing: None,
        }
    }

    /// Tells a client of a request that was written past [`Codec::encode`].
    pub fn sent(&mut self, asked: Asked) {
        self.asked.push_back(asked);
    }

    /// Tells a server that a final response was written past [`Codec::encode`]; gives what it answered.
    pub fn answered(&mut self) -> Option<Asked> {
        self.asked.pop_front()
    }

    fn position(&self) -> u64 {
        self.base + self.at as u64
    }

    fn unread(&self) -> &[u8] {
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
    fn step(&mut self) -> bool {
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
        let Some(length) = self.block() else { return self.is_dead() };
        let bytes = &self.unread()[..length];
        if self.is_server && field::trim_end(bytes).is_empty() {
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
            if field::trim_end(&self.unread()[start..end]).is_empty() {
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
    fn end(&mut self, start: u64, datum: Datum) {
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
fn is_interim(status: u16) -> bool {
    matches!(status, 100 | 102..=199)
}

impl Codec for Http1 {
    fn feed(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.at);
        self.base += self.at as u64;
        self.at = 0;
        self.buffer.extend_from_slice(bytes);
    }

    fn next(&mut self) -> Option<Result<Message, Malformed>> {
        loop {
            if let Some(result) = self.content.next().or_else(|| self.ready.pop_front()) {
                return Some(result);
            }
            if !self.step() {
                return None;
            }
        }
    }

    fn finish(&mut self) -> Option<Malformed> {
        let unread = self.unread().len();
        let what = match std::mem::replace(&mut self.state, State::Dead) {
            State::Closed | State::Dead => return None,
            State::Head if unread == 0 => return None,
            State::Head => "a head".to_owned(),
            State::UntilClose => {
                self.end(self.position(), Datum::Null);
                self.state = State::Dead;
                return None;
            }
            State::Length(left) => format!("a body, {left} bytes before its end"),
            State::Chunk(left) => format!("a chunk, {left} bytes before its end"),
            State::ChunkSize | State::ChunkEnd | State::Trailers => {
                "a chunked body, before its last chunk".to_owned()
            }
        };
        self.content.finish(false);
        let at = self.position();
        Some(Malformed { at, reason: format!("the stream ends inside {what}"), fatal: true })
    }

    /// A head is written as it is given. A message is written in the format of the body behind the last head, as
    /// a chunk if that head says chunked; the end is then the last chunk, else nothing.
    fn encode(&mut self, kind: Kind, datum: &Datum, out: &mut Payload) -> Result<(), String> {
        match kind {
            Kind::Head => self.write_head(datum, out),
            Kind::Message => {
                let writing = self.writing.as_ref().ok_or("a body needs its head before it")?;
                let mut body = Payload::default();
                write_content(writing.format, datum, &writing.boundary, &mut body)?;
                out.append(if writing.is_chunked { chunk(body, &|_| None)? } else { body });
                Ok(())
            }
            Kind::End => {
                if self.writing.take().is_some_and(|writing| writing.is_chunked) {
                    out.bytes(&last_chunk(&[]));
                }
                Ok(())
            }
            other => Err(format!("HTTP has no {other}")),
        }
    }

    fn compare(&self) -> Compare {
        Compare::ByValue
    }
}

impl Http1 {
    fn write_head(&mut self, datum: &Datum, out: &mut Payload) -> Result<(), String> {
        let bytes = head_bytes(datum)?;
        let fields = write::fields(datum)?;
        let text = |key: &str| datum.get(key).and_then(Datum::as_inserted).unwrap_or_default();
        out.bytes(&bytes);
        let status =
            datum.get("status").and_then(Datum::as_int).and_then(|status| u16::try_from(status).ok());
        let asked = match status {
            Some(status) if is_interim(status) => return Ok(()),
            Some(_) => self.asked.pop_front().unwrap_or_default(),
            None => {
                let asked = Asked { method: text("method"), path: text("path") };
                self.asked.push_back(asked.clone());
                asked
            }
        };
        self.writing = Some(Writing {
            format: (self.choose)(&asked, &as_read(datum, &fields)),
            boundary: fields.get("content-type").and_then(multipart::boundary).unwrap_or_default(),
            is_chunked: fields.list("transfer-encoding").iter().any(|coding| coding == "chunked"),
        });
        Ok(())
    }
}

/// A head that is to be written, as its reader will see it.
fn as_read(head: &Datum, fields: &Fields) -> Datum {
    let start = ["method", "path", "status"].into_iter();
    let start = start.filter_map(|key| Some((key, head.get(key)?.clone())));

    Datum::map(start.chain([("headers", fields.datum())]))
}

#[cfg(test)]
mod tests;
