//! Values as a person reads them: one tree for CBOR, JSON and FlatBuffers alike.
//!
//! A [`Datum`] is a *view* of bytes. It keeps everything that distinguishes two encodings of CBOR (widths of
//! heads, indefinite lengths, order and duplicates of keys, tags, simple values; RFC 8949), so that encoding
//! is the inverse of decoding; the bytes themselves are in the transcript.

mod bindings;
mod brief;
mod compare;
mod generated;
mod kind;
pub mod matcher;
mod mismatch;
pub mod notation;
mod path;
mod pattern;
mod print;
mod turns;

pub use bindings::{Bindings, mentioned};
pub use brief::brief;
pub use compare::{Compare, equal};
pub use generated::Generated;
pub use kind::Kind;
pub use mismatch::{Mismatch, MismatchKind};
pub use path::Path;
pub use pattern::{Found, Names, Pattern, Scope, View};
pub use turns::Turns;

use std::borrow::Cow;

/// How the head of a CBOR item was (or is to be) written. Other formats know only [`Head::Preferred`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Head {
    /// The shortest form (RFC 8949 section 4.1).
    #[default]
    Preferred,
    /// The argument follows in one byte although it need not.
    One,
    /// The argument follows in two bytes although it need not.
    Two,
    /// The argument follows in four bytes although it need not.
    Four,
    /// The argument follows in eight bytes although it need not.
    Eight,
    /// Indefinite length, ended by a break (RFC 8949 section 3.2).
    Indefinite,
}

/// The width of a floating-point number on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Width {
    /// 16 bits.
    Half,
    /// 32 bits.
    Single,
    /// 64 bits; the only one that JSON has.
    Double,
}

/// An integer of -2^64 ..= 2^64-1, the range of CBOR's major types 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Int {
    /// True for CBOR's major type 1: the value is `-1 - argument`.
    pub negative: bool,
    /// The argument of the head.
    pub argument: u64,
    /// How the head is written.
    pub head: Head,
}

impl Int {
    /// The number.
    pub fn value(self) -> i128 {
        let argument = i128::from(self.argument);
        if self.negative { -1 - argument } else { argument }
    }

    /// The integer with this value, if it is in range.
    pub fn new(value: i128) -> Option<Self> {
        let negative = value < 0;
        let argument = u64::try_from(if negative { -1 - value } else { value }).ok()?;
        Some(Self { negative, argument, head: Head::Preferred })
    }
}

/// A value, seen through its bytes.
#[derive(Clone, Debug)]
pub enum Datum {
    /// JSON's and CBOR's null.
    Null,
    /// CBOR's undefined (simple value 23).
    Undefined,
    /// True or false.
    Bool(bool),
    /// A CBOR simple value that has no name.
    Simple(u8),
    /// An integer.
    Int(Int),
    /// A floating-point number.
    Float(f64, Width),
    /// A text in UTF-8; one that stands in our own code, as the names of fields do, is not copied.
    Text(Cow<'static, str>, Head),
    /// A byte string.
    Bytes(Vec<u8>, Head),
    /// A text or byte string of indefinite length: its chunks, all of one kind. The flag says text.
    Chunks(bool, Vec<Datum>),
    /// A list.
    Array(Vec<Datum>, Head),
    /// A map in wire order, duplicates kept.
    Map(Vec<(Datum, Datum)>, Head),
    /// A tagged value (RFC 8949 section 3.4).
    Tag(u64, Head, Box<Datum>),
    /// A long text or byte string that is described, not stored (only in what we send).
    Gen(Generated),
    /// The bytes of a package of the suite, by name (only in what we send).
    Package(String),
}

impl Datum {
    /// A text in its preferred form.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(Cow::Owned(text.into()), Head::Preferred)
    }

    /// A text of our own code, as the names of fields are.
    pub const fn name(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text), Head::Preferred)
    }

    /// A byte string in its preferred form.
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self::Bytes(bytes.into(), Head::Preferred)
    }

    /// A list in its preferred form.
    pub fn array(items: impl IntoIterator<Item = Datum>) -> Self {
        Self::Array(items.into_iter().collect(), Head::Preferred)
    }

    /// A map with text keys in its preferred form.
    pub fn map<K: Into<String>>(entries: impl IntoIterator<Item = (K, Datum)>) -> Self {
        Self::Map(entries.into_iter().map(|(key, value)| (Self::text(key), value)).collect(), Head::Preferred)
    }

    /// What kind of value this is, as messages name it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Undefined => "undefined",
            Self::Bool(_) => "bool",
            Self::Simple(_) => "simple value",
            Self::Int(_) => "integer",
            Self::Float(..) => "float",
            Self::Text(..) | Self::Chunks(true, _) => "text",
            Self::Bytes(..) | Self::Chunks(false, _) | Self::Package(_) => "bytes",
            Self::Gen(generated) => generated.kind(),
            Self::Array(..) => "array",
            Self::Map(..) => "map",
            Self::Tag(..) => "tag",
        }
    }

    /// The text, chunks joined; `None` for anything else.
    pub fn as_text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(text, _) => Some(Cow::Borrowed(text)),
            Self::Chunks(true, chunks) => {
                Some(Cow::Owned(chunks.iter().filter_map(Datum::as_text).collect::<String>()))
            }
            Self::Gen(generated) => String::from_utf8(generated.to_vec()).ok().map(Cow::Owned),
            _ => None,
        }
    }

    /// The bytes of a byte string, chunks joined; `None` for anything else.
    pub fn as_bytes(&self) -> Option<Cow<'_, [u8]>> {
        match self {
            Self::Bytes(bytes, _) => Some(Cow::Borrowed(bytes)),
            Self::Chunks(false, chunks) => Some(Cow::Owned(
                chunks.iter().filter_map(Datum::as_bytes).flat_map(Cow::into_owned).collect::<Vec<u8>>(),
            )),
            Self::Gen(generated) if generated.kind() == "bytes" => Some(Cow::Owned(generated.to_vec())),
            _ => None,
        }
    }

    /// The integer, whatever its head.
    pub fn as_int(&self) -> Option<i128> {
        match self {
            Self::Int(int) => Some(int.value()),
            _ => None,
        }
    }

    /// True or false.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The items of a list.
    pub fn as_array(&self) -> Option<&[Datum]> {
        match self {
            Self::Array(items, _) => Some(items),
            _ => None,
        }
    }

    /// As [`Self::as_bytes`]; what is whole already is moved.
    pub fn into_bytes(self) -> Option<Vec<u8>> {
        match self {
            Self::Bytes(bytes, _) => Some(bytes),
            other => other.as_bytes().map(Cow::into_owned),
        }
    }

    /// The entries of a map.
    pub fn as_map(&self) -> Option<&[(Datum, Datum)]> {
        match self {
            Self::Map(entries, _) => Some(entries),
            _ => None,
        }
    }

    /// The value under a text key; of a duplicate key the first.
    pub fn get(&self, key: &str) -> Option<&Datum> {
        self.as_map()?.iter().find(|(name, _)| name.as_text().as_deref() == Some(key)).map(|(_, value)| value)
    }

    /// Moves the value under a text key out of a map, of a duplicate key the first; null stays there.
    pub fn take(&mut self, key: &str) -> Option<Datum> {
        let Self::Map(entries, _) = self else { return None };
        let (_, value) = entries.iter_mut().find(|(name, _)| name.as_text().as_deref() == Some(key))?;
        Some(std::mem::replace(value, Datum::Null))
    }

    /// What `${name}` puts in place of itself: a text as it is, an integer in decimal.
    pub fn as_inserted(&self) -> Option<String> {
        match self {
            Self::Int(int) => Some(int.value().to_string()),
            Self::Bool(value) => Some(value.to_string()),
            Self::Float(value, _) => Some(value.to_string()),
            other => other.as_text().map(Cow::into_owned),
        }
    }
}

impl From<&str> for Datum {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Datum {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<bool> for Datum {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Datum {
    fn from(value: i64) -> Self {
        Self::Int(Int::new(value.into()).expect("every i64 is in range"))
    }
}

impl From<u64> for Datum {
    fn from(value: u64) -> Self {
        Self::Int(Int { negative: false, argument: value, head: Head::Preferred })
    }
}

impl From<f64> for Datum {
    fn from(value: f64) -> Self {
        Self::Float(value, Width::Double)
    }
}

/// Identity of encodings: two values are equal when they would be written with the same bytes.
/// Scenarios compare by meaning instead, see [`Pattern`].
impl PartialEq for Datum {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) | (Self::Undefined, Self::Undefined) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Simple(a), Self::Simple(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Float(a, v), Self::Float(b, w)) => a.to_bits() == b.to_bits() && v == w,
            (Self::Text(a, v), Self::Text(b, w)) => a == b && v == w,
            (Self::Bytes(a, v), Self::Bytes(b, w)) => a == b && v == w,
            (Self::Chunks(v, a), Self::Chunks(w, b)) => v == w && a == b,
            (Self::Array(a, v), Self::Array(b, w)) => v == w && a == b,
            (Self::Map(a, v), Self::Map(b, w)) => v == w && a == b,
            (Self::Tag(a, v, x), Self::Tag(b, w, y)) => a == b && v == w && x == y,
            (Self::Gen(a), Self::Gen(b)) => a == b,
            (Self::Package(a), Self::Package(b)) => a == b,
            _ => false,
        }
    }
}
