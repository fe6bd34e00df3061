//! Where in a value something is.

use std::fmt;

use super::Datum;

/// A place inside a value, from the outside in; written like a JSON pointer (RFC 6901): `/data/list/3`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(Vec<String>);

impl Path {
    /// The whole value.
    pub fn root() -> Self {
        Self::default()
    }

    /// Prepends the name of the value that encloses this place.
    pub fn under(mut self, outer: &Datum) -> Self {
        self.0.insert(0, outer.as_inserted().unwrap_or_else(|| outer.to_string()));
        self
    }

    /// Prepends the position in the list that encloses this place.
    pub fn under_index(mut self, index: usize) -> Self {
        self.0.insert(0, index.to_string());
        self
    }

    /// How deep it is; the root is 0.
    pub fn depth(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.0 {
            write!(f, "/{}", step.replace('~', "~0").replace('/', "~1"))?;
        }
        Ok(())
    }
}
