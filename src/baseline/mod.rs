//! Accepted findings: each with its reason, its source and its capture. The list can only shrink honestly.

mod update;

use std::collections::BTreeSet;
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
    /// Its cases; all rows of a scenario are `path[*]`.
    cases: Vec<String>,
    requirement: String,
    /// `OUTCOME STEP [PATH] [KIND]`
    finding: String,
    reason: String,
    /// What was seen of it in this run.
    seen: Seen,
}

/// What a run showed of an entry: ids of cases.
#[derive(Clone, Debug, Default)]
struct Seen {
    /// Those that it names.
    named: BTreeSet<String>,
    /// Of them, those that were played.
    played: BTreeSet<String>,
    /// Of them, those that have the finding.
    hit: BTreeSet<String>,
    /// Of them, those in which its requirement is broken, but otherwise.
    otherwise: BTreeSet<String>,
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
        Self::parse(&file, &text)
    }

    /// Reads the text of a baseline.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(file: &str, text: &str) -> Result<Self, FileErrors> {
        let document = Document::parse(file, text);
        let root = document.root();
        let entries = root.tables("accept").iter().map(entry).collect();
        root.finish();
        document.errors()?;
        Ok(Self { file: file.into(), text: text.into(), entries })
    }

    /// Why a finding on a requirement is accepted: what the first entry that names it says.
    pub fn reason(&self, requirement: &str) -> Option<&str> {
        let entry = self.entries.iter().find(|entry| entry.requirement == requirement)?;
        Some(&entry.reason)
    }

    /// The file that it was read from.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Compares a case with the entries, accepts its findings, and sets its verdict and [`Against`].
    pub fn apply(&mut self, result: &mut CaseResult) {
        self.see(result);
        for judged in result.findings.iter_mut().filter(|judged| judged.level > Level::May) {
            judged.accepted = self.entries.iter().any(|entry| entry.accepts(&result.id, &judged.finding));
        }
        if matches!(result.verdict, Verdict::Pass | Verdict::Warn | Verdict::Fail) {
            result.verdict = CaseResult::worst(&result.findings);
        }
        let open = result.findings.iter().any(|judged| !judged.accepted);
        let any = !result.findings.is_empty();
        result.baseline = any.then_some(if open { Against::Unexpected } else { Against::Expected });
    }

    /// Notes what a case shows of the entries.
    fn see(&mut self, result: &CaseResult) {
        for entry in self.entries.iter_mut().filter(|entry| entry.names(&result.id)) {
            entry.see(result);
        }
    }

    /// The entries that did not hold: what to do about each.
    pub fn stale(&self, whole_suite: bool) -> Vec<FileErrors> {
        let problem = |entry: &Entry| {
            let (message, help) = entry.stale(whole_suite)?;
            Some(Problem { help: Some(help), ..Problem::new(entry.span.clone(), message) })
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
        self.cases.iter().any(|own| match own.strip_suffix("[*]") {
            Some(scenario) => case.split(['[', '@']).next() == Some(scenario),
            None => case == own,
        })
    }

    fn see(&mut self, result: &CaseResult) {
        let id = || result.id.clone();
        self.seen.named.insert(id());
        if matches!(result.verdict, Verdict::NotRun | Verdict::NotApplicable | Verdict::Blocked) {
            return;
        }
        self.seen.played.insert(id());
        let mut same = result.findings.iter().filter(|judged| judged.finding.requirement == self.requirement);
        if result.findings.iter().any(|judged| self.accepts(&result.id, &judged.finding)) {
            self.seen.hit.insert(id());
        } else if same.next().is_some() {
            self.seen.otherwise.insert(id());
        }
    }

    /// Why it does not hold any more, and what to do.
    fn stale(&self, whole_suite: bool) -> Option<(String, String)> {
        let Seen { named, played, hit, otherwise } = &self.seen;
        let told = |message: String, help: &str| Some((message, help.to_owned()));
        if named.is_empty() && whole_suite {
            return told(
                format!("no match: the suite has no case `{}`", self.cases.join("`, `")),
                "remove the entry, or name the case as `plugfest list` does",
            );
        }
        if let (true, Some(case)) = (hit.is_empty(), otherwise.first()) {
            return told(
                format!("other reason: {case} breaks {} otherwise", self.requirement),
                "compare the finding of the report with its bytes, then rewrite the entry",
            );
        }
        if hit.is_empty() && !played.is_empty() {
            return told(
                format!("unexpected pass: {} is not broken here any more", self.requirement),
                "the subject is mended: remove the entry",
            );
        }
        if let Some(row) = played.difference(hit).next().filter(|_| !hit.is_empty()) {
            return told(
                format!("too wide: {row} does not show this finding"),
                "name each case that does in an entry of its own",
            );
        }
        None
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

/// `case`, or `cases` where one defect shows in many in the same way.
fn cases(table: &Table<'_>) -> Vec<String> {
    match table.texts("cases") {
        many if !many.is_empty() => many.into_iter().map(|text| text.text).collect(),
        _ => vec![table.need_text("case").text],
    }
}

fn entry(table: &Table<'_>) -> Entry {
    let entry = Entry {
        span: table.span.clone(),
        cases: cases(table),
        requirement: table.need_text("requirement").text,
        finding: table.need_text("finding").text,
        reason: table.text("reason").map_or(String::new(), |text| text.text),
        seen: Seen::default(),
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
    if entry.cases.iter().any(|case| case.contains('*') && !case.ends_with("[*]")) {
        table.problem(
            table.span.clone(),
            "too wide: an entry names its cases, or all rows of a scenario as `path[*]`",
        );
    }
    table.finish();
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(head: &str) -> Result<Baseline, FileErrors> {
        let rest =
            "requirement = \"R\"\nfinding = \"late x\"\nreason = \"r\"\nsource = \"s\"\ncapture = \"c\"\n";
        Baseline::parse("b.toml", &format!("[[accept]]\n{head}\n{rest}"))
    }

    #[test]
    fn an_entry_names_a_case_or_a_list() {
        let one = parsed("case = \"a/b[row]\"").expect("right");
        assert!(one.entries[0].names("a/b[row]") && !one.entries[0].names("a/b[other]"));
        let many = parsed("cases = [\"a/b\", \"a/c[*]\"]").expect("right");
        for (case, named) in [("a/b", true), ("a/c[x]", true), ("a/c[y]@m", true), ("a/d", false)] {
            assert_eq!(many.entries[0].names(case), named, "{case}");
        }
        assert!(parsed("").is_err() && parsed("case = \"*\"").is_err());
    }
}
