//! Bytes in, messages out: no sockets, no clock, no waiting.
//!
//! Two floors: framings that know no protocol ([`cbor`], [`lines`], ..) and the protocols' messages over them
//! (`protocol/<name>/messages`). The first law of each is *chunk invariance*: fed whole, byte by byte or cut
//! anywhere, a stream gives the same messages, the same [`Malformed`] and the same end; `testing` proves it.

pub mod cbor;
pub mod frame;
pub mod http1;
pub mod json;
pub mod layout;
pub mod lines;
pub mod multipart;
mod scan;
pub mod sse;
pub mod sse_both;
pub mod sse_lines;
#[cfg(any(test, feature = "proptest"))]
pub mod testing;
pub mod yaml;

pub use layout::{Damage, Layout};

use std::ops::Range;

use crate::actor::Payload;
use crate::datum::{Compare, Datum, Generated, Kind};

/// One message (or the head or end of one, see [`Kind`]) and where its bytes lie in the stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// What it is.
    pub kind: Kind,
    /// What it says.
    pub datum: Datum,
    /// Its bytes, counted from the start of the stream.
    pub wire: Range<u64>,
}

/// Bytes that are no message. From a subject this is an observation, never an error of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The first offending byte, counted from the start of the stream.
    pub at: u64,
    /// What is wrong with it.
    pub reason: String,
    /// Nothing after it can be read: the codec gives no further message.
    pub fatal: bool,
}

/// A resumable reader and writer of one direction pair of a stream.
pub trait Codec: Send {
    /// Takes the next bytes of the stream.
    fn feed(&mut self, bytes: &[u8]);

    /// The next complete message.
    fn next(&mut self) -> Option<Result<Message, Malformed>>;

    /// Says that the stream has ended; gives what is wrong with its end. Called when `next` has nothing more to
    /// give; what only the end completes (a body until close, a last line), `next` gives after it.
    fn finish(&mut self) -> Option<Malformed>;

    /// Appends the bytes of a message (or head, ..) to send.
    ///
    /// # Errors
    /// Why this value cannot be written in this format.
    fn encode(&mut self, kind: Kind, datum: &Datum, out: &mut Payload) -> Result<(), String>;

    /// Appends the bytes of a message in an odd layout, as a scenario's `layout` asks.
    ///
    /// # Errors
    /// Why this value cannot be written so; a format without layouts has none.
    fn encode_odd(&mut self, _: &Datum, _: &Layout, _: &mut Payload) -> Result<(), String> {
        Err("this format has no layouts".into())
    }

    /// How values of this format are compared.
    fn compare(&self) -> Compare;
}

/// Where encoders write: bytes, and long values by their rule.
pub trait Sink {
    /// Appends bytes.
    fn bytes(&mut self, bytes: &[u8]);
    /// Appends a value by its rule.
    fn generated(&mut self, generated: &Generated);
}

impl Sink for Vec<u8> {
    fn bytes(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    fn generated(&mut self, generated: &Generated) {
        generated.copy(0, generated.len() as usize, self);
    }
}
