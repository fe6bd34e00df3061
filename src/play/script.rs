//! A scenario bound to a subject, a row, a mode and a profile: what [`super::Play`] plays.

use std::ops::Range;
use std::sync::Arc;

use super::bind::Common;
use crate::actor::Nanos;
use crate::datum::{Bindings, Pattern};
use crate::requirement::Registry;
use crate::scenario::error::Problem;
use crate::scenario::{Body, Isolation, Launch, Row, Scenario, Source, Suite, Timing, Verb};
use crate::subject::Subject;

/// Which case this is.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CaseName {
    /// The suite.
    pub suite: String,
    /// The role of the subject.
    pub role: String,
    /// The scenario's id.
    pub scenario: String,
    /// The row of `vary`; empty without rows.
    pub row: String,
    /// The mode; empty for a role with one mode.
    pub mode: String,
    /// The profile.
    pub profile: String,
}

impl std::fmt::Display for CaseName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.scenario)?;
        if !self.row.is_empty() {
            write!(f, "[{}]", self.row)?;
        }
        if !self.mode.is_empty() {
            write!(f, "@{}", self.mode)?;
        }
        Ok(())
    }
}

/// How the seed and the deadlines of a run are chosen.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Knobs {
    /// The seed of everything that is drawn.
    pub seed: u64,
    /// Stretches our own deadlines.
    pub time_scale: f64,
}

impl Default for Knobs {
    fn default() -> Self {
        Self { seed: 1, time_scale: 1.0 }
    }
}

/// Everything about a case that does not change while it runs.
#[derive(Clone, Debug)]
pub struct Script {
    /// Which case this is.
    pub name: CaseName,
    /// The lanes; the first is the default.
    pub lanes: Vec<Lane>,
    /// Opening, steps and goodbye, in the order in which they stand.
    pub steps: Vec<Line>,
    /// The scenario's rules, then the suite's.
    pub rules: Vec<Guard>,
    /// How the subject is started.
    pub launch: Launch,
    /// The command of the subject and its driver.
    pub subject: Arc<Subject>,
    /// Whether the subject is started before the first step.
    pub starts: bool,
    /// Whether the subject ends by itself after the goodbye.
    pub ends: bool,
    /// Resolved times.
    pub timing: Arc<Timing>,
    /// Most bytes that the subject may send.
    pub flood: u64,
    /// Names bound from the start.
    pub bindings: Bindings,
    /// The requirements of the suite.
    pub registry: Arc<Registry>,
    /// Whether the case may share a process.
    pub isolation: Isolation,
    /// Seed and scale.
    pub knobs: Knobs,
}

/// A lane of a script.
#[derive(Clone, Debug)]
pub struct Lane {
    /// Its name.
    pub name: String,
    /// Where its messages come from.
    pub source: LaneSource,
    /// The codec of its bytes.
    pub codec: String,
    /// The requirement that the unexpected is charged to.
    pub default: String,
    /// Observations that are findings before the goodbye.
    pub bad: Vec<Pattern>,
    /// The formats of HTTP bodies, by path.
    pub bodies: Vec<Body>,
}

/// Where the messages of a lane come from.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the variants say what their fields are")]
pub enum LaneSource {
    /// What suite.toml declares.
    Declared(Source),
    /// The messages of another lane that fit.
    View { of: usize, matching: Pattern },
    /// An act of the scenario makes it; like the lane with this index otherwise.
    Made { like: usize },
}

/// A step of a script.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its id, or `expect#n` of its lane.
    pub label: String,
    /// Its lane.
    pub lane: usize,
    /// Whether it belongs to the goodbye.
    pub goodbye: bool,
    /// The step that times count from.
    pub since: Option<usize>,
    /// At most so long.
    pub within: Option<Nanos>,
    /// Not before.
    pub after: Option<Nanos>,
    /// What comes sooner is too early.
    pub floor: Option<Nanos>,
    /// The requirement that it is charged to.
    pub covers: String,
    /// Only after this label was taken.
    pub condition: Option<String>,
    /// The names that must be bound before an act runs.
    pub uses: Vec<String>,
    /// What it does.
    pub verb: Verb,
    /// Where it stands in its file.
    pub span: Range<usize>,
}

/// A rule of a script.
#[derive(Clone, Debug)]
pub struct Guard {
    /// Its id, or `rule#n`.
    pub label: String,
    /// Its lanes.
    pub lanes: Vec<usize>,
    /// After this step.
    pub from: Option<usize>,
    /// Before this step.
    pub until: Option<usize>,
    /// The requirement that it is charged to; of the lane if none is named.
    pub covers: Option<String>,
    /// Where it stands in its file.
    pub span: Range<usize>,
    /// Whether it is the suite's.
    pub of_suite: bool,
    /// What it says.
    pub kind: GuardKind,
}

/// What a rule of a script says.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the variants say what their fields are")]
pub enum GuardKind {
    /// No message fits.
    Forbid(Pattern),
    /// Every message (or those `of`) fits.
    Require { pattern: Pattern, of: Option<Pattern>, least: u64 },
    /// A stateful check.
    Check(String),
    /// Messages that may come.
    Allow { pattern: Pattern, most: Option<u64> },
    /// Messages that are answered.
    Answer { pattern: Pattern, with: Vec<Line>, most: Option<u64> },
    /// Acts again and again.
    Every { interval: Nanos, acts: Vec<Line> },
}

impl Script {
    /// Binds a scenario: for one case alone; many have [`Common`].
    ///
    /// # Errors
    /// Every name in the scenario that means nothing here.
    pub fn build(
        suite: &Suite,
        scenario: &Scenario,
        subject: &Arc<Subject>,
        row: &Row,
        mode: &str,
        profile: &str,
        knobs: Knobs,
    ) -> Result<Self, Vec<Problem>> {
        Common::new(suite, subject.clone(), mode, profile, knobs).script(scenario, row)
    }

    /// Whether requests go to the subject by a URL, which has the port that it was given.
    pub fn is_dialled_by_url(&self) -> bool {
        let has = |wanted: Source| {
            self.lanes
                .iter()
                .any(|lane| matches!(lane.source, LaneSource::Declared(source) if source == wanted))
        };
        let uses_url = |line: &Line| line.uses.iter().any(|name| name == "url");
        let is_bound = has(Source::AcceptHttp) || has(Source::AcceptTcp);
        has(Source::ConnectHttp) && !is_bound && self.steps.iter().any(uses_url)
    }

    /// Whether the world chooses a port for the subject.
    pub fn is_given_a_port(&self) -> bool {
        let connects = |lane: &Lane| matches!(lane.source, LaneSource::Declared(Source::ConnectTcp));
        let by_environment = self.launch.env.iter().any(|(_, value)| value.text.contains("${port}"));
        self.lanes.iter().any(connects) || self.subject.takes("port") || by_environment
    }

    /// A resolved time.
    pub fn time(&self, name: &str) -> Nanos {
        self.timing.get(name).copied().unwrap_or_default()
    }

    /// How long its steps wait at least, and how long they wait for something at most.
    pub fn waits(&self) -> (Nanos, Nanos) {
        let at_least = |line: &Line| {
            let quiet = match &line.verb {
                Verb::Quiet(duration) => duration.resolve(&self.timing, 1.0).ok(),
                _ => None,
            };
            [line.after, line.floor, quiet].into_iter().flatten().sum::<Nanos>()
        };
        let at_most = self.steps.iter().filter_map(|line| line.within);
        (self.steps.iter().map(at_least).sum(), at_most.sum())
    }

    /// The lane with this name.
    pub fn lane(&self, name: &str) -> Option<usize> {
        self.lanes.iter().position(|lane| lane.name == name)
    }
}
