//! Annotations for GitHub Actions: workflow commands on the line of the broken step.

use std::io::Write;

use super::{About, Reporter, line_of};
use crate::requirement::Level;
use crate::runner::{CaseResult, RunEvent, Verdict};

/// The reporter.
pub struct Github<W: Write> {
    out: W,
    error: Option<std::io::Error>,
}

impl<W: Write> Github<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self { out, error: None }
    }

    fn case(&mut self, about: About<'_>, result: &CaseResult) {
        for judged in result.findings.iter().filter(|judged| !judged.accepted) {
            let word = if judged.level == Level::Must { "error" } else { "warning" };
            let line = line_of(&result.text, Some(judged));
            let rule =
                about.suite.registry.get(&judged.finding.requirement).map_or("", |rule| rule.rule.as_str());
            let title = format!("{} {}", judged.finding.requirement, result.id);
            let message = format!("{}\n{rule}", judged.finding.message);
            let written = writeln!(
                self.out,
                "::{word} file={},line={line},title={}::{}",
                property(&result.file),
                property(&title),
                data(&message)
            );
            self.error = self.error.take().or(written.err());
        }
        if result.verdict == Verdict::Inconclusive {
            let written = writeln!(
                self.out,
                "::error file={},title={}::{}",
                property(&result.file),
                property(&result.id),
                data(&result.reason)
            );
            self.error = self.error.take().or(written.err());
        }
    }
}

/// Escapes a message of a workflow command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes a property of a workflow command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

impl<W: Write + Send> Reporter for Github<W> {
    fn on(&mut self, about: About<'_>, event: &RunEvent) {
        if let RunEvent::Finished(result) = event
            && result.selected
        {
            self.case(about, result);
        }
    }

    fn finish(&mut self, _: i32) -> std::io::Result<()> {
        match self.error.take() {
            Some(error) => Err(error),
            None => self.out.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_a_command_early() {
        assert_eq!(property("a:b,c%\n"), "a%3Ab%2Cc%25%0A");
    }
}
