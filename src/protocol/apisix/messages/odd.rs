//! Writing in layouts that the ordinary library never gives, and long values by their rule.
//!
//! Parents come before their children here; the library writes them the other way round.

use super::fields::{Fields, Run, Value};
use crate::codec::frame::LONGEST;
use crate::codec::{Damage, Layout, Sink};
use crate::datum::Generated;

/// What an unknown slot holds: a number that no field of the schema would have.
const UNKNOWN: u32 = 0x5a5a_5a5a;
/// So many of them fit into any vtable.
const MOST_LONGER: u16 = 1000;
/// What a damaged offset or length says.
const HUGE: u32 = 0x7fff_fff0;

/// A buffer, long runs by their rule.
#[derive(Default)]
pub struct Draft<'a> {
    bytes: Vec<u8>,
    /// Runs that stand before that byte of `bytes`.
    runs: Vec<(usize, &'a Generated)>,
    /// How many bytes the runs have.
    generated: u64,
    marks: Marks,
}

/// Places in `bytes` that can be damaged.
#[derive(Default)]
struct Marks {
    vtable: Option<usize>,
    field: Option<usize>,
    vector: Option<usize>,
    text: Option<usize>,
}

impl<'a> Draft<'a> {
    /// Writes a message.
    ///
    /// # Errors
    /// A layout that would lose a field, or a place to damage that the message does not have.
    pub fn new(fields: &'a Fields<'a>, layout: &Layout) -> Result<Self, String> {
        if layout.longer > 0 && layout.shorter > 0 {
            return Err("a layout is longer or shorter, not both".into());
        }
        if layout.longer > MOST_LONGER || u64::from(layout.trailing) > LONGEST {
            return Err(format!(
                "a layout has at most {MOST_LONGER} further slots and {LONGEST} trailing bytes"
            ));
        }
        let mut draft = Draft { bytes: vec![0; 4], ..Draft::default() };
        let root = draft.table(fields, layout)?;
        draft.patch(0, 0, root);
        draft.bytes.resize(draft.bytes.len() + layout.trailing as usize, b'T');
        layout.damage.map_or(Ok(()), |damage| draft.damage(damage))?;
        Ok(draft)
    }

    /// How many bytes it has.
    pub fn length(&self) -> u64 {
        self.bytes.len() as u64 + self.generated
    }

    /// Appends the bytes.
    pub fn write(&self, out: &mut impl Sink) {
        let mut from = 0;
        for (at, run) in &self.runs {
            out.bytes(&self.bytes[from..*at]);
            out.generated(run);
            from = *at;
        }
        out.bytes(&self.bytes[from..]);
    }

    /// A vtable, its table, then whatever the table points to. Gives where the table is.
    fn table(&mut self, fields: &'a Fields<'a>, layout: &Layout) -> Result<u64, String> {
        let known = known_slots(fields, layout)?;
        let values = || fields.values.iter().filter(|(slot, _)| *slot < known);
        let mut places = Vec::with_capacity(fields.values.len());
        let mut size = 4_u16;
        let extra = (known..known + layout.longer).map(|slot| (slot, None));
        for width in [4, 2, 1] {
            let of_width = values().map(|(slot, value)| (*slot, Some(value)));
            for (slot, value) in of_width.chain(extra.clone()).filter(|(_, value)| width_of(*value) == width)
            {
                places.push((slot, size, value));
                size += width;
            }
        }
        self.vtable(known + layout.longer, size, &places);
        let (start, table) = (self.bytes.len(), self.length());
        self.bytes.resize(start + usize::from(size), 0);
        let vtable_size = 4 + 2 * i32::from(known + layout.longer);
        self.bytes[start..start + 4].copy_from_slice(&vtable_size.to_le_bytes());
        self.marks.vtable.get_or_insert(start);
        for (_, offset, value) in places {
            self.field(start + usize::from(offset), table + u64::from(offset), value, layout)?;
        }
        Ok(table)
    }

    /// The vtable of the table that comes next, so placed that the table is aligned.
    fn vtable(&mut self, slots: u16, size: u16, places: &[(u16, u16, Option<&Value>)]) {
        let length = 4 + 2 * slots;
        while !(self.length() + u64::from(length)).is_multiple_of(4) {
            self.bytes.push(0);
        }
        let start = self.bytes.len();
        self.bytes.resize(start + usize::from(length), 0);
        self.bytes[start..start + 2].copy_from_slice(&length.to_le_bytes());
        self.bytes[start + 2..start + 4].copy_from_slice(&size.to_le_bytes());
        for (slot, offset, _) in places {
            let entry = start + 4 + 2 * usize::from(*slot);
            self.bytes[entry..entry + 2].copy_from_slice(&offset.to_le_bytes());
            self.marks.field.get_or_insert(entry);
        }
    }

    /// Fills the field at this place of `bytes`; what it points to goes to the end.
    fn field(
        &mut self,
        at: usize,
        position: u64,
        value: Option<&'a Value<'a>>,
        layout: &Layout,
    ) -> Result<(), String> {
        match value {
            None => self.bytes[at..at + 4].copy_from_slice(&UNKNOWN.to_le_bytes()),
            Some(Value::Uint(number, width)) => {
                let width = usize::from(*width);
                self.bytes[at..at + width].copy_from_slice(&number.to_le_bytes()[..width]);
            }
            Some(pointed) => {
                let target = self.pointed(pointed, layout)?;
                self.patch(at, position, target);
            }
        }
        Ok(())
    }

    fn pointed(&mut self, value: &'a Value<'a>, layout: &Layout) -> Result<u64, String> {
        match value {
            Value::Table(fields) => return self.table(fields, layout),
            Value::Tables(tables) => return self.vector(tables, layout),
            _ => self.align(),
        }
        let (place, start) = (self.bytes.len(), self.length());
        match value {
            Value::Text(run) => {
                self.marks.text.get_or_insert(place);
                self.run(run);
                self.bytes.push(0);
            }
            Value::Bytes(run) => {
                self.marks.vector.get_or_insert(place);
                self.run(run);
            }
            _ => unreachable!("numbers stand in their table"),
        }
        Ok(start)
    }

    fn vector(&mut self, tables: &'a [Fields<'a>], layout: &Layout) -> Result<u64, String> {
        self.align();
        let (place, start) = (self.bytes.len(), self.length());
        self.marks.vector.get_or_insert(place);
        self.bytes.extend((tables.len() as u32).to_le_bytes());
        self.bytes.resize(place + 4 + 4 * tables.len(), 0);
        for (n, fields) in tables.iter().enumerate() {
            let target = self.table(fields, layout)?;
            self.patch(place + 4 + 4 * n, start + 4 + 4 * n as u64, target);
        }
        Ok(start)
    }

    /// A length and that many bytes.
    fn run(&mut self, run: &Run<'a>) {
        self.bytes.extend((run.length() as u32).to_le_bytes());
        match run {
            Run::Bytes(bytes) => self.bytes.extend_from_slice(bytes),
            Run::Gen(generated) => {
                self.runs.push((self.bytes.len(), generated));
                self.generated += generated.len();
            }
        }
    }

    fn align(&mut self) {
        while !self.length().is_multiple_of(4) {
            self.bytes.push(0);
        }
    }

    /// Lets the offset at this place of `bytes`, which stands at `position`, point to `target`.
    fn patch(&mut self, at: usize, position: u64, target: u64) {
        self.bytes[at..at + 4].copy_from_slice(&((target - position) as u32).to_le_bytes());
    }

    fn damage(&mut self, damage: Damage) -> Result<(), String> {
        if !self.runs.is_empty() {
            return Err("a message with a generated value cannot be damaged".into());
        }
        let place = match damage {
            Damage::RootOffset => Some(0),
            Damage::VtableOffset => self.marks.vtable,
            Damage::FieldOffset => self.marks.field,
            Damage::VectorLength => self.marks.vector,
            Damage::StringLength => self.marks.text,
            Damage::Empty | Damage::Zeroes | Damage::Truncated => None,
        };
        match (damage, place) {
            (Damage::Empty, _) => self.bytes.clear(),
            (Damage::Zeroes, _) => self.bytes.fill(0),
            (Damage::Truncated, _) => self.bytes.truncate(self.bytes.len() / 2),
            (Damage::FieldOffset, Some(at)) => self.bytes[at..at + 2].fill(0xff),
            (_, Some(at)) => self.bytes[at..at + 4].copy_from_slice(&HUGE.to_le_bytes()),
            (_, None) => return Err(format!("this message has no place for the damage {}", damage.name())),
        }
        Ok(())
    }
}

/// How many slots of the schema the vtable has.
fn known_slots(fields: &Fields, layout: &Layout) -> Result<u16, String> {
    let width = fields.table.map_or(0, |table| table.width());
    let used = fields.values.last().map_or(0, |(slot, _)| slot + 1);
    let known = match (layout.longer, layout.shorter) {
        (0, 0) => return Ok(used),
        (_, shorter) => width.saturating_sub(shorter),
    };
    let lost =
        fields.values.iter().find(|(slot, value)| *slot >= known && !matches!(value, Value::Uint(0, _)));
    match (lost, fields.table) {
        (Some((slot, _)), Some(table)) => Err(format!(
            "{} in a layout shorter by {} loses the field in slot {slot}",
            table.name, layout.shorter
        )),
        _ => Ok(known),
    }
}

fn width_of(value: Option<&Value>) -> u16 {
    match value {
        Some(Value::Uint(_, width)) => u16::from(*width),
        _ => 4,
    }
}
