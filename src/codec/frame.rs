//! Frames of one byte type, three bytes length (big-endian, of the payload alone) and the payload.
//!
//! Source: apache/apisix f519a0f, `apisix/plugins/ext-plugin/init.lua`, lines 134-153 (send), 176-207 (receive).

use std::ops::Range;

/// The longest payload that the three bytes can say.
pub const LONGEST: u64 = 0xff_ffff;
/// One byte type, three bytes length.
pub const HEAD: usize = 4;

/// The framing: cuts a stream into frames. Knows nothing of what they hold.
#[derive(Default)]
pub struct Frames {
    buffer: Vec<u8>,
    /// Where the next frame starts in `buffer`.
    at: usize,
    /// Stream position of `buffer[0]`.
    base: u64,
}

/// A complete frame.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The type byte.
    pub kind: u8,
    /// What the length counted.
    pub payload: &'a [u8],
    /// Head and payload, counted from the start of the stream.
    pub wire: Range<u64>,
}

impl Frames {
    /// Takes the next bytes of the stream.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.at);
        self.base += self.at as u64;
        self.at = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next complete frame.
    pub fn next_frame(&mut self) -> Option<Frame<'_>> {
        let (start, (kind, length)) = (self.at, self.head()?);
        let end = start + HEAD + length;
        if self.buffer.len() < end {
            return None;
        }
        self.at = end;
        let wire = self.base + start as u64..self.base + end as u64;
        Some(Frame { kind, payload: &self.buffer[start + HEAD..end], wire })
    }

    /// What is wrong with the end of the stream, and where it ended; `None` behind a whole frame.
    pub fn rest(&mut self) -> Option<(u64, String)> {
        let there = self.buffer.len() - self.at;
        let reason = match self.head() {
            _ if there == 0 => return None,
            None => format!("the stream ends inside the head of a frame, after {there} of {HEAD} bytes"),
            Some((_, length)) => {
                format!(
                    "the stream ends inside a frame, after {} of {length} bytes of its payload",
                    there - HEAD
                )
            }
        };
        self.at = self.buffer.len();
        Some((self.base + self.at as u64, reason))
    }

    /// Type and claimed length of the next frame.
    fn head(&self) -> Option<(u8, usize)> {
        let [kind, a, b, c] = *self.buffer[self.at..].first_chunk()?;
        Some((kind, u32::from_be_bytes([0, a, b, c]) as usize))
    }
}

/// The head of a frame with this type and length of payload.
///
/// # Errors
/// A length that the three bytes cannot say; nothing is cut or wrapped.
pub fn head(kind: u8, length: u64) -> Result<[u8; HEAD], String> {
    if length > LONGEST {
        return Err(format!("a frame holds at most {LONGEST} bytes, this payload has {length}"));
    }
    let [_, a, b, c] = (length as u32).to_be_bytes();
    Ok([kind, a, b, c])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Seen = Vec<(u8, Vec<u8>, Range<u64>)>;

    fn run<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Seen, Option<(u64, String)>) {
        let (mut frames, mut seen) = (Frames::default(), Vec::new());
        for piece in pieces {
            frames.feed(piece);
            while let Some(frame) = frames.next_frame() {
                seen.push((frame.kind, frame.payload.to_vec(), frame.wire));
            }
        }
        (seen, frames.rest())
    }

    proptest! {
        #[test]
        fn chunks_do_not_matter(bytes in prop::collection::vec(prop_oneof![0..4_u8, any::<u8>()], 0..60), size in 1..9_usize) {
            prop_assert_eq!(run([&bytes[..]]), run(bytes.chunks(size)));
        }

        #[test]
        fn what_was_framed_is_cut_out(payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..5)) {
            let mut bytes = Vec::new();
            for payload in &payloads {
                bytes.extend(head(7, payload.len() as u64).unwrap());
                bytes.extend(payload);
            }
            let (seen, end) = run([&bytes[..]]);
            prop_assert_eq!(seen.into_iter().map(|(_, payload, _)| payload).collect::<Vec<_>>(), payloads);
            prop_assert_eq!(end, None);
        }
    }

    #[test]
    fn a_claimed_length_costs_nothing() {
        let mut frames = Frames::default();
        frames.feed(&[1, 0xff, 0xff, 0xff, 0]);
        assert_eq!(frames.next_frame(), None);
        assert!(frames.buffer.capacity() < 100);
        let reason = "the stream ends inside a frame, after 1 of 16777215 bytes of its payload";
        assert_eq!(frames.rest(), Some((5, reason.into())));
        assert_eq!(frames.rest(), None);
    }

    #[test]
    fn a_cut_head_is_told() {
        let reason = "the stream ends inside the head of a frame, after 2 of 4 bytes";
        assert_eq!(run([&[1, 0, 0, 0, 2, 0][..]]).1, Some((6, reason.into())));
    }

    #[test]
    fn a_length_is_never_wrapped() {
        assert_eq!(head(2, LONGEST), Ok([2, 0xff, 0xff, 0xff]));
        let error = "a frame holds at most 16777215 bytes, this payload has 16777216";
        assert_eq!(head(2, LONGEST + 1), Err(error.into()));
    }
}
