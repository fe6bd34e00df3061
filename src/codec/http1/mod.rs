//! HTTP/1.1 (RFC 9112) without sockets: reads requests as a server or responses as a client, and writes the other.
//!
//! Each message gives [`Kind::Head`], the messages of its body in the format that the caller chose for it, and
//! [`Kind::End`]; an interim response (1xx) gives its head alone. Nothing is decoded that the framing does not
//! need: a Content-Encoding is the body's own affair.

mod content;
mod field;
mod framing;
mod head;
mod read;
mod write;

pub use content::{Format, write_content};
pub use field::{FIELDS, Fault, Fields};
pub use framing::{Framing, chunk_size, framing};
pub use head::{Head, Start};
pub use write::{Lengths, chunk, head_bytes, last_chunk, length, request_bytes, response_bytes};

use std::collections::VecDeque;

use super::{Codec, Malformed, Message, Sink, multipart};
use crate::actor::Payload;
use crate::datum::{Compare, Datum, Kind};
use content::Content;
use read::is_interim;

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

    /// Frames bytes of the body behind the last head that was encoded: as a chunk, if that head says so.
    ///
    /// # Errors
    /// A body without its head, or a package that `lengths` does not know.
    pub fn part(&mut self, bytes: Payload, lengths: Lengths<'_>) -> Result<Payload, String> {
        match self.writing.as_ref().ok_or("a body needs its head before it")? {
            Writing { is_chunked: true, .. } => chunk(bytes, lengths),
            _ => Ok(bytes),
        }
    }

    /// Tells a server that a final response was written past [`Codec::encode`]; gives what it answered.
    pub fn answered(&mut self) -> Option<Asked> {
        self.asked.pop_front()
    }
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
