//! CBOR (RFC 8949): a scanner that can stop after any byte; `encode` writes and keeps every encoding choice.

mod encode;

pub use encode::encode;

use super::{Codec, Malformed, Message};
use crate::actor::Payload;
use crate::datum::{Compare, Datum, Head, Int, Kind, Width};

/// Deepest nesting that is read. A limit of ours, far above what any implementation accepts.
pub const DEPTH: usize = 1024;
/// Most room that is made ahead of the bytes that justify it.
const AHEAD: usize = 4096;
/// Most room that is made for a string ahead of an equal number of its bytes.
const GENEROUS: usize = 1 << 20;

/// Items back to back, as the Arcaflow protocol has them.
#[derive(Default)]
pub struct Cbor {
    /// Bytes that are not scanned yet start at `at` in here.
    buffer: Vec<u8>,
    at: usize,
    /// Stream position of `buffer[0]`.
    base: u64,
    /// Stream position of the item that is being read.
    start: u64,
    stack: Vec<Frame>,
    string: Option<Partial>,
    /// The first text of this item that is not UTF-8.
    invalid: Option<u64>,
    dead: bool,
}

/// A container whose items are still coming.
enum Frame {
    Array { items: Vec<Datum>, left: Option<u64>, head: Head },
    Map { entries: Vec<(Datum, Datum)>, key: Option<Datum>, left: Option<u64>, head: Head },
    Tag { number: u64, head: Head },
    Chunks { is_text: bool, chunks: Vec<Datum> },
}

/// A string whose bytes are still coming.
struct Partial {
    is_text: bool,
    head: Head,
    left: u64,
    bytes: Vec<u8>,
}

impl Partial {
    /// Takes what belongs to it; tells how many bytes these are. Its room grows with what has come, whatever length it
    /// claims: sixteenfold up to [`GENEROUS`], from there on twofold.
    fn take(&mut self, bytes: &[u8]) -> usize {
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        let there = bytes.len().min(left);
        if self.bytes.capacity() - self.bytes.len() < there {
            let come = self.bytes.len() + there;
            self.bytes.reserve_exact(left.min(come.max(GENEROUS.min(16 * come))));
        }
        self.bytes.extend_from_slice(&bytes[..there]);
        self.left -= there as u64;
        there
    }

    /// As [`Self::take`] of what stands from `at` on, without other memory: its bytes stay in the buffer, and what is
    /// behind them gets a new one.
    fn own(&mut self, buffer: &mut Vec<u8>, at: usize) {
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        let rest = buffer.split_off(buffer.len().min(left.saturating_add(at)));
        buffer.drain(..at);
        self.bytes = std::mem::replace(buffer, rest);
        self.left -= self.bytes.len() as u64;
    }
}

/// One step of the scanner.
enum Step {
    /// More bytes are needed.
    Starved,
    /// Go on.
    Again,
    /// An item is complete on the outermost level.
    Item(Datum),
}

impl Cbor {
    fn position(&self) -> u64 {
        self.base + self.at as u64
    }

    fn step(&mut self) -> Result<Step, String> {
        if self.string.is_some() {
            return self.continue_string();
        }
        let Some(&initial) = self.buffer.get(self.at) else { return Ok(Step::Starved) };
        if self.stack.is_empty() {
            self.start = self.position();
        }
        let (major, info) = (initial >> 5, initial & 0x1f);
        let width = match info {
            0..=23 => 0,
            24 => 1,
            25 => 2,
            26 => 4,
            27 => 8,
            31 => return self.indefinite(major),
            _ => return Err(format!("additional information {info} is reserved (RFC 8949 section 3)")),
        };
        let Some(tail) = self.buffer.get(self.at + 1..self.at + 1 + width) else { return Ok(Step::Starved) };
        let argument = tail.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        let argument = if width == 0 { u64::from(info) } else { argument };
        self.check_chunk(major)?;
        self.at += 1 + width;
        self.definite(major, width, argument)
    }

    /// Inside an indefinite string only definite strings of its kind may stand (RFC 8949 section 3.2.3).
    fn check_chunk(&self, major: u8) -> Result<(), String> {
        match self.stack.last() {
            Some(Frame::Chunks { is_text: true, .. }) if major != 3 => {
                Err("a chunk of an indefinite text is no text".into())
            }
            Some(Frame::Chunks { is_text: false, .. }) if major != 2 => {
                Err("a chunk of an indefinite byte string is no byte string".into())
            }
            _ => Ok(()),
        }
    }

    fn definite(&mut self, major: u8, width: usize, argument: u64) -> Result<Step, String> {
        let head = head_of(width, argument);
        match major {
            0 | 1 => self.complete(Datum::Int(Int { negative: major == 1, argument, head })),
            2 | 3 => {
                self.string = Some(Partial { is_text: major == 3, head, left: argument, bytes: Vec::new() });
                Ok(Step::Again)
            }
            4 if argument == 0 => self.complete(Datum::Array(Vec::new(), head)),
            4 => self.open(Frame::Array { items: room(argument), left: Some(argument), head }),
            5 if argument == 0 => self.complete(Datum::Map(Vec::new(), head)),
            5 => self.open(Frame::Map { entries: room(argument), key: None, left: Some(argument), head }),
            6 => self.open(Frame::Tag { number: argument, head }),
            _ => {
                let datum = simple_or_float(width, argument)?;
                self.complete(datum)
            }
        }
    }

    fn indefinite(&mut self, major: u8) -> Result<Step, String> {
        if major != 7 {
            self.check_chunk(8).map_err(|_| "an indefinite string inside an indefinite string".to_owned())?;
        }
        let frame = match major {
            2 | 3 => Frame::Chunks { is_text: major == 3, chunks: Vec::new() },
            4 => Frame::Array { items: Vec::new(), left: None, head: Head::Indefinite },
            5 => Frame::Map { entries: Vec::new(), key: None, left: None, head: Head::Indefinite },
            7 => {
                let datum = self.close()?;
                self.at += 1;
                return self.complete(datum);
            }
            _ => return Err(format!("major type {major} cannot be of indefinite length")),
        };
        self.at += 1;
        self.open(frame)
    }

    /// A break: the container that it ends.
    fn close(&mut self) -> Result<Datum, String> {
        match self.stack.pop() {
            Some(Frame::Array { items, left: None, head }) => Ok(Datum::Array(items, head)),
            Some(Frame::Map { entries, key: None, left: None, head }) => Ok(Datum::Map(entries, head)),
            Some(Frame::Map { left: None, .. }) => Err("a break after a key without its value".into()),
            Some(Frame::Chunks { is_text, chunks }) => Ok(Datum::Chunks(is_text, chunks)),
            _ => Err("a break outside of anything of indefinite length".into()),
        }
    }

    fn open(&mut self, frame: Frame) -> Result<Step, String> {
        if self.stack.len() >= DEPTH {
            return Err(format!("nested deeper than {DEPTH} levels, which is not read"));
        }
        self.stack.push(frame);
        Ok(Step::Again)
    }

    fn continue_string(&mut self) -> Result<Step, String> {
        let Some(partial) = &mut self.string else { return Ok(Step::Again) };
        let there = self.buffer.len() - self.at;
        let is_most = there as u64 / 2 <= partial.left && self.at < there;
        if partial.bytes.is_empty() && there >= GENEROUS && is_most {
            partial.own(&mut self.buffer, self.at);
            self.base += (self.at + partial.bytes.len()) as u64;
            self.at = 0;
        } else {
            self.at += partial.take(&self.buffer[self.at..]);
        }
        if partial.left > 0 {
            return Ok(Step::Starved);
        }
        let Some(Partial { is_text, head, bytes, .. }) = self.string.take() else { return Ok(Step::Again) };
        if !is_text {
            return self.complete(Datum::Bytes(bytes, head));
        }
        let text = String::from_utf8(bytes).unwrap_or_else(|error| {
            let begin = self.position() - error.as_bytes().len() as u64;
            self.invalid.get_or_insert(begin + error.utf8_error().valid_up_to() as u64);
            String::from_utf8_lossy(error.as_bytes()).into_owned()
        });
        self.complete(Datum::Text(text.into(), head))
    }

    /// The bytes of a string that is coming go there at once; tells how many they are.
    fn string_bytes(&mut self, bytes: &[u8]) -> usize {
        let string = self.string.as_mut().filter(|_| self.buffer.is_empty());
        let there = string.map_or(0, |partial| partial.take(bytes));
        self.base += there as u64;
        there
    }

    /// Puts a complete item where it belongs; containers that it fills are complete too.
    fn complete(&mut self, mut datum: Datum) -> Result<Step, String> {
        loop {
            let Some(frame) = self.stack.last_mut() else { return Ok(Step::Item(datum)) };
            let full = match frame {
                Frame::Array { items, left, .. } => {
                    items.push(datum);
                    count_down(left)
                }
                Frame::Map { entries, key, left, .. } => match key.take() {
                    None => {
                        *key = Some(datum);
                        false
                    }
                    Some(key) => {
                        entries.push((key, datum));
                        count_down(left)
                    }
                },
                Frame::Tag { number, head } => {
                    datum = Datum::Tag(*number, *head, Box::new(datum));
                    self.stack.pop();
                    continue;
                }
                Frame::Chunks { chunks, .. } => {
                    chunks.push(datum);
                    false
                }
            };
            if !full {
                return Ok(Step::Again);
            }
            datum = match self.stack.pop() {
                Some(Frame::Array { items, head, .. }) => Datum::Array(items, head),
                Some(Frame::Map { entries, head, .. }) => Datum::Map(entries, head),
                _ => return Ok(Step::Again),
            };
        }
    }

    fn forget_scanned(&mut self) {
        self.base += self.at as u64;
        if self.at == self.buffer.len() {
            self.buffer.clear();
        } else {
            self.buffer.drain(..self.at);
        }
        self.at = 0;
    }
}

impl Codec for Cbor {
    fn feed(&mut self, bytes: &[u8]) {
        if !self.dead {
            self.forget_scanned();
            let there = self.string_bytes(bytes);
            self.buffer.extend_from_slice(&bytes[there..]);
        }
    }

    fn next(&mut self) -> Option<Result<Message, Malformed>> {
        while !self.dead {
            match self.step() {
                Ok(Step::Starved) => return None,
                Ok(Step::Again) => {}
                Ok(Step::Item(datum)) => {
                    let wire = self.start..self.position();
                    return Some(match self.invalid.take() {
                        None => Ok(Message { kind: Kind::Message, datum, wire }),
                        Some(at) => Err(Malformed { at, reason: "a text is not UTF-8".into(), fatal: false }),
                    });
                }
                Err(reason) => {
                    self.dead = true;
                    return Some(Err(Malformed { at: self.position(), reason, fatal: true }));
                }
            }
        }
        None
    }

    fn finish(&mut self) -> Option<Malformed> {
        let inside = !self.stack.is_empty() || self.string.is_some() || self.at < self.buffer.len();
        if self.dead || !inside {
            return None;
        }
        self.dead = true;
        let at = self.base + self.buffer.len() as u64;
        Some(Malformed { at, reason: "the stream ends inside an item".into(), fatal: true })
    }

    fn encode(&mut self, _: Kind, datum: &Datum, out: &mut Payload) -> Result<(), String> {
        encode(datum, out);
        Ok(())
    }

    fn compare(&self) -> Compare {
        Compare::Typed
    }
}

/// Reads exactly one item.
///
/// # Errors
/// What is wrong: ill-formed, cut, or followed by further bytes.
pub fn decode(bytes: &[u8]) -> Result<Datum, Malformed> {
    let mut codec = Cbor::default();
    codec.feed(bytes);
    let message = match codec.next() {
        Some(result) => result?,
        None => return Err(codec.finish().unwrap_or_else(|| malformed_at(0, "nothing to read"))),
    };
    if message.wire.end < bytes.len() as u64 {
        return Err(malformed_at(message.wire.end, "bytes follow the item"));
    }
    Ok(message.datum)
}

fn malformed_at(at: u64, reason: &str) -> Malformed {
    Malformed { at, reason: reason.into(), fatal: true }
}

/// The head that a decoder saw: preferred if it is the shortest one.
fn head_of(width: usize, argument: u64) -> Head {
    let shortest = match argument {
        0..=23 => 0,
        24..=0xff => 1,
        0x100..=0xffff => 2,
        0x1_0000..=0xffff_ffff => 4,
        _ => 8,
    };
    match width {
        _ if width == shortest => Head::Preferred,
        1 => Head::One,
        2 => Head::Two,
        4 => Head::Four,
        _ => Head::Eight,
    }
}

fn simple_or_float(width: usize, argument: u64) -> Result<Datum, String> {
    Ok(match (width, argument) {
        (0, 20) => Datum::Bool(false),
        (0, 21) => Datum::Bool(true),
        (0, 22) => Datum::Null,
        (0, 23) => Datum::Undefined,
        (1, 0..32) => return Err("a simple value below 32 in two bytes (RFC 8949 section 3.3)".into()),
        (0 | 1, number) => Datum::Simple(number as u8),
        (2, bits) => Datum::Float(from_half(bits as u16), Width::Half),
        (4, bits) => Datum::Float(from_single(bits as u32), Width::Single),
        (_, bits) => Datum::Float(f64::from_bits(bits), Width::Double),
    })
}

/// IEEE 754 binary16 to binary64, payloads of NaN kept.
fn from_half(bits: u16) -> f64 {
    let sign = u64::from(bits >> 15) << 63;
    let exponent = u64::from(bits >> 10 & 0x1f);
    let fraction = u64::from(bits & 0x3ff);
    let magnitude = match exponent {
        0 => (fraction as f64 * 2f64.powi(-24)).to_bits(),
        31 => 0x7ff << 52 | fraction << 42,
        _ => (exponent + 1008) << 52 | fraction << 42,
    };
    f64::from_bits(sign | magnitude)
}

/// IEEE 754 binary32 to binary64, payloads of NaN kept.
fn from_single(bits: u32) -> f64 {
    let single = f32::from_bits(bits);
    if single.is_nan() {
        return f64::from_bits(u64::from(bits >> 31) << 63 | 0x7ff << 52 | u64::from(bits & 0x7f_ffff) << 29);
    }
    f64::from(single)
}

fn room<T>(claimed: u64) -> Vec<T> {
    Vec::with_capacity(claimed.min((AHEAD / size_of::<T>().max(1)) as u64) as usize)
}

/// Counts one item; true when it was the last.
fn count_down(left: &mut Option<u64>) -> bool {
    match left {
        Some(left) => {
            *left -= 1;
            *left == 0
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::testing::{chunk_invariance, decode_all};
    use crate::strategy::cbor::{near_items, plain_datum};
    use crate::strategy::datum::any_datum;

    fn bytes_of(datum: &Datum) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(datum, &mut bytes);
        bytes
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(datum in any_datum()) {
            prop_assert_eq!(decode(&bytes_of(&datum)), Ok(datum));
        }

        #[test]
        fn what_was_decoded_is_encoded(bytes in near_items()) {
            let run = decode_all(&mut Cbor::default(), [&bytes[..]]);
            for message in run.messages {
                let wire = message.wire.start as usize..message.wire.end as usize;
                prop_assert_eq!(bytes_of(&message.datum), &bytes[wire]);
            }
        }

        #[test]
        fn chunks_do_not_matter(bytes in near_items(), cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6)) {
            chunk_invariance(&|| Box::new(Cbor::default()), &bytes, &cuts)?;
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            chunk_invariance(&|| Box::new(Cbor::default()), &bytes, &[])?;
        }

        #[test]
        fn ciborium_reads_the_same(datum in plain_datum()) {
            let bytes = bytes_of(&datum);
            let oracle: ciborium::Value = ciborium::from_reader(&bytes[..]).expect("well-formed");
            prop_assert!(same(&datum, &oracle), "{} / {:?}", datum, oracle);
        }

        #[test]
        fn ciborium_accepts_nothing_that_we_call_ill_formed(bytes in near_items()) {
            let ours = decode(&bytes);
            if let Err(Malformed { fatal: true, at, .. }) = &ours && *at < bytes.len() as u64 {
                let mut rest = &bytes[..];
                let oracle: Result<ciborium::Value, _> = ciborium::from_reader(&mut rest);
                let strict = oracle.is_ok() && rest.is_empty() && !bytes.contains(&0xf8);
                prop_assert!(!strict, "{:02x?}: {:?}", bytes, ours);
            }
        }
    }

    /// Ciborium drops widths, so values are compared by meaning.
    fn same(ours: &Datum, theirs: &ciborium::Value) -> bool {
        use ciborium::Value;
        match (ours, theirs) {
            (Datum::Null, Value::Null) => true,
            (Datum::Bool(a), Value::Bool(b)) => a == b,
            (Datum::Int(a), Value::Integer(b)) => a.value() == i128::from(*b),
            (Datum::Float(a, _), Value::Float(b)) => a == b || (a.is_nan() && b.is_nan()),
            (Datum::Tag(a, _, x), Value::Tag(b, y)) => a == b && same(x, y),
            (Datum::Array(a, _), Value::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
            }
            (Datum::Map(a, _), Value::Map(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|((k, v), (l, w))| same(k, l) && same(v, w))
            }
            (a, Value::Text(b)) => a.as_text().as_deref() == Some(b),
            (a, Value::Bytes(b)) => a.as_bytes().as_deref() == Some(&b[..]),
            _ => false,
        }
    }

    #[test]
    fn a_claimed_length_costs_nothing() {
        for bytes in [
            &[0x5b, 0, 0, 1, 0, 0, 0, 0, 0][..],
            &[0x9b, 0, 0, 1, 0, 0, 0, 0, 0],
            &[0xbb, 255, 255, 255, 255, 255, 255, 255, 255],
        ] {
            let mut codec = Cbor::default();
            codec.feed(bytes);
            assert!(codec.next().is_none());
            assert!(codec.string.as_ref().is_none_or(|partial| partial.bytes.capacity() <= AHEAD));
            assert_eq!(
                codec.finish().map(|end| end.reason).as_deref(),
                Some("the stream ends inside an item")
            );
        }
    }

    #[test]
    fn the_room_of_a_string_grows_with_what_has_come() {
        let mut codec = Cbor::default();
        codec.feed(&[0x5b, 0, 0, 1, 0, 0, 0, 0, 0]);
        assert!(codec.next().is_none());
        for come in (1..=64).map(|nth| nth << 16) {
            codec.feed(&[0; 1 << 16]);
            assert!(codec.next().is_none());
            let room = codec.string.as_ref().map(|partial| partial.bytes.capacity());
            assert!(room.is_some_and(|room| come <= room && room <= 2 * come + GENEROUS), "{come}: {room:?}");
        }
    }

    #[test]
    fn a_long_string_keeps_the_buffer_that_it_came_in() {
        let long = |text: &str| Datum::text(text.repeat(2 * GENEROUS));
        let items = [Datum::array([Datum::from(7_u64), long("a"), long("é")]), long("b"), Datum::Null];
        let bytes: Vec<u8> = items.iter().flat_map(bytes_of).collect();
        let whole = decode_all(&mut Cbor::default(), [&bytes[..]]);
        assert_eq!(
            whole.messages.iter().map(|message| &message.datum).collect::<Vec<_>>(),
            Vec::from_iter(&items)
        );
        assert_eq!(whole, decode_all(&mut Cbor::default(), bytes.chunks(1000)));

        let mut codec = Cbor::default();
        codec.feed(&bytes_of(&items[1]));
        let buffer = codec.buffer.as_ptr();
        let Some(Ok(Message { datum: Datum::Text(text, _), .. })) = codec.next() else { panic!("no text") };
        assert_eq!(text.as_ptr(), buffer);
    }

    #[test]
    fn ill_formed_items_are_named() {
        let reason = |bytes: &[u8]| decode(bytes).expect_err("ill-formed").reason;
        assert_eq!(reason(&[0x1c]), "additional information 28 is reserved (RFC 8949 section 3)");
        assert_eq!(reason(&[0xff]), "a break outside of anything of indefinite length");
        assert_eq!(reason(&[0x7f, 0x41, 0x61, 0xff]), "a chunk of an indefinite text is no text");
        assert_eq!(reason(&[0xf8, 0x18]), "a simple value below 32 in two bytes (RFC 8949 section 3.3)");
        assert_eq!(reason(&[0xbf, 0x01, 0xff]), "a break after a key without its value");
        assert_eq!(reason(&[0x62, 0xc3, 0x28]), "a text is not UTF-8");
        assert_eq!(reason(&[0xf6, 0xf6]), "bytes follow the item");
        assert_eq!(reason(&[0x81; 2000]), format!("nested deeper than {DEPTH} levels, which is not read"));
    }
}
