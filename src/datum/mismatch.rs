//! The first difference between what was expected and what came.

use std::fmt::Display;

use super::{Datum, Path, brief};

/// How a value differs from a pattern. Part of the identity of a finding, so names never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MismatchKind {
    /// Another type of value.
    Type,
    /// The right type, another value.
    Value,
    /// A key or element is missing.
    Missing,
    /// A key or element too many.
    Extra,
    /// A key that occurs twice.
    Duplicate,
    /// A length out of bounds.
    Length,
    /// Something else than a message where a message was expected, or the other way round.
    Observation,
}

impl MismatchKind {
    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Type => "type",
            Self::Value => "value",
            Self::Missing => "missing",
            Self::Extra => "extra",
            Self::Duplicate => "duplicate",
            Self::Length => "length",
            Self::Observation => "observation",
        }
    }
}

/// One difference, exact to the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Where.
    pub path: Path,
    /// How.
    pub kind: MismatchKind,
    /// What was wanted there, for people.
    pub wanted: String,
    /// What stood there, for people.
    pub got: String,
}

impl Mismatch {
    /// A difference at this very value.
    pub fn new(kind: MismatchKind, wanted: impl Display, got: impl Display) -> Self {
        Self { path: Path::root(), kind, wanted: wanted.to_string(), got: got.to_string() }
    }

    /// A difference at this very value: another value where this was wanted.
    pub fn value(wanted: impl Display, got: &Datum) -> Self {
        Self::new(MismatchKind::Value, wanted, brief(got))
    }

    /// A difference at this very value: a value of another type.
    pub fn of_type(wanted: impl Display, got: &Datum) -> Self {
        let (kind, got) = (got.kind(), brief(got));
        let got = if *kind == *got { got } else { format!("{kind} {got}") };
        Self::new(MismatchKind::Type, wanted, got)
    }

    /// The same difference, seen from the map that holds it under `key`.
    pub fn under(mut self, key: &Datum) -> Self {
        self.path = self.path.under(key);
        self
    }

    /// The same difference, seen from the list that holds it at `index`.
    pub fn under_index(mut self, index: usize) -> Self {
        self.path = self.path.under_index(index);
        self
    }
}

impl Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.path.depth() > 0 {
            write!(f, "at {}: ", self.path)?;
        }
        write!(f, "wanted {}, got {}", self.wanted, self.got)
    }
}
