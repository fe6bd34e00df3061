//! A scenario bound to a subject, a row, a mode and a profile: what [`super::Play`] plays.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::actor::Nanos;
use crate::datum::{Bindings, Names, Pattern};
use crate::requirement::Registry;
use crate::scenario::error::Problem;
use crate::scenario::table::{Span, Text};
use crate::scenario::{
    Body, Duration, Isolation, LaneSpec, Launch, Opening, Role, Row, Rule, RuleKind, Scenario, Source, Step,
    Suite, Timing, Verb,
};
use crate::subject::Subject;

/// `on` of a rule that concerns every connection like those of the role's first lane.
const EACH: &str = "*";

/// Times that `[timing]` has unless a suite, scenario or subject says otherwise.
const TIMING: [(&str, Nanos); 7] = [
    ("start", 5_000_000_000),
    ("reply", 2_000_000_000),
    ("end", 2_000_000_000),
    ("term", 2_000_000_000),
    ("lag", 100_000_000),
    ("skew", 50_000_000),
    ("gap", 2_000_000),
];

/// The times that are deadlines of ours, so that `--time-scale` stretches them.
const OURS: [&str; 5] = ["start", "reply", "end", "term", "gap"];

/// Most bytes that a subject may send in a case.
const FLOOD: u64 = 64 << 20;

/// Whether a rule holds in a profile and mode.
fn binds(rule: &Rule, profile: &str, mode: &str) -> bool {
    let holds = |names: &[Text], name: &str| names.is_empty() || names.iter().any(|text| text.text == name);
    holds(&rule.profiles, profile) && holds(&rule.modes, mode)
}

/// Names that every case has, beside what its files bind.
const GIVEN: [&str; 9] = ["dir", "socket", "port", "url", "api_key", "peer", "upstream", "self", "now"];

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
    pub timing: Timing,
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

/// What the scripts of a suite have in common for one subject, mode and profile.
pub struct Common<'a> {
    /// The suite.
    pub suite: &'a Suite,
    /// The subject.
    pub subject: Arc<Subject>,
    /// The mode; empty for a role with one mode.
    pub mode: &'a str,
    profile: &'a str,
    knobs: Knobs,
    /// The values of `[timing]` and `[bind]`, where the scenario has no times of its own.
    bound: Result<(Timing, Bindings), Problem>,
}

impl<'a> Common<'a> {
    /// Works out once what would be the same for every case.
    pub fn new(
        suite: &'a Suite,
        subject: Arc<Subject>,
        mode: &'a str,
        profile: &'a str,
        knobs: Knobs,
    ) -> Self {
        let mut common = Self { suite, subject, mode, profile, knobs, bound: Ok(Default::default()) };
        common.bound = common.bind(&BTreeMap::new());
        common
    }

    /// The times, with those of a scenario between the suite's and the subject's, and the names that the suite binds.
    fn bind(&self, of_scenario: &BTreeMap<String, Duration>) -> Result<(Timing, Bindings), Problem> {
        let layers = [&self.suite.timing, of_scenario, &self.subject.timing];
        let timing = timing(layers, self.knobs.time_scale)?;
        let mut bindings = Bindings::default();
        for (name, nanos) in &timing {
            let seconds = *nanos as f64 / 1e9;
            if seconds.fract() == 0.0 {
                bindings.set(name.clone(), seconds as i64);
            } else {
                bindings.set(name.clone(), seconds);
            }
        }
        bindings.set("seed", self.knobs.seed);
        bindings.set("mode", self.mode);
        bindings.set("profile", self.profile);
        name_packages(&self.suite.text, &mut bindings);
        for (name, pattern) in &self.suite.bind {
            let value = pattern.value(&bindings);
            let value = value.map_err(|why| Problem::new(0..0, format!("[bind] {name}: {why}")))?;
            bindings.set(name.clone(), value);
        }
        Ok((timing, bindings))
    }

    /// The script of a case.
    ///
    /// # Errors
    /// Every name in the scenario that means nothing here.
    pub fn script(&self, scenario: &Scenario, row: &Row) -> Result<Script, Vec<Problem>> {
        let Self { suite, subject, mode, profile, knobs, .. } = self;
        let (mode, profile, knobs) = (*mode, *profile, *knobs);
        let Some(role) = suite.role(&scenario.role.text, profile, mode) else {
            let known = suite.role_names();
            return Err(vec![Problem::unknown(
                scenario.role.span.clone(),
                "role",
                &scenario.role.text,
                known,
            )]);
        };
        let bound = if scenario.timing.is_empty() { self.bound.clone() } else { self.bind(&scenario.timing) };
        let (timing, bindings) = bound.map_err(|problem| vec![problem])?;
        let mut builder = Builder {
            suite,
            scenario,
            row: &row.name,
            role: &role,
            timing: &timing,
            scale: knobs.time_scale,
            subject,
            lanes: Vec::new(),
            ids: BTreeMap::new(),
            counts: BTreeMap::new(),
            problems: Vec::new(),
        };
        builder.head();
        builder.lanes();
        let steps = builder.all_steps();
        let rules = builder.all_rules(profile, mode);
        let bindings = builder.bindings(row, bindings);
        builder.check_names(&steps, &rules, &bindings);
        let (lanes, problems) = (builder.lanes, builder.problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        let starts = !steps.iter().any(|step| matches!(&step.verb, Verb::Act(act) if act.starts_subject()));
        let own_process =
            scenario.steps.iter().any(|step| matches!(&step.verb, Verb::Act(act) if act.needs_own_process()));
        let over_sockets = lanes.first().is_some_and(|lane| {
            matches!(lane.source, LaneSource::Declared(Source::ConnectTcp | Source::ConnectUnix))
        });
        // A server that its driver would end runs on where it has none.
        let told = lanes.iter().any(|lane| matches!(lane.source, LaneSource::Declared(Source::Driver)));
        let runs_on = told && subject.driver.is_none() && subject.ops.is_empty();
        let usual = if over_sockets && !own_process { Isolation::Connection } else { Isolation::Process };
        Ok(Script {
            name: CaseName {
                suite: suite.name.clone(),
                role: scenario.role.text.clone(),
                scenario: scenario.id.clone(),
                row: row.name.clone(),
                mode: mode.into(),
                profile: profile.into(),
            },
            lanes,
            steps,
            rules,
            launch: lay_over(&role.start, &scenario.start),
            subject: subject.clone(),
            starts,
            ends: role.ends && !runs_on,
            timing,
            flood: scenario.flood.unwrap_or(FLOOD),
            bindings,
            registry: suite.registry.clone(),
            isolation: scenario.isolation.unwrap_or(usual),
            knobs,
        })
    }
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

/// The command line of a scenario over that of its role.
fn lay_over(role: &Launch, scenario: &Launch) -> Launch {
    let chain = |a: &[(String, Text)], b: &[(String, Text)]| {
        let kept = a.iter().filter(|(key, _)| !b.iter().any(|(other, _)| other == key));
        kept.chain(b).cloned().collect()
    };
    Launch {
        package: scenario.package.clone().or_else(|| role.package.clone()),
        args: scenario.args.clone().or_else(|| role.args.clone()),
        env: chain(&role.env, &scenario.env),
        files: chain(&role.files, &scenario.files),
    }
}

/// Resolves times, the later layers over the earlier ones.
fn timing(layers: [&BTreeMap<String, Duration>; 3], scale: f64) -> Result<Timing, Problem> {
    let scaled = |name: &str| if OURS.contains(&name) { scale } else { 1.0 };
    let mut timing: Timing = TIMING
        .iter()
        .map(|(name, nanos)| ((*name).to_owned(), (*nanos as f64 * scaled(name)) as Nanos))
        .collect();
    for layer in layers {
        for (name, duration) in layer {
            let nanos = duration.resolve(&timing, scaled(name)).map_err(|unknown| {
                Problem::unknown(0..0, "name of [timing]", &unknown, timing.keys().map(String::as_str))
            })?;
            timing.insert(name.clone(), nanos);
        }
    }
    Ok(timing)
}

/// Binds the file names of the packages that ship with plugfest, where a text speaks of packages.
fn name_packages(text: &str, bindings: &mut Bindings) {
    if !text.contains("package.") {
        return;
    }
    for name in crate::package::shelf::names() {
        let launched = crate::package::shelf::filename_of(name).unwrap_or_default();
        bindings.set(format!("package.{name}.filename"), launched);
    }
}

/// Resolves names into indices and notes those that mean nothing.
struct Builder<'a> {
    suite: &'a Suite,
    scenario: &'a Scenario,
    row: &'a str,
    role: &'a Role,
    timing: &'a Timing,
    scale: f64,
    subject: &'a Subject,
    lanes: Vec<Lane>,
    /// Steps by id.
    ids: BTreeMap<String, usize>,
    /// How many expects each lane has.
    counts: BTreeMap<usize, usize>,
    problems: Vec<Problem>,
}

impl Builder<'_> {
    /// Names in the head of the scenario that mean nothing in its suite.
    fn head(&mut self) {
        if let Some(covers) = &self.scenario.covers {
            self.check_requirement(covers);
        }
        for need in &self.scenario.needs {
            self.check_requirement(need);
        }
        let profiles: Vec<&str> = self.suite.profiles.iter().map(String::as_str).collect();
        for profile in self.scenario.profiles.iter().filter(|known| !profiles.contains(&known.text.as_str()))
        {
            self.problems.push(Problem::unknown(
                profile.span.clone(),
                "profile",
                &profile.text,
                profiles.iter().copied(),
            ));
        }
        let modes = self.suite.modes(&self.scenario.role.text);
        for mode in self.scenario.modes.iter().filter(|known| !modes.contains(&known.text)) {
            let known = modes.iter().map(String::as_str).filter(|mode| !mode.is_empty());
            self.problems.push(Problem::unknown(mode.span.clone(), "mode", &mode.text, known));
        }
        if let Some(twin) = &self.scenario.twin
            && self.suite.scenario(&twin.text).is_none()
            && !self.suite.scenarios.is_empty()
        {
            let known = self.suite.scenarios.iter().map(|scenario| scenario.id.as_str());
            let help = crate::scenario::error::nearest(&twin.text, known)
                .map(|near| format!("did you mean `{near}`?"));
            let message = format!("there is no scenario `{}`", twin.text);
            self.problems.push(Problem { span: twin.span.clone(), message, help });
        }
    }

    /// The lanes of the role, those that every role has, those that steps make, and the views.
    fn lanes(&mut self) {
        for spec in &self.role.lanes {
            self.declare(spec);
        }
        let default = self.role.lanes.first().map_or(String::new(), |spec| spec.default.text.clone());
        let bad = self.role.lanes.first().map(|spec| spec.bad.clone()).unwrap_or_default();
        for (name, source, codec) in
            [("process", Source::Process, "none"), ("stderr", Source::Stderr, "text-lines")]
        {
            let source = LaneSource::Declared(source);
            let bad = if name == "process" { bad.clone() } else { Vec::new() };
            self.lanes.push(Lane {
                name: name.into(),
                source,
                codec: codec.into(),
                default: default.clone(),
                bad,
                bodies: Vec::new(),
            });
        }
        let (scenario, role, suite) = (self.scenario, self.role, self.suite);
        for step in scenario.steps.iter().chain(&role.opening).chain(&role.goodbye) {
            self.made_by(step, None);
        }
        let name = &scenario.role.text;
        let concerns = |rule: &&Rule| rule.role.as_ref().is_none_or(|role| role.text == *name);
        for rule in scenario.rules.iter().chain(&suite.rules).filter(concerns) {
            let acts = match &rule.kind {
                RuleKind::Every { acts, .. } => acts.as_slice(),
                RuleKind::Answer { with, .. } => with.as_slice(),
                _ => &[],
            };
            acts.iter().for_each(|act| self.made_by(act, rule.on.first()));
        }
        let made: Vec<String> = self.lanes.iter().map(|lane| lane.name.clone()).collect();
        let own = &self.scenario.views;
        let of_role = self.role.views.iter().filter(|view| {
            let name = &view.lane.text;
            !made.contains(name) && !own.iter().any(|own| own.lane.text == *name)
        });
        for view in own.iter().chain(of_role).cloned().collect::<Vec<_>>() {
            let of = view.of.as_ref().map_or(Some(0), |name| self.find_lane(name));
            let Some(of) = of else { continue };
            let source = LaneSource::View { of, matching: view.matching.clone() };
            let parent = self.lanes[of].clone();
            self.lanes.push(Lane { name: view.lane.text.clone(), source, ..parent });
        }
    }

    fn declare(&mut self, spec: &LaneSpec) {
        self.check_requirement(&spec.default);
        self.lanes.push(Lane {
            name: spec.name.text.clone(),
            source: LaneSource::Declared(spec.source),
            codec: spec.codec.text.clone(),
            default: spec.default.text.clone(),
            bad: spec.bad.clone(),
            bodies: spec.bodies.clone(),
        });
    }

    /// The lane that a step brings into being, if it does; `outer` is where its rule stands.
    fn made_by(&mut self, step: &Step, outer: Option<&Text>) {
        let Verb::Act(act) = &step.verb else { return };
        let on = step.on.as_ref().or(outer).map(|text| text.text.as_str());
        let Some(made) = act.makes(on) else { return };
        if self.lanes.iter().any(|lane| lane.name == made.name) {
            return;
        }
        let is_like = |lane: &Lane| match (made.like, made.codec) {
            (Some(name), _) => lane.name == name,
            (None, Some("http")) => matches!(lane.source, LaneSource::Declared(Source::ConnectHttp)),
            (None, _) => false,
        };
        let like = self.lanes.iter().position(is_like).unwrap_or(0);
        let parent = self.lanes[like].clone();
        let codec = made.codec.map_or(parent.codec.clone(), str::to_owned);
        let default = match (&self.role.exchange, made.is_exchange) {
            (Some(requirement), true) => requirement.text.clone(),
            _ => parent.default.clone(),
        };
        let source = LaneSource::Made { like };
        self.lanes.push(Lane { name: made.name.into(), source, codec, default, ..parent });
    }

    fn all_steps(&mut self) -> Vec<Line> {
        let opening = match &self.scenario.opening {
            Opening::Default => self.role.opening.as_slice(),
            Opening::Omitted => &[],
            Opening::Named(name) => match self.role.openings.get(&name.text) {
                Some(steps) => steps.as_slice(),
                None => {
                    let known = self.role.openings.keys().map(String::as_str);
                    self.problems.push(Problem::unknown(name.span.clone(), "opening", &name.text, known));
                    &[]
                }
            },
        };
        let mut lines: Vec<Line> = Vec::new();
        let body = opening.iter().chain(&self.scenario.steps).map(|step| (step, false));
        for (step, goodbye) in body.chain(self.role.goodbye.iter().map(|step| (step, true))) {
            let in_row = step.rows.is_empty() || step.rows.iter().any(|row| row.text == self.row);
            self.check_rows(&step.rows);
            if !in_row {
                continue;
            }
            if let Some(id) = &step.id
                && self.ids.insert(id.text.clone(), lines.len()).is_some()
            {
                self.problems
                    .push(Problem::new(id.span.clone(), format!("the id `{}` is used twice", id.text)));
            }
            if let Some(line) = self.line(step, goodbye, None) {
                lines.push(line);
            }
        }
        lines
    }

    fn check_rows(&mut self, rows: &[Text]) {
        let known: Vec<&str> = self.scenario.rows.iter().map(|row| row.name.as_str()).collect();
        for row in rows.iter().filter(|row| !known.contains(&row.text.as_str())) {
            self.problems.push(Problem::unknown(row.span.clone(), "row", &row.text, known.iter().copied()));
        }
    }

    /// Resolves a step; `lane` is where it stands if it does not say.
    fn line(&mut self, step: &Step, goodbye: bool, lane: Option<usize>) -> Option<Line> {
        if let Verb::Drive(name) = &step.verb {
            self.check_drive(name);
        }
        let own = match &step.verb {
            Verb::Act(act) => act.default_lane(),
            _ => None,
        };
        let lane = match (&step.on, own) {
            (Some(name), _) => self.find_lane(name)?,
            (None, Some(name)) => self.lanes.iter().position(|lane| lane.name == name)?,
            (None, None) => lane.unwrap_or(0),
        };
        let since = step.since.as_ref().map(|id| self.find_step(id));
        let mut names = Names::default();
        if let Verb::Act(act) = &step.verb {
            act.names(&mut names);
        }
        Some(Line {
            label: self.label(step, lane),
            lane,
            goodbye,
            since: since.flatten(),
            within: self.nanos(step.within.as_ref(), &step.span),
            after: self.nanos(step.after.as_ref(), &step.span),
            floor: self.nanos(step.floor.as_ref(), &step.span),
            covers: self.covers(step.covers.as_ref(), lane),
            condition: step.condition.as_ref().map(|label| label.text.clone()),
            uses: names.uses.into_iter().collect(),
            verb: self.verb(step)?,
            span: step.span.clone(),
        })
    }

    fn verb(&mut self, step: &Step) -> Option<Verb> {
        if let Verb::Quiet(duration) = &step.verb {
            return self.nanos(Some(duration), &step.span).map(|nanos| Verb::Quiet(Duration::Fixed(nanos)));
        }
        Some(step.verb.clone())
    }

    fn check_drive(&mut self, name: &Text) {
        let known = crate::protocol::drives(&self.suite.name);
        if !known.contains(&name.text.as_str()) {
            self.problems.push(Problem::unknown(
                name.span.clone(),
                "drive",
                &name.text,
                known.iter().copied(),
            ));
        }
    }

    fn label(&mut self, step: &Step, lane: usize) -> String {
        let expects = matches!(step.verb, Verb::Expect(_));
        let count = self.counts.entry(lane).or_default();
        *count += usize::from(expects);
        match &step.id {
            Some(id) => id.text.clone(),
            None if expects => format!("expect#{count}"),
            None if matches!(step.verb, Verb::Drive(_)) => "drive".into(),
            None => "act".into(),
        }
    }

    fn nanos(&mut self, duration: Option<&Duration>, span: &Span) -> Option<Nanos> {
        match duration?.resolve(self.timing, self.scale) {
            Ok(nanos) => Some(nanos),
            Err(name) => {
                let known = self.timing.keys().map(String::as_str);
                self.problems.push(Problem::unknown(span.clone(), "name of [timing]", &name, known));
                None
            }
        }
    }

    /// What a step is charged to: its own requirement, the scenario's, or the lane's.
    fn covers(&mut self, own: Option<&Text>, lane: usize) -> String {
        if let Some(own) = own {
            self.check_requirement(own);
        }
        let named = own.or(self.scenario.covers.as_ref()).map(|text| text.text.clone());
        named.unwrap_or_else(|| self.lanes[lane].default.clone())
    }

    fn check_requirement(&mut self, id: &Text) {
        if self.suite.registry.get(&id.text).is_none() {
            let known = self.suite.registry.iter().map(|rule| rule.id.as_str());
            let near = crate::scenario::error::nearest(&id.text, known);
            let help = near.map(|near| format!("did you mean `{near}`?"));
            let message = format!("unknown requirement `{}`", id.text);
            self.problems.push(Problem { span: id.span.clone(), message, help });
        }
    }

    fn find_lane(&mut self, name: &Text) -> Option<usize> {
        let found = self.lanes.iter().position(|lane| lane.name == name.text);
        if found.is_none() {
            let known = self.lanes.iter().map(|lane| lane.name.as_str());
            self.problems.push(Problem::unknown(name.span.clone(), "lane", &name.text, known));
        }
        found
    }

    fn find_step(&mut self, id: &Text) -> Option<usize> {
        let mut ids: Vec<&str> = self.ids.keys().map(String::as_str).collect();
        match self.ids.get(&id.text) {
            Some(step) => Some(*step),
            None => {
                ids.extend(
                    self.scenario.steps.iter().filter_map(|step| step.id.as_ref()).map(|id| id.text.as_str()),
                );
                let problem = Problem::unknown(id.span.clone(), "step", &id.text, ids);
                self.problems.push(problem);
                None
            }
        }
    }

    fn all_rules(&mut self, profile: &str, mode: &str) -> Vec<Guard> {
        let mut guards = Vec::new();
        for (n, rule) in self.scenario.rules.iter().enumerate() {
            self.check_rows(&rule.rows);
            let in_row = rule.rows.is_empty() || rule.rows.iter().any(|row| row.text == self.row);
            if in_row {
                let guard = self.guard(rule, format!("rule#{}", n + 1), false);
                guards.extend(guard.filter(|_| binds(rule, profile, mode)));
            }
        }
        let ids: Vec<&str> =
            self.suite.rules.iter().filter_map(|rule| rule.id.as_ref()).map(|id| id.text.as_str()).collect();
        for (rule, _) in self.scenario.off.iter().filter(|(rule, _)| !ids.contains(&rule.text.as_str())) {
            self.problems.push(Problem::unknown(
                rule.span.clone(),
                "rule of the suite",
                &rule.text,
                ids.iter().copied(),
            ));
        }
        for rule in &self.suite.rules {
            if self.applies(rule, profile, mode) {
                guards.extend(self.guard(rule, String::new(), true));
            }
        }
        guards
    }

    fn applies(&self, rule: &Rule, profile: &str, mode: &str) -> bool {
        let id = rule.id.as_ref().map(|id| id.text.as_str()).unwrap_or_default();
        let lanes_exist =
            rule.on.iter().all(|on| on.text == EACH || self.lanes.iter().any(|lane| lane.name == on.text));
        binds(rule, profile, mode)
            && rule.role.as_ref().is_none_or(|role| role.text == self.scenario.role.text)
            && !self.scenario.off.iter().any(|(off, _)| off.text == id)
            && lanes_exist
    }

    /// The role's first lane and those that `open` and `listen` make after it.
    fn like_the_first(&self) -> Vec<usize> {
        let made = |lane: &Lane| matches!(lane.source, LaneSource::Made { like: 0 });
        (0..self.lanes.len()).filter(|index| *index == 0 || made(&self.lanes[*index])).collect()
    }

    fn guard(&mut self, rule: &Rule, label: String, of_suite: bool) -> Option<Guard> {
        let lanes: Vec<usize> = match rule.on.as_slice() {
            [] => vec![0],
            [each] if each.text == EACH => self.like_the_first(),
            names => names.iter().filter_map(|name| self.find_lane(name)).collect(),
        };
        if let Some(covers) = &rule.covers {
            self.check_requirement(covers);
        }
        let named = rule.covers.as_ref().or(if of_suite { None } else { self.scenario.covers.as_ref() });
        let mut lines = |steps: &[Step]| -> Vec<Line> {
            steps.iter().filter_map(|step| self.line(step, false, lanes.first().copied())).collect()
        };
        let kind = match &rule.kind {
            RuleKind::Forbid(pattern) => GuardKind::Forbid(pattern.clone()),
            RuleKind::Require { pattern, of, least } => {
                let least = if of_suite { 0 } else { *least };
                GuardKind::Require { pattern: pattern.clone(), of: of.clone(), least }
            }
            RuleKind::Check(name) => GuardKind::Check(name.text.clone()),
            RuleKind::Allow { pattern, most } => GuardKind::Allow { pattern: pattern.clone(), most: *most },
            RuleKind::Answer { pattern, with, most } => {
                GuardKind::Answer { pattern: pattern.clone(), with: lines(with), most: *most }
            }
            RuleKind::Every { interval, acts } => {
                let at_home = |step: &Step| match &step.verb {
                    Verb::Act(act) if act.makes(Some("")).is_some_and(|made| made.is_exchange) => {
                        Step { on: step.on.clone().or_else(|| rule.on.first().cloned()), ..step.clone() }
                    }
                    _ => step.clone(),
                };
                let acts: Vec<Step> = acts.iter().map(at_home).collect();
                let acts = lines(&acts);
                GuardKind::Every { interval: self.nanos(Some(interval), &rule.span)?, acts }
            }
        };
        let from = rule.from.as_ref().map(|id| self.find_step(id));
        let until = rule.until.as_ref().map(|id| self.find_step(id));
        self.check_applies(rule, from.flatten(), until.flatten());
        Some(Guard {
            label: rule.id.as_ref().map_or(label, |id| id.text.clone()),
            lanes,
            from: from.flatten(),
            until: until.flatten(),
            covers: named.map(|text| text.text.clone()),
            span: rule.span.clone(),
            of_suite,
            kind,
        })
    }

    /// A rule of the scenario that could never see a message.
    fn check_applies(&mut self, rule: &Rule, from: Option<usize>, until: Option<usize>) {
        let never = |names: &[Text], of_scenario: &[Text]| {
            let common = names.iter().any(|name| of_scenario.iter().any(|other| other.text == name.text));
            !names.is_empty() && !of_scenario.is_empty() && !common
        };
        let step = |id: &Option<Text>| {
            let id = id.as_ref()?;
            self.scenario.steps.iter().find(|step| step.id.as_ref().is_some_and(|own| own.text == id.text))
        };
        let lane = |step: &Step| step.on.as_ref().map(|on| on.text.clone());
        let one_lane = step(&rule.from).zip(step(&rule.until)).is_some_and(|(a, b)| lane(a) == lane(b));
        let why = if one_lane && from.zip(until).is_some_and(|(from, until)| until <= from) {
            "its `until` does not come after its `from`"
        } else if never(&rule.profiles, &self.scenario.profiles) {
            "none of its profiles is one of the scenario's"
        } else if never(&rule.modes, &self.scenario.modes) {
            "none of its modes is one of the scenario's"
        } else {
            return;
        };
        let known = self.scenario.rules.iter().any(|own| own.span == rule.span);
        if known {
            self.problems.push(Problem::new(rule.span.clone(), format!("this rule can never apply: {why}")));
        }
    }

    /// The names of the case over those of its suite.
    fn bindings(&self, row: &Row, mut bindings: Bindings) -> Bindings {
        name_packages(&self.scenario.text, &mut bindings);
        for (name, holder) in self.subject.secrets.holders() {
            bindings.set(name.clone(), holder.clone());
        }
        for (name, value) in &row.values {
            bindings.set(name.clone(), value.clone());
        }
        bindings
    }

    /// Every name that is used must be bound by something.
    fn check_names(&mut self, steps: &[Line], rules: &[Guard], bindings: &Bindings) {
        let mut bound: Names = Names::default();
        let mut used: Vec<(String, Span)> = Vec::new();
        let mut look = |pattern: &Pattern, span: &Span| {
            let mut names = Names::default();
            pattern.names(&mut names);
            used.extend(names.uses.into_iter().map(|name| (name, span.clone())));
            bound.binds.extend(names.binds);
        };
        for step in steps {
            if let Verb::Expect(pattern) = &step.verb {
                look(pattern, &step.span);
            }
        }
        for rule in rules {
            match &rule.kind {
                GuardKind::Forbid(pattern)
                | GuardKind::Allow { pattern, .. }
                | GuardKind::Answer { pattern, .. } => {
                    look(pattern, &rule.span);
                }
                GuardKind::Require { pattern, of, .. } => {
                    look(pattern, &rule.span);
                    of.iter().for_each(|of| look(of, &rule.span));
                }
                GuardKind::Check(_) | GuardKind::Every { .. } => {}
            }
        }
        used.extend(
            steps.iter().flat_map(|step| step.uses.iter().map(|name| (name.clone(), step.span.clone()))),
        );
        used.retain(|(name, _)| !bound.binds.contains(name) && bindings.get(name).is_none());
        if used.is_empty() {
            return;
        }
        let of_lane = |lane: &Lane| ["url", "port"].map(|what| format!("{}.{what}", lane.name));
        let made = self.lanes.iter().flat_map(of_lane).collect::<Vec<_>>();
        let bound = bound.binds.iter().map(String::as_str).chain(bindings.names());
        let known: Vec<&str> = bound.chain(GIVEN).chain(made.iter().map(String::as_str)).collect();
        for (name, span) in used.into_iter().filter(|(name, _)| !known.contains(&name.as_str())) {
            self.problems.push(Problem::unknown(span, "name", &name, known.iter().copied()));
        }
    }
}
