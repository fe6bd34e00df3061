//! Reports: each is a function of the events of a run. A reporter never decides.

mod human;
mod jsonl;

pub use human::{Human, closing_line};
pub use jsonl::Jsonl;

use crate::runner::RunEvent;
use crate::scenario::Suite;
use crate::subject::Subject;

/// What a reporter knows of the run that it reports on.
#[derive(Clone, Copy)]
pub struct About<'a> {
    /// The suite.
    pub suite: &'a Suite,
    /// The subject.
    pub subject: &'a Subject,
    /// The profile.
    pub profile: &'a str,
    /// How the subject is reached: `simulator` or `process`.
    pub vehicle: &'a str,
}

/// Takes the events of a run.
pub trait Reporter {
    /// Takes one event.
    fn on(&mut self, about: About<'_>, event: &RunEvent);

    /// All runs are over.
    ///
    /// # Errors
    /// The report could not be written.
    fn finish(&mut self, exit: i32) -> std::io::Result<()>;
}
