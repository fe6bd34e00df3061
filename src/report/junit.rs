//! JUnit XML, for CI servers.

use std::io::Write;
use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{About, Reporter};
use crate::runner::{CaseResult, RunEvent, Verdict};

/// The reporter; it writes when all runs are over.
pub struct Junit<W: Write> {
    out: W,
    report: Report,
    suite: Option<TestSuite>,
}

impl<W: Write> Junit<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self { out, report: Report::new("plugfest"), suite: None }
    }
}

fn test_case(result: &CaseResult) -> TestCase {
    let messages: Vec<String> = result
        .findings
        .iter()
        .filter(|judged| !judged.accepted)
        .map(|judged| format!("{} {}: {}", judged.level, judged.finding.requirement, judged.finding.message))
        .collect();
    let status = match result.verdict {
        Verdict::Pass | Verdict::Warn => TestCaseStatus::success(),
        Verdict::Fail => told(NonSuccessKind::Failure, "fail", &messages.join("\n")),
        Verdict::Inconclusive => told(NonSuccessKind::Error, "inconclusive", &result.reason),
        Verdict::Blocked | Verdict::NotRun | Verdict::NotApplicable => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(printable(&result.reason));
            status
        }
    };
    let mut case = TestCase::new(printable(&result.id), status);
    case.set_time(Duration::from_millis(result.millis));
    case.set_classname(format!("{}.{}", result.suite, result.profile));
    if result.verdict == Verdict::Warn {
        case.set_system_out(printable(&messages.join("\n")));
    }
    case
}

fn told(kind: NonSuccessKind, word: &str, message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(word).set_message(printable(message));
    status
}

/// What XML 1.0 can hold: control characters are replaced.
fn printable(text: &str) -> String {
    let fine = |c: char| {
        matches!(c, '\n' | '\t') || (c >= ' ' && !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}'))
    };
    text.chars().map(|c| if fine(c) { c } else { '\u{fffd}' }).collect()
}

impl<W: Write + Send> Reporter for Junit<W> {
    fn on(&mut self, about: About<'_>, event: &RunEvent) {
        match event {
            RunEvent::Started { suite, .. } => {
                let name = format!(
                    "{suite} {} ({}) {}, {}",
                    about.subject.role, about.profile, about.subject.name, about.vehicle
                );
                self.suite = Some(TestSuite::new(printable(&name)));
            }
            RunEvent::Finished(result) if result.selected => {
                if let Some(suite) = &mut self.suite {
                    suite.add_test_case(test_case(result));
                }
            }
            RunEvent::Ended { .. } => {
                self.report.add_test_suites(self.suite.take());
            }
            _ => {}
        }
    }

    fn finish(&mut self, _: i32) -> std::io::Result<()> {
        self.report.serialize(&mut self.out).map_err(std::io::Error::other)?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_breaks_the_document() {
        let text = "a\u{0}b\u{1b}[31m<script>&\u{ffff}";
        assert_eq!(printable(text), "a\u{fffd}b\u{fffd}[31m<script>&\u{fffd}");
        let mut report = Report::new(printable(text));
        let mut suite = TestSuite::new(printable(text));
        suite.add_test_case(TestCase::new(printable(text), told(NonSuccessKind::Failure, "fail", text)));
        report.add_test_suite(suite);
        let xml = report.to_string().expect("XML");
        let again = Report::deserialize_from_str(&xml).expect("parses");
        assert_eq!(again.test_suites[0].test_cases[0].name.as_str(), printable(text));
    }
}
