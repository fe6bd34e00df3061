//! Accepted findings: each with its reason, its source and its capture. The list can only shrink honestly.

use std::path::Path;

use crate::play::Finding;
use crate::requirement::Level;
use crate::runner::{Against, CaseResult, Verdict};
use crate::scenario::error::{FileErrors, Problem};
use crate::scenario::table::{Document, Span, Table};

/// A file of accepted findings.
#[derive(Clone, Debug, Default)]
pub struct Baseline {
    file: String,
    text: String,
    entries: Vec<Entry>,
}

/// One accepted finding.
#[derive(Clone, Debug)]
struct Entry {
    span: Span,
    /// The case, or all rows of a scenario: `path[*]`.
    case: String,
    requirement: String,
    /// `OUTCOME STEP [PATH] [KIND]`
    finding: String,
    /// What was seen of it in this run.
    hits: usize,
    /// Cases that it names and that were played.
    played: usize,
    /// Whether it names any case of the plan.
    named: bool,
}

impl Baseline {
    /// Reads a baseline.
    ///
    /// # Errors
    /// Everything that is wrong with the file.
    pub fn read(path: &Path) -> Result<Self, FileErrors> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| FileErrors::unreadable(&file, format!("cannot be read: {error}")))?;
        let document = Document::parse(&file, &text);
        let root = document.root();
        let entries = root.tables("accept").iter().map(entry).collect();
        root.finish();
        document.errors()?;
        Ok(Self { file, text, entries })
    }

    /// Compares a case with the entries, accepts its findings, and sets its verdict and [`Against`].
    pub fn apply(&mut self, result: &mut CaseResult) {
        for entry in self.entries.iter_mut().filter(|entry| entry.names(&result.id)) {
            entry.named = true;
            entry.played += usize::from(!matches!(
                result.verdict,
                Verdict::NotRun | Verdict::NotApplicable | Verdict::Blocked
            ));
        }
        for judged in result.findings.iter_mut().filter(|judged| judged.level > Level::May) {
            let entry = self.entries.iter_mut().find(|entry| entry.accepts(&result.id, &judged.finding));
            if let Some(entry) = entry {
                entry.hits += 1;
                judged.accepted = true;
            }
        }
        if matches!(result.verdict, Verdict::Pass | Verdict::Warn | Verdict::Fail) {
            result.verdict = CaseResult::worst(&result.findings);
        }
        let open = result.findings.iter().any(|judged| !judged.accepted);
        let any = !result.findings.is_empty();
        result.baseline = any.then_some(if open { Against::Unexpected } else { Against::Expected });
    }

    /// The entries that did not hold: what to do about each.
    pub fn stale(&self, whole_suite: bool) -> Vec<FileErrors> {
        let problem = |entry: &Entry| {
            let message = match (entry.named, entry.played, entry.hits) {
                (_, _, 1..) => return None,
                (false, _, _) if whole_suite => "this entry names no case of the suite: remove it",
                (true, 1.., _) => {
                    "this finding did not show: the subject is mended, or fails otherwise; remove or rewrite the entry"
                }
                _ => return None,
            };
            Some(Problem::new(entry.span.clone(), message))
        };
        let problems: Vec<Problem> = self.entries.iter().filter_map(problem).collect();
        let errors = |problem| FileErrors {
            file: self.file.clone(),
            text: self.text.clone(),
            problems: vec![problem],
        };
        problems.into_iter().map(errors).collect()
    }
}

impl Entry {
    fn names(&self, case: &str) -> bool {
        match self.case.strip_suffix("[*]") {
            Some(scenario) => case.split(['[', '@']).next() == Some(scenario),
            None => case == self.case,
        }
    }

    fn accepts(&self, case: &str, finding: &Finding) -> bool {
        self.names(case) && self.requirement == finding.requirement && self.finding == identity(finding)
    }
}

/// What recognises a finding again: outcome, step, and where given path and kind.
pub fn identity(finding: &Finding) -> String {
    let parts = [finding.outcome.name(), finding.step.as_str(), finding.path.as_str(), finding.kind.as_str()];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

fn entry(table: &Table<'_>) -> Entry {
    let entry = Entry {
        span: table.span.clone(),
        case: table.need_text("case").text,
        requirement: table.need_text("requirement").text,
        finding: table.need_text("finding").text,
        hits: 0,
        played: 0,
        named: false,
    };
    for (key, what) in [
        ("reason", "why it is accepted"),
        ("source", "the source line or upstream link"),
        ("capture", "where its bytes are"),
    ] {
        if table.text(key).is_none_or(|text| text.text.trim().is_empty()) {
            table.problem(table.span.clone(), format!("`{key}` is missing: {what}"));
        }
    }
    if entry.case.contains('*') && !entry.case.ends_with("[*]") {
        table.problem(
            table.span.clone(),
            "too wide: an entry names one case, or all rows of one scenario as `path[*]`",
        );
    }
    table.finish();
    entry
}
