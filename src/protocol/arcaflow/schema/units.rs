//! Units of numbers: `5m30s` where a base unit and its multiples have names.
//!
//! Source: sdk-go schema/units.go, lines 317-345. Its expression has an unescaped dot before the fraction, so that
//! `0s5ms` passes as a fraction of the base; here the dot is a dot.

use std::collections::BTreeMap;

use super::field::Fields;
use super::number::to_integer;
use super::{Fault, Read};
use crate::datum::Datum;

/// A base unit and its multiples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Units {
    base: Vec<String>,
    multiples: BTreeMap<i128, Vec<String>>,
}

const NAMES: [&str; 4] =
    ["name_short_singular", "name_short_plural", "name_long_singular", "name_long_plural"];

impl Units {
    /// Reads the field `units` of a number, if it has one.
    pub(super) fn of(fields: &Fields<'_>) -> Read<Option<Self>> {
        let read = |datum: &Datum| Self::read(datum).map_err(|fault| fault.under("units"));
        fields.get("units").map(read).transpose()
    }

    fn read(datum: &Datum) -> Read<Self> {
        let fields = Fields::of(datum, &["base_unit", "multipliers"])?;
        let base = fields.need("base_unit", read_unit)?;
        let mut multiples = BTreeMap::new();
        for (key, unit) in fields.entries("multipliers")? {
            let under = |fault: Fault| fault.under(&key.to_string()).under("multipliers");
            let factor = to_integer(key, None).map_err(under)?;
            multiples.insert(factor, read_unit(unit).map_err(under)?);
        }
        Ok(Self { base, multiples })
    }

    /// The integer that a text says, if it is a whole number of base units.
    pub(super) fn integer(&self, text: &str) -> Option<i128> {
        let value = self.float(text)?;
        (value.fract() == 0.0).then_some(value as i128)
    }

    /// The number that a text says: each unit at most once, the largest first, the base unit's name may be left out.
    pub(super) fn float(&self, text: &str) -> Option<f64> {
        let mut rest = text.trim();
        if rest.is_empty() {
            return None;
        }
        let mut sum = 0.0;
        for (factor, names) in self.multiples.iter().rev() {
            if let Some((count, after)) = amount(rest, names, false) {
                sum += count * *factor as f64;
                rest = after.trim_start();
            }
        }
        if let Some((count, after)) = amount(rest, &self.base, true) {
            sum += count;
            rest = after.trim_start();
        }
        rest.is_empty().then_some(sum)
    }
}

fn read_unit(datum: &Datum) -> Read<Vec<String>> {
    let fields = Fields::of(datum, &NAMES)?;
    let name =
        |key: &&'static str| fields.text(key)?.ok_or_else(|| Fault::new(format!("`{key}` is missing")));
    NAMES.iter().map(name).collect()
}

/// A number with one of these names behind it, and what follows; of the base unit a fraction, or no name at all.
fn amount<'a>(text: &'a str, names: &[String], is_base: bool) -> Option<(f64, &'a str)> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || is_base && c == '.')).unwrap_or(text.len());
    let (digits, after) = text.split_at(end);
    let count = digits.parse().ok().filter(|_| digits.starts_with(|c: char| c.is_ascii_digit()))?;
    let after = after.trim_start();
    let named = names.iter().filter(|name| !name.is_empty() && after.starts_with(name.as_str()));
    match named.max_by_key(|name| name.len()) {
        Some(name) => {
            let rest = &after[name.len()..];
            let is_word = rest.starts_with(|c: char| c.is_alphabetic());
            (!is_word).then_some((count, rest))
        }
        None if is_base && after.is_empty() => Some((count, after)),
        None => None,
    }
}
