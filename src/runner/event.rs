//! What a run tells.

use serde::Serialize;

use crate::actor::Nanos;
use crate::plan::Case;
use crate::play::{Breach, Entry, Finding};
use crate::requirement::Level;
use crate::scenario::error::FileErrors;

/// Something that happened in a run.
#[derive(Clone, Debug)]
pub enum RunEvent {
    /// The run begins.
    Started {
        /// The suite.
        suite: String,
        /// How many cases were selected.
        cases: usize,
    },
    /// A case begins.
    CaseStarted {
        /// Its id.
        id: String,
    },
    /// A case is over.
    Finished(Box<CaseResult>),
    /// An entry of the baseline does not hold any more.
    Stale(FileErrors),
    /// The run is over.
    Ended {
        /// How many cases of each verdict.
        counts: Counts,
        /// How long it took.
        millis: u64,
    },
}

/// What became of a case, from good to bad; the last three stand apart and never certify.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Nothing is wrong.
    Pass,
    /// A SHOULD is broken.
    Warn,
    /// We could not tell.
    Inconclusive,
    /// A MUST is broken.
    Fail,
    /// A needed rule is broken elsewhere.
    Blocked,
    /// Slow, filtered, sharded or stopped.
    NotRun,
    /// It does not concern this subject.
    NotApplicable,
}

impl Verdict {
    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Warn => "warn",
            Verdict::Inconclusive => "inconclusive",
            Verdict::Fail => "fail",
            Verdict::Blocked => "blocked",
            Verdict::NotRun => "not-run",
            Verdict::NotApplicable => "not-applicable",
        }
    }
}

/// A finding with the level of its requirement.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The finding.
    pub finding: Finding,
    /// How strongly its requirement binds here.
    pub level: Level,
    /// Whether the baseline accepts it.
    pub accepted: bool,
}

/// A case and what became of it.
#[derive(Clone, Debug)]
pub struct CaseResult {
    /// Its id.
    pub id: String,
    /// Its suite.
    pub suite: String,
    /// Its scenario.
    pub scenario: String,
    /// Its row.
    pub row: String,
    /// Its mode.
    pub mode: String,
    /// Its profile.
    pub profile: String,
    /// The behaviour wanted.
    pub summary: String,
    /// The file of its scenario.
    pub file: String,
    /// The text of that file.
    pub text: std::sync::Arc<str>,
    /// What became of it.
    pub verdict: Verdict,
    /// Why, where it was not played.
    pub reason: String,
    /// Broken rules.
    pub findings: Vec<Judged>,
    /// `None` without a baseline; else whether it is as the baseline says.
    pub baseline: Option<Against>,
    /// Traits of the subject that showed.
    pub traits: Vec<String>,
    /// What people should know of the run.
    pub notes: Vec<String>,
    /// What blocks it.
    pub by: Option<String>,
    /// A defect of ours.
    pub defect: bool,
    /// How long it took.
    pub millis: u64,
    /// How long it took by the clock of the simulator, with the pauses that processes are given between the pieces of a
    /// write, if it was played there; else 0.
    pub simulated: Nanos,
    /// Where its transcript is kept.
    pub transcript: Option<String>,
    /// The last part of the exchange.
    pub chart: Vec<Entry>,
    /// Whether it was selected, or only joined as a probe.
    pub selected: bool,
}

/// A case beside the baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Against {
    /// Its findings are exactly those that are accepted.
    Expected,
    /// It has findings that nobody accepted.
    Unexpected,
    /// An accepted finding did not show.
    Stale,
}

impl CaseResult {
    /// A case that was not played.
    pub fn not_played(case: &Case, verdict: Verdict, why: &str) -> Self {
        Self {
            id: case.id.clone(),
            suite: case.scenario.suite.clone(),
            scenario: case.scenario.id.clone(),
            row: case.row.clone(),
            mode: case.mode.clone(),
            profile: case.profile.clone(),
            summary: case.scenario.summary.clone(),
            file: case.scenario.file.clone(),
            text: case.scenario.text.clone(),
            verdict,
            reason: why.into(),
            findings: Vec::new(),
            baseline: None,
            traits: Vec::new(),
            notes: Vec::new(),
            by: None,
            defect: false,
            millis: 0,
            simulated: 0,
            transcript: None,
            chart: Vec::new(),
            selected: case.selected,
        }
    }

    /// The worst of its findings that nobody accepted.
    pub fn worst(findings: &[Judged]) -> Verdict {
        let verdict = |judged: &Judged| match (judged.finding.outcome, judged.level) {
            _ if judged.accepted => Verdict::Pass,
            (Breach::Inconclusive, _) => Verdict::Inconclusive,
            (_, Level::Must) => Verdict::Fail,
            (_, Level::Should) => Verdict::Warn,
            (_, Level::May) => Verdict::Pass,
        };
        findings.iter().map(verdict).max().unwrap_or(Verdict::Pass)
    }
}

/// How many cases of each verdict; accepted ones are counted as they are, and beside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Counts {
    /// Nothing is wrong.
    pub pass: usize,
    /// A SHOULD is broken.
    pub warn: usize,
    /// A MUST is broken.
    pub fail: usize,
    /// We could not tell.
    pub inconclusive: usize,
    /// A needed rule is broken elsewhere.
    pub blocked: usize,
    /// Left out.
    pub not_run: usize,
    /// Does not concern this subject.
    pub not_applicable: usize,
    /// Of the passed: those whose findings the baseline accepts.
    pub accepted: usize,
    /// Entries of the baseline that do not hold any more.
    pub stale: usize,
    /// Cases with a defect of ours.
    pub defects: usize,
}

impl Counts {
    /// Counts a case.
    pub fn add(&mut self, result: &CaseResult) {
        let slot = match result.verdict {
            Verdict::Pass => &mut self.pass,
            Verdict::Warn => &mut self.warn,
            Verdict::Fail => &mut self.fail,
            Verdict::Inconclusive => &mut self.inconclusive,
            Verdict::Blocked => &mut self.blocked,
            Verdict::NotRun => &mut self.not_run,
            Verdict::NotApplicable => &mut self.not_applicable,
        };
        *slot += 1;
        self.defects += usize::from(result.defect);
        self.accepted += usize::from(
            result.verdict == Verdict::Pass && result.findings.iter().any(|judged| judged.accepted),
        );
    }

    /// Adds another count.
    pub fn merge(&mut self, other: &Counts) {
        self.pass += other.pass;
        self.warn += other.warn;
        self.fail += other.fail;
        self.inconclusive += other.inconclusive;
        self.blocked += other.blocked;
        self.not_run += other.not_run;
        self.not_applicable += other.not_applicable;
        self.accepted += other.accepted;
        self.stale += other.stale;
        self.defects += other.defects;
    }

    /// The three numbers of the closing line: passed, failed, skipped.
    pub fn closing(&self) -> (usize, usize, usize) {
        let passed = self.pass + self.warn;
        let failed = self.fail + self.inconclusive + self.stale;
        (passed, failed, self.blocked + self.not_run + self.not_applicable)
    }
}
