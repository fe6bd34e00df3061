//! Lists and maps.

use std::borrow::Cow;

use super::field::Fields;
use super::{Accepted, Bounds, Fault, Read, Scope, Type, is_as_it_stood};
use crate::datum::{Datum, Head};

/// The type of lists.
#[derive(Clone, Debug)]
pub struct List {
    /// The type of their elements.
    pub items: Box<Type>,
    /// Least and most elements.
    pub length: Bounds,
}

/// The type of maps.
#[derive(Clone, Debug)]
pub struct Map {
    /// The type of their keys: texts or integers.
    pub keys: Box<Type>,
    /// The type of their values.
    pub values: Box<Type>,
    /// Least and most entries.
    pub length: Bounds,
}

impl List {
    pub(super) fn read(fields: &Fields<'_>) -> Read<Self> {
        Ok(Self { items: Box::new(fields.need("items", Type::read)?), length: fields.bounds()? })
    }

    pub(super) fn accept<'a>(&self, datum: &'a Datum, scope: &Scope) -> Accepted<'a> {
        let Some(list) = datum.as_array() else {
            return Err(Fault::new(format!("is {}, not a list", datum.kind())));
        };
        self.length.admit(list.len() as i128, "the number of elements")?;
        let accept = |(index, item): (usize, &'a Datum)| {
            self.items.accept(item, scope).map_err(|fault| fault.under(&index.to_string()))
        };
        let accepted = list.iter().enumerate().map(accept).collect::<Read<Vec<_>>>()?;
        let is_plain = matches!(datum, Datum::Array(_, Head::Preferred));
        if is_plain && accepted.iter().all(is_as_it_stood) {
            return Ok(Cow::Borrowed(datum));
        }
        Ok(Cow::Owned(Datum::array(accepted.into_iter().map(Cow::into_owned))))
    }
}

impl Map {
    pub(super) fn read(fields: &Fields<'_>) -> Read<Self> {
        let keys = fields.need("keys", Type::read)?;
        if !matches!(keys, Type::String(_) | Type::Integer(_)) {
            return Err(Fault::new("keys are string or integer").under("keys"));
        }
        let values = fields.need("values", Type::read)?;
        Ok(Self { keys: Box::new(keys), values: Box::new(values), length: fields.bounds()? })
    }

    pub(super) fn accept<'a>(&self, datum: &'a Datum, scope: &Scope) -> Accepted<'a> {
        let Some(map) = datum.as_map() else {
            return Err(Fault::new(format!("is {}, not a map", datum.kind())));
        };
        self.length.admit(map.len() as i128, "the number of entries")?;
        let accept = |(key, value): &'a (Datum, Datum)| {
            let under = |fault: Fault| fault.under(&key.to_string());
            Ok((
                self.keys.accept(key, scope).map_err(under)?,
                self.values.accept(value, scope).map_err(under)?,
            ))
        };
        let entries = map.iter().map(accept).collect::<Read<Vec<_>>>()?;
        let is_plain = matches!(datum, Datum::Map(_, Head::Preferred));
        let is_same =
            |(key, value): &(Cow<'_, Datum>, Cow<'_, Datum>)| is_as_it_stood(key) && is_as_it_stood(value);
        let twice = |at: usize| entries[..at].iter().any(|(key, _)| *key == entries[at].0);
        match (0..entries.len()).find(|at| entries.len() < 1024 && twice(*at)) {
            Some(at) => Err(Fault::new(format!("has the key {} twice", entries[at].0))),
            None if is_plain && entries.iter().all(is_same) => Ok(Cow::Borrowed(datum)),
            None => {
                let owned = entries.into_iter().map(|(key, value)| (key.into_owned(), value.into_owned()));
                Ok(Cow::Owned(Datum::Map(owned.collect(), Head::Preferred)))
            }
        }
    }
}
