//! The acts of scenarios, one file each.
//!
//! To add one: a file with a type that implements [`StepAct`] and a `read` function, and a row in [`TABLE`].

mod close;
mod exit;
mod flow;
mod inspect;
mod listen;
mod open;
mod part;
mod raw;
mod request;
mod respond;
mod send;
mod signal;
mod start;
mod stderr;
mod trigger;

use std::fmt::Debug;
use std::sync::Arc;

use super::stage::Stage;
use crate::actor::ActId;
use crate::datum::Names;
use crate::scenario::table::{Table, Text};
use crate::scenario::{Step, Verb};

/// An act of ours in a scenario.
pub trait StepAct: Debug + Send + Sync {
    /// Does it.
    fn run(&self, stage: &mut Stage<'_>) -> Ran;

    /// The names that must be bound before it runs.
    fn names(&self, _names: &mut Names) {}

    /// The lane that it brings into being; `on` is what its step says.
    fn makes<'a>(&'a self, _on: Option<&'a str>) -> Option<Made<'a>> {
        None
    }

    /// The lane of a step that does not say.
    fn default_lane(&self) -> Option<&'static str> {
        None
    }

    /// Whether it says when the subject starts.
    fn starts_subject(&self) -> bool {
        false
    }

    /// Whether its case cannot share a process.
    fn needs_own_process(&self) -> bool {
        false
    }
}

/// A lane that an act brings into being.
#[derive(Debug)]
pub struct Made<'a> {
    /// Its name.
    pub name: &'a str,
    /// The lane whose codec, default and address it has; the role's first if `None`.
    pub like: Option<&'a str>,
    /// Its codec, if not that of `like`.
    pub codec: Option<&'a str>,
    /// Whether it carries exchanges of ours, charged to the role's `exchange`.
    pub is_exchange: bool,
}

/// The lane that a step brings into being, if it does; `outer` is where its rule stands.
pub fn made_by<'a>(step: &'a Step, outer: Option<&'a Text>) -> Option<Made<'a>> {
    let Verb::Act(act) = &step.verb else { return None };
    act.makes(step.on.as_ref().or(outer).map(|on| on.text.as_str()))
}

/// What became of an act.
#[derive(Debug, PartialEq)]
pub enum Ran {
    /// Its last byte is queued.
    Done,
    /// It cannot run yet: no connection.
    NotYet,
    /// The world is asked; the act is met when it answers.
    Asked(ActId),
    /// We cannot do it.
    Failed(String),
}

type Read = fn(&Table<'_>) -> Option<Arc<dyn StepAct>>;

/// Every act by its key.
const TABLE: &[(&str, Read)] = &[
    ("close", close::read),
    ("event", part::read_event),
    ("exit", exit::read),
    ("inspect", inspect::read),
    ("listen", listen::read),
    ("open", open::read),
    ("part", part::read_part),
    ("pause", flow::read_pause),
    ("raw", raw::read),
    ("request", request::read),
    ("respond", respond::read),
    ("resume", flow::read_resume),
    ("send", send::read),
    ("signal", signal::read),
    ("start", start::read),
    ("stderr", stderr::read),
    ("trigger", trigger::read),
    ("unlisten", listen::read_unlisten),
];

/// The keys of all verbs.
pub fn verbs() -> impl Iterator<Item = &'static str> + Clone {
    ["expect", "quiet", "drive"].into_iter().chain(TABLE.iter().map(|(verb, _)| *verb))
}

/// Reads an act by its key.
pub fn read_act(verb: &str, table: &Table<'_>) -> Option<Arc<dyn StepAct>> {
    let (_, read) = TABLE.iter().find(|(known, _)| *known == verb)?;
    read(table)
}
