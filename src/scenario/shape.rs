//! What reading asks of a table: its keys, and what each may hold. The source of the schema for editors.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// What a key may hold, as the loader asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holds {
    /// A text, or a number or boolean by its text.
    Text,
    /// The same, and it must be there.
    Needed,
    /// A text or a list of texts.
    Texts,
    /// True or false.
    Flag,
    /// An integer of 0 or more.
    Count,
    /// One or a list of them.
    Counts,
    /// A table.
    Table,
    /// A list of tables.
    Tables,
    /// A text, a number, a boolean, or `{ edn = ".." }`.
    Scalar,
}

/// The keys that were asked for.
#[derive(Clone, Debug, Default)]
pub struct Shape {
    /// Each with what it may hold.
    pub keys: BTreeMap<String, Key>,
}

/// One key.
#[derive(Clone, Debug, Default)]
pub struct Key {
    /// What it was asked to hold.
    pub holds: BTreeSet<Holds>,
    inner: Vec<Rc<RefCell<Shape>>>,
}

impl Shape {
    pub(super) fn note(&mut self, key: &str, holds: Holds) {
        self.keys.entry(key.into()).or_default().holds.insert(holds);
    }

    /// The shape of a table under a key; of a list each has its own.
    pub(super) fn inner(&mut self, key: &str) -> Rc<RefCell<Shape>> {
        let shape = Rc::default();
        self.keys.entry(key.into()).or_default().inner.push(Rc::clone(&shape));
        shape
    }
}

impl Key {
    /// The tables under it.
    pub fn tables(&self) -> Vec<Shape> {
        self.inner.iter().map(|shape| shape.borrow().clone()).collect()
    }
}
