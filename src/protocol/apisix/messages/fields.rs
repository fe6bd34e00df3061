//! A value on its way out: checked against the schema once, then written in whichever layout.

use std::borrow::Cow;

use super::schema::{Holds, METHODS, Slot, Table};
use crate::datum::{Datum, Generated};

/// The fields of one table that are written, in order of their slots.
#[derive(Debug)]
pub struct Fields<'a> {
    /// The table as the schema has it; `None` where the schema has none (an unknown variant).
    pub table: Option<&'static Table>,
    /// Slot and value.
    pub values: Vec<(u16, Value<'a>)>,
}

/// What is written into one slot.
#[derive(Debug)]
pub enum Value<'a> {
    /// A number of that many bytes.
    Uint(u32, u8),
    /// A string, zero byte added.
    Text(Run<'a>),
    /// A vector of bytes.
    Bytes(Run<'a>),
    /// A vector of tables.
    Tables(Vec<Fields<'a>>),
    /// A table.
    Table(Fields<'a>),
}

/// Bytes, long ones by their rule.
#[derive(Debug)]
pub enum Run<'a> {
    /// These bytes.
    Bytes(Cow<'a, [u8]>),
    /// Bytes by a rule.
    Gen(&'a Generated),
}

impl Run<'_> {
    /// How many bytes.
    pub fn length(&self) -> u64 {
        match self {
            Run::Bytes(bytes) => bytes.len() as u64,
            Run::Gen(generated) => generated.len(),
        }
    }
}

impl<'a> Fields<'a> {
    /// Checks the entries of a map against a table; `also` is a key that is no field and allowed.
    ///
    /// # Errors
    /// A field that the table does not have, or a value that it cannot hold.
    pub fn new(datum: &'a Datum, table: &'static Table, also: Option<&str>) -> Result<Self, String> {
        let Some(entries) = datum.as_map() else {
            return Err(format!("{} is a map, not {}", table.name, datum.kind()));
        };
        let mut values = Vec::with_capacity(entries.len() + 1);
        for (key, value) in entries {
            let key = key.as_text().unwrap_or_default();
            if also == Some(&*key) {
                continue;
            }
            let slot = table.slots.iter().find(|slot| slot.key == key).ok_or_else(|| unknown(&key, table))?;
            fill(slot, value, &mut values).map_err(|why| format!("{key}: {why}"))?;
        }
        values.sort_by_key(|(at, _)| *at);
        match values.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            Some(_) => Err(format!("{} cannot hold a field twice", table.name)),
            None => Ok(Self { table: Some(table), values }),
        }
    }

    /// Whether a part of it is given by its rule.
    pub fn generated(&self) -> bool {
        self.values.iter().any(|(_, value)| match value {
            Value::Uint(..) => false,
            Value::Text(run) | Value::Bytes(run) => matches!(run, Run::Gen(_)),
            Value::Tables(tables) => tables.iter().any(Fields::generated),
            Value::Table(fields) => fields.generated(),
        })
    }

    /// How many bytes its strings and vectors of bytes have.
    pub fn length(&self) -> u64 {
        let lengths = self.values.iter().map(|(_, value)| match value {
            Value::Uint(..) => 0,
            Value::Text(run) | Value::Bytes(run) => run.length(),
            Value::Tables(tables) => tables.iter().map(Fields::length).fold(0, u64::saturating_add),
            Value::Table(fields) => fields.length(),
        });
        lengths.fold(0, u64::saturating_add)
    }
}

fn unknown(key: &str, table: &Table) -> String {
    let known: Vec<&str> = table.slots.iter().map(|slot| slot.key).collect();
    format!("{} has no field `{key}`, it has {}", table.name, known.join(", "))
}

fn fill<'a>(slot: &Slot, datum: &'a Datum, values: &mut Vec<(u16, Value<'a>)>) -> Result<(), String> {
    let value = match slot.holds {
        Holds::Uint(width) => Value::Uint(uint(datum, width)?, width),
        Holds::Method => Value::Uint(method(datum)?, 1),
        Holds::Text => Value::Text(run(datum)?),
        Holds::Bytes => Value::Bytes(run(datum)?),
        Holds::Tables(table) => Value::Tables(tables(datum, table)?),
        Holds::Union(variants) => return union(slot.at, datum, variants, values),
    };
    values.push((slot.at, value));
    Ok(())
}

fn uint(datum: &Datum, width: u8) -> Result<u32, String> {
    let most = u32::MAX >> (32 - 8 * u32::from(width));
    let number = datum.as_int().and_then(|number| u32::try_from(number).ok());
    number.filter(|number| *number <= most).ok_or_else(|| format!("an integer from 0 to {most}, not {datum}"))
}

fn method(datum: &Datum) -> Result<u32, String> {
    match datum.as_text() {
        None => uint(datum, 1),
        Some(name) => {
            let place = METHODS.iter().position(|method| *method == name);
            place.map(|place| place as u32).ok_or_else(|| {
                format!("the schema has no method {name}, it has {} (others by number)", METHODS.join(", "))
            })
        }
    }
}

/// A text as UTF-8, or bytes as they are.
fn run(datum: &Datum) -> Result<Run<'_>, String> {
    match datum {
        Datum::Gen(generated) if generated.len() >= LONG => Ok(Run::Gen(generated)),
        Datum::Text(text, _) => Ok(Run::Bytes(Cow::Borrowed(text.as_bytes()))),
        Datum::Bytes(bytes, _) => Ok(Run::Bytes(Cow::Borrowed(bytes))),
        Datum::Gen(generated) => Ok(Run::Bytes(Cow::Owned(generated.to_vec()))),
        other => match (other.as_text(), other.as_bytes()) {
            (Some(text), _) => Ok(Run::Bytes(Cow::Owned(text.into_owned().into_bytes()))),
            (None, Some(bytes)) => Ok(Run::Bytes(Cow::Owned(bytes.into_owned()))),
            (None, None) => {
                Err(format!("text or bytes, not {}; leave the field out to send none", other.kind()))
            }
        },
    }
}

/// From here on a run is kept as its rule.
const LONG: u64 = 1024;

fn tables<'a>(datum: &'a Datum, table: &'static Table) -> Result<Vec<Fields<'a>>, String> {
    let Some(items) = datum.as_array() else {
        return Err(format!("a list of {}, not {}", table.name, datum.kind()));
    };
    items.iter().map(|item| Fields::new(item, table, None)).collect()
}

/// The inverse of what `read` makes of a union.
fn union<'a>(
    at: u16,
    datum: &'a Datum,
    variants: &[&'static Table],
    values: &mut Vec<(u16, Value<'a>)>,
) -> Result<(), String> {
    let (key, inner) = match (datum, datum.as_map()) {
        (Datum::Null, _) => {
            values.push((at, Value::Uint(0, 1)));
            return Ok(());
        }
        (_, Some([(key, inner)])) => (key, inner),
        _ => return Err("a union is null or a map with one key, the variant".into()),
    };
    let place = variants.iter().position(|table| key.as_text().as_deref() == Some(table.name));
    let tag = match place {
        Some(place) => place as u32 + 1,
        None => uint(key, 1).map_err(|_| unknown_variant(key, variants))?,
    };
    values.push((at, Value::Uint(tag, 1)));
    match (inner, (tag as usize).checked_sub(1).and_then(|place| variants.get(place))) {
        (Datum::Null, _) => {}
        (inner, Some(table)) => values.push((at + 1, Value::Table(Fields::new(inner, table, None)?))),
        (inner, None) if inner.as_map() == Some(&[]) => {
            values.push((at + 1, Value::Table(Fields { table: None, values: Vec::new() })));
        }
        _ => return Err("of a variant that the schema lacks only null and {} can be written".into()),
    }
    Ok(())
}

fn unknown_variant(key: &Datum, variants: &[&Table]) -> String {
    let known: Vec<&str> = variants.iter().map(|table| table.name).collect();
    format!("there is no variant {key}, there are {} (others by number)", known.join(", "))
}
