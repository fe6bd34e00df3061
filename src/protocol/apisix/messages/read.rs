//! Reading: one pass that checks what the verifier of `flatbuffers` checks, and copies every field that it passes.
//!
//! Where the format lets a few bytes say much (tables and strings may be shared), what is copied is bounded by
//! the length of the buffer.

use std::fmt::{self, Display, Formatter};

use super::schema::{Holds, METHODS, Slot, Table};
use crate::datum::{Datum, Head};

/// A buffer that is no such table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The offending place, in bytes from the start of the buffer.
    pub at: usize,
    /// Which field, as in `headers[3].name`; empty for the outermost table.
    pub path: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Appends the entries of a table, keys as in the schema; an absent field gives none, unless `defaults` asks for
/// those of scalars.
///
/// # Errors
/// The first place that points outside of the buffer, is not aligned, or says more than its length may.
pub fn read(
    buffer: &[u8],
    table: &Table,
    defaults: bool,
    entries: &mut Vec<(Datum, Datum)>,
) -> Result<(), Broken> {
    let mut reader = Reader {
        buffer,
        tables: (buffer.len() / SMALLEST).max(FREE_TABLES),
        bytes: buffer.len().saturating_mul(SHARED).max(FREE_BYTES),
        defaults,
    };
    if buffer.is_empty() {
        return broken(0, "the payload is empty");
    }
    let root = reader.target(0)?;
    reader.table(root, table, entries)
}

/// A table in a vector that shares nothing takes at least its offset and the offset of its vtable.
const SMALLEST: usize = 8;
/// Tables that a short buffer may name all the same, by sharing.
const FREE_TABLES: usize = 0x1_0000;
/// How often the bytes of a buffer may be copied on average, since strings may be shared.
const SHARED: usize = 8;
/// Bytes that a short buffer may give all the same.
const FREE_BYTES: usize = 1 << 20;

struct Reader<'a> {
    buffer: &'a [u8],
    /// How many tables may still come.
    tables: usize,
    /// How many bytes may still be copied.
    bytes: usize,
    defaults: bool,
}

/// Where the vtable of a table is, and how long.
struct Vtable {
    at: usize,
    length: usize,
}

type Checked<T> = Result<T, Broken>;

impl Reader<'_> {
    fn table(&mut self, at: usize, table: &Table, entries: &mut Vec<(Datum, Datum)>) -> Checked<()> {
        let vtable = self.vtable(at)?;
        for slot in table.slots {
            let value = self.slot(at, &vtable, slot).map_err(|broken| broken.inside(slot.key))?;
            entries.extend(value.map(|value| (Datum::name(slot.key), value)));
        }
        Ok(())
    }

    fn vtable(&mut self, table: usize) -> Checked<Vtable> {
        let offset = i64::from(i32::from_le_bytes(self.item(table)?));
        let at = usize::try_from(table as i64 - offset).ok().filter(|at| *at < self.buffer.len());
        let Some(at) = at else { return broken(table, "its vtable lies outside of the buffer") };
        let length = usize::from(u16::from_le_bytes(self.item(at)?));
        if length % 2 != 0 {
            return broken(at, format!("its vtable has an odd length, {length}"));
        }
        self.range(at, length)?;
        match self.tables.checked_sub(1) {
            Some(left) => self.tables = left,
            None => return broken(table, "more tables than a buffer of this length may name"),
        }
        Ok(Vtable { at, length })
    }

    /// Where a field of a table is, if it is there.
    fn field(&self, table: usize, vtable: &Vtable, slot: u16) -> Checked<Option<usize>> {
        let place = 4 + 2 * usize::from(slot);
        if place >= vtable.length {
            return Ok(None);
        }
        let offset = usize::from(u16::from_le_bytes(self.item(vtable.at + place)?));
        Ok((offset > 0).then_some(table + offset))
    }

    fn slot(&mut self, table: usize, vtable: &Vtable, slot: &Slot) -> Checked<Option<Datum>> {
        let field = self.field(table, vtable, slot.at)?;
        if let Holds::Union(variants) = slot.holds {
            let value = self.field(table, vtable, slot.at + 1)?;
            return self.union(field, value, variants);
        }
        let Some(at) = field else { return Ok(self.absent(slot.holds)) };
        Ok(Some(match slot.holds {
            Holds::Uint(width) => Datum::from(self.uint(at, width)?),
            Holds::Method => method(self.item::<1>(at)?[0]),
            Holds::Text => self.text(at)?,
            Holds::Bytes => {
                let start = self.target(at)?;
                Datum::bytes(self.bytes(start)?)
            }
            Holds::Tables(table) => self.tables(at, table)?,
            Holds::Union(_) => unreachable!("answered above"),
        }))
    }

    fn absent(&self, holds: Holds) -> Option<Datum> {
        match holds {
            Holds::Uint(_) if self.defaults => Some(Datum::from(0_u64)),
            Holds::Method if self.defaults => Some(method(0)),
            _ => None,
        }
    }

    /// `{"Name": {..}}`; without its table `{"Name": null}`; a tag that the schema lacks is a number, its table `{}`.
    fn union(
        &mut self,
        tag: Option<usize>,
        value: Option<usize>,
        variants: &[&Table],
    ) -> Checked<Option<Datum>> {
        let number = match tag {
            Some(at) => self.item::<1>(at)?[0],
            None => 0,
        };
        let variant = usize::from(number).checked_sub(1).and_then(|place| variants.get(place));
        let inner = match (value, variant) {
            (None, _) if number == 0 => return Ok(tag.filter(|_| !self.defaults).map(|_| Datum::Null)),
            (None, _) => Datum::Null,
            (Some(_), None) => map(Vec::new()),
            (Some(at), Some(table)) => self.nested(at, table).map_err(|broken| broken.inside(table.name))?,
        };
        let key = variant.map_or_else(|| Datum::from(u64::from(number)), |table| Datum::name(table.name));
        Ok(Some(map(vec![(key, inner)])))
    }

    /// The table that an offset points to.
    fn nested(&mut self, at: usize, table: &Table) -> Checked<Datum> {
        let start = self.target(at)?;
        let mut entries = Vec::with_capacity(table.slots.len());
        self.table(start, table, &mut entries)?;
        Ok(map(entries))
    }

    fn tables(&mut self, at: usize, table: &Table) -> Checked<Datum> {
        let start = self.target(at)?;
        let count = self.length(start)?;
        self.range(start + 4, count.saturating_mul(4))?;
        if count > self.tables {
            return broken(start, format!("{count} tables, more than a buffer of this length may name"));
        }
        let mut items = Vec::with_capacity(count);
        for n in 0..count {
            let item = self.nested(start + 4 + 4 * n, table);
            items.push(item.map_err(|broken| broken.inside(&format!("[{n}]")))?);
        }
        Ok(Datum::Array(items, Head::Preferred))
    }

    /// A string; one that is not UTF-8 is given as bytes, since the gateway passes on whatever HTTP gave it. The zero
    /// byte behind it is not asked for: the gateway writes empty strings without (`05_args_headers_shape`).
    fn text(&mut self, at: usize) -> Checked<Datum> {
        let start = self.target(at)?;
        let bytes = self.bytes(start)?;
        Ok(String::from_utf8(bytes).map_or_else(|error| Datum::bytes(error.into_bytes()), Datum::text))
    }

    /// The bytes of a vector or string.
    fn bytes(&mut self, at: usize) -> Checked<Vec<u8>> {
        let length = self.length(at)?;
        self.range(at + 4, length)?;
        match self.bytes.checked_sub(length) {
            Some(left) => self.bytes = left,
            None => return broken(at, "more bytes than a buffer of this length may give"),
        }
        Ok(self.buffer[at + 4..at + 4 + length].to_vec())
    }

    fn uint(&self, at: usize, width: u8) -> Checked<u64> {
        Ok(match width {
            1 => u64::from(self.item::<1>(at)?[0]),
            2 => u64::from(u16::from_le_bytes(self.item(at)?)),
            _ => u64::from(u32::from_le_bytes(self.item(at)?)),
        })
    }

    fn length(&self, at: usize) -> Checked<usize> {
        Ok(u32::from_le_bytes(self.item(at)?) as usize)
    }

    /// Where the offset at this place points to.
    fn target(&self, at: usize) -> Checked<usize> {
        Ok(at.saturating_add(self.length(at)?))
    }

    /// The bytes of a scalar, aligned to its size.
    fn item<const N: usize>(&self, at: usize) -> Checked<[u8; N]> {
        self.range(at, N)?;
        if !at.is_multiple_of(N) {
            return broken(at, format!("an item of {N} bytes is not aligned"));
        }
        let bytes = self.buffer[at..].first_chunk();
        Ok(*bytes.expect("the range was checked"))
    }

    fn range(&self, at: usize, length: usize) -> Checked<()> {
        let size = self.buffer.len();
        if at.saturating_add(length) > size {
            return broken(
                at.min(size),
                format!("{length} bytes at {at} lie outside of the buffer of {size}"),
            );
        }
        Ok(())
    }
}

impl Broken {
    /// Says in which field it is.
    fn inside(self, key: &str) -> Self {
        let joint = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        Self { path: format!("{key}{joint}{}", self.path), ..self }
    }
}

impl Display for Broken {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.reason)
    }
}

fn broken<T>(at: usize, reason: impl Into<String>) -> Checked<T> {
    Err(Broken { at, path: String::new(), reason: reason.into() })
}

fn map(entries: Vec<(Datum, Datum)>) -> Datum {
    Datum::Map(entries, Head::Preferred)
}

fn method(number: u8) -> Datum {
    METHODS.get(usize::from(number)).map_or_else(|| Datum::from(u64::from(number)), |name| Datum::text(*name))
}

#[cfg(test)]
mod tests {
    use flatbuffers::{ForwardsUOffset, InvalidFlatbuffer, Vector, Verifiable, Verifier, VerifierOptions};
    use proptest::prelude::*;

    use super::super::schema::{Side, root};
    use super::*;
    use crate::codec::frame::Frames;
    use crate::strategy::apisix::near_frames;

    /// The verifier of `flatbuffers`, led through our slots.
    fn verify(buffer: &[u8], table: &Table) -> Result<(), InvalidFlatbuffer> {
        let options = VerifierOptions { ignore_missing_null_terminator: true, ..VerifierOptions::default() };
        verify_table(&mut Verifier::new(&options, buffer), 0, table)
    }

    /// The table that the offset at this place points to.
    fn verify_table(verifier: &mut Verifier, place: usize, table: &Table) -> Result<(), InvalidFlatbuffer> {
        let start = place.saturating_add(verifier.get_uoffset(place)? as usize);
        let mut visit = verifier.visit_table(start)?;
        for slot in table.slots {
            let field = visit.deref(4 + 2 * slot.at)?;
            let after = visit.deref(4 + 2 * (slot.at + 1))?;
            if let Some(field) = field {
                verify_field(visit.verifier(), field, after, slot.holds)?;
            }
        }
        visit.finish();
        Ok(())
    }

    fn verify_field(
        verifier: &mut Verifier,
        at: usize,
        after: Option<usize>,
        holds: Holds,
    ) -> Result<(), InvalidFlatbuffer> {
        match holds {
            Holds::Uint(1) | Holds::Method => u8::run_verifier(verifier, at),
            Holds::Uint(2) => u16::run_verifier(verifier, at),
            Holds::Uint(_) => u32::run_verifier(verifier, at),
            Holds::Text | Holds::Bytes => <ForwardsUOffset<Vector<u8>>>::run_verifier(verifier, at),
            Holds::Tables(table) => {
                <ForwardsUOffset<Vector<u32>>>::run_verifier(verifier, at)?;
                let start = at + verifier.get_uoffset(at)? as usize;
                let count = verifier.get_uoffset(start)? as usize;
                (0..count).try_for_each(|n| verify_table(verifier, start + 4 + 4 * n, table))
            }
            Holds::Union(variants) => {
                let tag = usize::from(verifier.get_u8(at)?);
                match (after, tag.checked_sub(1).and_then(|place| variants.get(place))) {
                    (Some(value), Some(table)) => verify_table(verifier, value, table),
                    _ => Ok(()),
                }
            }
        }
    }

    fn sides() -> impl Strategy<Value = Side> {
        prop_oneof![Just(Side::Gateway), Just(Side::Runner)]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn the_verifier_of_flatbuffers_agrees((side, bytes) in sides().prop_flat_map(|side| (Just(side), near_frames(side)))) {
            let mut frames = Frames::default();
            frames.feed(&bytes);
            while let Some(frame) = frames.next_frame() {
                let Some(table) = root(frame.kind, side) else { continue };
                let (ours, theirs) = (read(frame.payload, table, false, &mut Vec::new()), verify(frame.payload, table));
                prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{:?} / {:?}", ours, theirs);
            }
        }
    }

    /// A request of this many headers, all of them one table whose value has that many bytes.
    fn shared(count: u32, length: u32) -> Vec<u8> {
        let table = root(4, Side::Gateway).expect("a table");
        assert_eq!((table.slots[2].key, table.slots[2].at), ("headers", 2));
        let mut words: Vec<u32> = vec![16, 0x0008_000a, 0, 0x0004, 12, 4, count];
        let after = 4 * (words.len() as u32 + count);
        words.extend((0..count).map(|n| after + 8 - 4 * (7 + n)));
        words.extend([0x0008_0008, 0x0004_0000, 8, 4, length]);
        let mut bytes: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
        bytes.resize(bytes.len() + length as usize + 4, 0);
        bytes
    }

    fn read_response(buffer: &[u8]) -> Checked<usize> {
        let mut entries = Vec::new();
        read(buffer, root(4, Side::Gateway).expect("a table"), false, &mut entries)?;
        Ok(entries[0].1.as_array().expect("headers").len())
    }

    #[test]
    fn sharing_is_read() {
        assert_eq!(read_response(&shared(1000, 1000)), Ok(1000));
    }

    #[test]
    fn few_bytes_cannot_say_much() {
        let reason = |buffer: &[u8]| read_response(buffer).expect_err("too much").to_string();
        assert!(reason(&shared(200_000, 0)).contains("200000 tables, more than"));
        assert!(reason(&shared(50_000, 100_000)).contains("more bytes than"));
    }

    #[test]
    fn the_field_is_named() {
        let mut buffer = shared(3, 4);
        let end = buffer.len();
        buffer[end - 12..end - 8].fill(0xff);
        let broken = read_response(&buffer).expect_err("damaged");
        assert_eq!(broken.path, "headers[0].value");
    }
}
