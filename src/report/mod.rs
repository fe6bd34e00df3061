//! Reports: each is a function of the events of a run. A reporter never decides.

mod columns;
mod github;
mod html;
mod human;
mod jsonl;
mod junit;
mod markdown;

pub use github::Github;
pub use html::Html;
pub use human::{Human, closing_line};
pub use jsonl::Jsonl;
pub use junit::Junit;
pub use markdown::Markdown;

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
    /// The end of the command line that runs it again.
    pub again: &'a str,
    /// Whether its verdicts set the exit status: not in another profile than the subject's own.
    pub decides: bool,
}

impl About<'_> {
    /// What a reader must know about the profile.
    fn note(&self) -> Option<&str> {
        self.suite.notes.get(self.profile).map(String::as_str)
    }
}

/// The formats of `--report FORMAT=PATH`.
pub const FORMATS: [&str; 5] = ["jsonl", "junit", "github", "markdown", "html"];

/// A reporter of a format that writes to a file; `None` for a format that is none.
pub fn of_format(format: &str, out: impl std::io::Write + Send + 'static) -> Option<Box<dyn Reporter>> {
    match format {
        "jsonl" => Some(Box::new(Jsonl::new(out))),
        "junit" => Some(Box::new(Junit::new(out))),
        "github" => Some(Box::new(Github::new(out))),
        "markdown" => Some(Box::new(Markdown::new(out))),
        "html" => Some(Box::new(Html::new(out))),
        _ => None,
    }
}

/// The line of the step or rule that is charged.
fn line_of(text: &str, judged: Option<&crate::runner::Judged>) -> usize {
    let at = judged.map_or(0, |judged| judged.finding.span.0).min(text.len());
    text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// Takes the events of a run.
pub trait Reporter: Send {
    /// Takes one event.
    fn on(&mut self, about: About<'_>, event: &RunEvent);

    /// All runs are over.
    ///
    /// # Errors
    /// The report could not be written.
    fn finish(&mut self, exit: i32) -> std::io::Result<()>;
}
