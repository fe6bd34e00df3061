//! Integers and floats, with their units.

use std::borrow::Cow;

use super::field::Fields;
use super::{Accepted, Bounds, Fault, Read, Units, as_it_stands};
use crate::datum::{Datum, Int};

/// The type of integers.
#[derive(Clone, Debug)]
pub struct Integer {
    /// Least and most.
    pub bounds: Bounds,
    /// What texts such as `5m30s` are read by.
    pub units: Option<Units>,
}

/// The type of floats.
#[derive(Clone, Debug)]
pub struct Float {
    /// At least.
    pub min: Option<f64>,
    /// At most.
    pub max: Option<f64>,
    /// What texts such as `5m30s` are read by.
    pub units: Option<Units>,
}

/// One of several integers.
#[derive(Clone, Debug)]
pub struct EnumInteger {
    /// The integers.
    pub values: Vec<i128>,
    /// What texts such as `5m30s` are read by.
    pub units: Option<Units>,
}

impl Integer {
    pub(super) fn read(fields: &Fields<'_>) -> Read<Self> {
        Ok(Self { bounds: fields.bounds()?, units: Units::of(fields)? })
    }

    pub(super) fn accept<'a>(&self, datum: &'a Datum) -> Accepted<'a> {
        let value = to_integer(datum, self.units.as_ref())?;
        self.bounds.admit(value, "the value")?;
        let int = Datum::Int(Int::new(value).ok_or_else(|| Fault::new("is out of range"))?);
        Ok(as_it_stands(datum, int))
    }
}

impl Float {
    pub(super) fn read(fields: &Fields<'_>) -> Read<Self> {
        let (min, max) = (fields.number("min")?, fields.number("max")?);
        Ok(Self { min, max, units: Units::of(fields)? })
    }

    pub(super) fn accept<'a>(&self, datum: &'a Datum) -> Accepted<'a> {
        let value = to_float(datum, self.units.as_ref())?;
        if self.min.is_some_and(|min| value < min) || self.max.is_some_and(|max| value > max) {
            return Err(Fault::new(format!("the value {value} is out of bounds")));
        }
        Ok(as_it_stands(datum, Datum::from(value)))
    }
}

impl EnumInteger {
    pub(super) fn read(fields: &Fields<'_>) -> Read<Self> {
        let value = |key: &Datum| to_integer(key, None).map_err(|_| Fault::new("a value is no integer"));
        let values = fields.shown("values")?.into_iter().map(value).collect::<Read<_>>()?;
        Ok(Self { values, units: Units::of(fields)? })
    }

    pub(super) fn accept<'a>(&self, datum: &'a Datum) -> Accepted<'a> {
        let value = to_integer(datum, self.units.as_ref())?;
        if !self.values.contains(&value) {
            return Err(Fault::new(format!("{value} is none of {:?}", self.values)));
        }
        Ok(Int::new(value).map_or(Cow::Borrowed(datum), |int| as_it_stands(datum, Datum::Int(int))))
    }
}

/// An integer of 64 bits, or what converts to one (sdk-go schema/int.go, lines 156-209).
pub(super) fn to_integer(datum: &Datum, units: Option<&Units>) -> Read<i128> {
    let value = match datum {
        Datum::Int(int) => Some(int.value()),
        Datum::Float(value, _) if value.fract() == 0.0 => Some(*value as i128),
        Datum::Bool(value) => Some(i128::from(*value)),
        other => other.as_text().and_then(|text| match units {
            Some(units) => units.integer(&text),
            None => text.trim().parse().ok(),
        }),
    };
    let value = value.ok_or_else(|| Fault::new(format!("is {}, not an integer", datum.kind())))?;
    i64::try_from(value).map(i128::from).map_err(|_| Fault::new("is beyond 64 bits"))
}

/// A float, or what converts to one.
pub(super) fn to_float(datum: &Datum, units: Option<&Units>) -> Read<f64> {
    let value = match datum {
        Datum::Float(value, _) => Some(*value),
        Datum::Int(int) => Some(int.value() as f64),
        Datum::Bool(value) => Some(f64::from(u8::from(*value))),
        other => other.as_text().and_then(|text| match units {
            Some(units) => units.float(&text),
            None => text.trim().parse().ok(),
        }),
    };
    value.ok_or_else(|| Fault::new(format!("is {}, not a float", datum.kind())))
}
