//! The fields of definitions, read by name; a definition has no other keys.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::boolean::to_bool;
use super::number::{to_float, to_integer};
use super::text::to_text;
use super::{Bounds, Fault, Read};
use crate::datum::Datum;

/// Ids: 1 to 255 of these characters.
pub(super) fn identifier(text: &str) -> Read<String> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '$' | '@' | '-' | '_');
    if (1..=255).contains(&text.len()) && text.chars().all(fine) {
        return Ok(text.to_owned());
    }
    Err(Fault::new(format!("`{text}` is no id: 1 to 255 of a-z A-Z 0-9 $ @ - _")))
}

/// The fields of a definition, read by name.
pub(super) struct Fields<'a> {
    entries: &'a [(Datum, Datum)],
}

impl<'a> Fields<'a> {
    /// The fields of a map that has no other keys.
    pub(super) fn of(datum: &'a Datum, known: &[&str]) -> Read<Self> {
        let fields = Self::any(datum)?;
        for (key, _) in fields.entries {
            let name =
                key.as_text().ok_or_else(|| Fault::new(format!("has the key {key}, which is no text")))?;
            if !known.contains(&&*name) {
                return Err(Fault::new(format!("has the unknown key `{name}`")));
            }
        }
        Ok(fields)
    }

    pub(super) fn any(datum: &'a Datum) -> Read<Self> {
        match datum.as_map() {
            Some(entries) => Ok(Self { entries }),
            None => Err(Fault::new(format!("is {}, not a map", datum.kind()))),
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a Datum> {
        self.entries.iter().find(|(name, _)| name.as_text().as_deref() == Some(key)).map(|(_, value)| value)
    }

    pub(super) fn need<T>(&self, key: &str, read: impl Fn(&'a Datum) -> Read<T>) -> Read<T> {
        let value = self.get(key).ok_or_else(|| Fault::new(format!("`{key}` is missing")))?;
        read(value).map_err(|fault| fault.under(key))
    }

    /// A text, or what the engine takes for one.
    pub(super) fn text(&self, key: &str) -> Read<Option<String>> {
        self.get(key)
            .map(to_text)
            .transpose()
            .map(|text| text.map(Cow::into_owned))
            .map_err(|fault| fault.under(key))
    }

    pub(super) fn texts(&self, key: &str) -> Read<Vec<String>> {
        let Some(value) = self.get(key) else { return Ok(Vec::new()) };
        let wrong = || Fault::new("is no list of texts").under(key);
        let items = value.as_array().ok_or_else(wrong)?;
        items.iter().map(|item| item.as_text().map(|text| text.into_owned()).ok_or_else(wrong)).collect()
    }

    /// A boolean, or what the engine takes for one.
    pub(super) fn flag(&self, key: &str, default: bool) -> Read<bool> {
        let flag = self.get(key).map(to_bool).transpose().map_err(|fault| fault.under(key))?;
        Ok(flag.unwrap_or(default))
    }

    pub(super) fn number(&self, key: &str) -> Read<Option<f64>> {
        let read = |datum| to_float(datum, None);
        self.get(key).map(read).transpose().map_err(|fault| fault.under(key))
    }

    /// `min` and `max`, integers of 0 or more.
    pub(super) fn bounds(&self) -> Read<Bounds> {
        let bound = |key: &str| match self.get(key) {
            None => Ok(None),
            Some(value) => match to_integer(value, None) {
                Ok(value) if value >= 0 => Ok(Some(value)),
                _ => Err(Fault::new(format!("is {value}, not an integer of 0 or more")).under(key)),
            },
        };
        Ok(Bounds { min: bound("min")?, max: bound("max")? })
    }

    pub(super) fn identifier(&self, key: &str) -> Read<String> {
        let text = self.text(key)?.ok_or_else(|| Fault::new(format!("`{key}` is missing")))?;
        identifier(&text).map_err(|fault| fault.under(key))
    }

    /// The keys of a map whose values say how they are shown; there is at least one.
    pub(super) fn shown(&self, key: &str) -> Read<Vec<&'a Datum>> {
        let under = |fault: Fault| fault.under(key);
        let entries = self.entries(key)?;
        if entries.is_empty() {
            return Err(under(Fault::new("needs a value")));
        }
        let one = |(value, shown): &'a (Datum, Datum)| {
            check_display(shown).map_err(|fault| under(fault.under(&value.to_string()))).map(|()| value)
        };
        entries.iter().map(one).collect()
    }

    /// The entries of a map with keys of any type; none if it is absent.
    pub(super) fn entries(&self, key: &str) -> Read<&'a [(Datum, Datum)]> {
        let Some(value) = self.get(key) else { return Ok(&[]) };
        value.as_map().ok_or_else(|| Fault::new(format!("is {}, not a map", value.kind())).under(key))
    }

    pub(super) fn map<T>(
        &self,
        key: &str,
        read: impl Fn(&str, &'a Datum) -> Read<(String, T)>,
    ) -> Read<Option<BTreeMap<String, T>>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let entries =
            value.as_map().ok_or_else(|| Fault::new(format!("is {}, not a map", value.kind())).under(key))?;
        let mut map = BTreeMap::new();
        for (name, value) in entries {
            let name = name
                .as_text()
                .ok_or_else(|| Fault::new(format!("has the key {name}, which is no text")).under(key))?;
            let (id, read) = read(&name, value).map_err(|fault| fault.under(&name).under(key))?;
            map.insert(id, read);
        }
        Ok(Some(map))
    }

    pub(super) fn display(&self) -> Read<()> {
        let shown = self.get("display").map(check_display).transpose();
        shown.map(|_| ()).map_err(|fault| fault.under("display"))
    }
}

/// How a thing is shown: a name, a description and an icon, none of them empty.
fn check_display(datum: &Datum) -> Read<()> {
    const KEYS: [&str; 3] = ["name", "description", "icon"];
    let fields = Fields::of(datum, &KEYS)?;
    for key in KEYS {
        if fields.text(key)?.is_some_and(|text| text.is_empty()) {
            return Err(Fault::new("is empty").under(key));
        }
    }
    Ok(())
}
