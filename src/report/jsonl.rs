//! One JSON object a line, for programs: stable names, always the same order of keys (reports/schemas/jsonl.json).

use std::io::Write;

use serde::Serialize;

use super::{About, Reporter};
use crate::runner::{Against, CaseResult, Counts, Judged, RunEvent};

/// The reporter.
pub struct Jsonl<W: Write> {
    out: W,
    error: Option<std::io::Error>,
    counts: Counts,
    millis: u64,
}

#[derive(Serialize)]
struct RunStarted<'a> {
    event: &'static str,
    plugfest: &'static str,
    suite: &'a str,
    role: &'a str,
    profile: &'a str,
    subject: &'a str,
    vehicle: &'a str,
    cases: usize,
}

#[derive(Serialize)]
struct CaseStarted<'a> {
    event: &'static str,
    case: &'a str,
}

#[derive(Serialize)]
struct CaseFinished<'a> {
    event: &'static str,
    case: &'a str,
    scenario: &'a str,
    row: &'a str,
    mode: &'a str,
    profile: &'a str,
    verdict: &'static str,
    findings: Vec<FindingLine<'a>>,
    baseline: Option<Against>,
    traits: &'a [String],
    by: Option<&'a str>,
    defect: bool,
    millis: u64,
    transcript: Option<&'a str>,
    suite: &'a str,
    role: &'a str,
    vehicle: &'a str,
    reason: &'a str,
    notes: &'a [String],
}

#[derive(Serialize)]
struct BaselineStale<'a> {
    event: &'static str,
    file: &'a str,
    message: &'a str,
}

#[derive(Serialize)]
struct FindingLine<'a> {
    requirement: &'a str,
    level: &'static str,
    outcome: &'static str,
    message: &'a str,
    step: &'a str,
    path: &'a str,
    kind: &'a str,
    accepted: bool,
}

#[derive(Serialize)]
struct RunFinished<'a> {
    event: &'static str,
    counts: &'a Counts,
    exit: i32,
    millis: u64,
}

impl<W: Write> Jsonl<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self { out, error: None, counts: Counts::default(), millis: 0 }
    }

    fn line(&mut self, line: &impl Serialize) {
        if self.error.is_none() {
            let written = serde_json::to_writer(&mut self.out, line).map_err(std::io::Error::from);
            self.error = written.and_then(|()| self.out.write_all(b"\n")).err();
        }
    }
}

fn finding(judged: &Judged) -> FindingLine<'_> {
    let level = match judged.level {
        crate::requirement::Level::Must => "must",
        crate::requirement::Level::Should => "should",
        crate::requirement::Level::May => "may",
    };
    let finding = &judged.finding;
    FindingLine {
        requirement: &finding.requirement,
        level,
        outcome: finding.outcome.name(),
        message: &finding.message,
        step: &finding.step,
        path: &finding.path,
        kind: &finding.kind,
        accepted: judged.accepted,
    }
}

fn case_line<'a>(about: About<'a>, result: &'a CaseResult) -> CaseFinished<'a> {
    CaseFinished {
        event: "case-finished",
        case: &result.id,
        scenario: &result.scenario,
        row: &result.row,
        mode: &result.mode,
        profile: &result.profile,
        verdict: result.verdict.name(),
        findings: result.findings.iter().map(finding).collect(),
        baseline: result.baseline,
        traits: &result.traits,
        by: result.by.as_deref(),
        defect: result.defect,
        millis: result.millis,
        transcript: result.transcript.as_deref(),
        suite: &result.suite,
        role: &about.subject.role,
        vehicle: about.vehicle,
        reason: &result.reason,
        notes: &result.notes,
    }
}

impl<W: Write + Send> Reporter for Jsonl<W> {
    fn on(&mut self, about: About<'_>, event: &RunEvent) {
        match event {
            RunEvent::Started { suite, cases } => self.line(&RunStarted {
                event: "run-started",
                plugfest: env!("CARGO_PKG_VERSION"),
                suite,
                role: &about.subject.role,
                profile: about.profile,
                subject: &about.subject.name,
                vehicle: about.vehicle,
                cases: *cases,
            }),
            RunEvent::CaseStarted { id } => self.line(&CaseStarted { event: "case-started", case: id }),
            RunEvent::Finished(result) => self.line(&case_line(about, result)),
            RunEvent::Stale(entry) => self.line(&BaselineStale {
                event: "baseline-stale",
                file: &entry.file,
                message: entry.problems.first().map_or("", |problem| &problem.message),
            }),
            RunEvent::Ended { counts, millis } => {
                self.counts.merge(counts);
                self.millis += millis;
            }
        }
    }

    fn finish(&mut self, exit: i32) -> std::io::Result<()> {
        let (counts, millis) = (self.counts.clone(), self.millis);
        self.line(&RunFinished { event: "run-finished", counts: &counts, exit, millis });
        match self.error.take() {
            Some(error) => Err(error),
            None => self.out.flush(),
        }
    }
}
