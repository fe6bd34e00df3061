//! Which cases a run consists of.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::actor::Nanos;
use crate::parallel::side_by_side;
use crate::play::{Common, Knobs, LaneSource, Script};
use crate::requirement::Level;
use crate::scenario::error::FileErrors;
use crate::scenario::{Row, Scenario, Source, Step, Suite, Verb};
use crate::subject::Subject;

/// What selects cases.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Ids begin with one of these; all if empty.
    pub prefixes: Vec<String>,
    /// Exactly these ids.
    pub only: Option<BTreeSet<String>>,
    /// The modes; all that the subject has if empty.
    pub modes: Vec<String>,
    /// The profile.
    pub profile: String,
    /// Whether slow scenarios run.
    pub slow: bool,
    /// Whether a broken need blocks.
    pub ignore_needs: bool,
    /// This part of the cases, from 1, of so many.
    pub shard: Option<(usize, usize)>,
    /// Seed and scale.
    pub knobs: Knobs,
}

/// One case of a run.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its id: `path[row]@mode`.
    pub id: String,
    /// Its scenario.
    pub scenario: Arc<Scenario>,
    /// Its row.
    pub row: String,
    /// Its mode.
    pub mode: String,
    /// The profile.
    pub profile: String,
    /// What becomes of it.
    pub fate: Fate,
    /// Whether it was selected, or only joins as a probe.
    pub selected: bool,
    /// How long it took in the simulator, where only waiting takes time, and would have paused; 0 if it was not played
    /// there.
    pub simulated: Nanos,
}

impl Case {
    /// How long it waits, at least and at most, in nanoseconds: by what it says and by what the simulator saw.
    pub fn waits(&self) -> (Nanos, Nanos) {
        let (least, most) = match &self.fate {
            Fate::Play(script) => script.waits(),
            Fate::NotApplicable(_) | Fate::NotRun(_) => (0, 0),
        };
        (least.max(self.simulated), most)
    }
}

/// What becomes of a case.
#[derive(Clone, Debug)]
pub enum Fate {
    /// It is played.
    Play(Arc<Script>),
    /// It does not concern this subject: why.
    NotApplicable(String),
    /// It is left out: why.
    NotRun(String),
}

/// The cases of a run, probes first.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// In the order in which they run.
    pub cases: Vec<Case>,
}

impl Plan {
    /// Binds the scenarios of a suite to a subject.
    ///
    /// # Errors
    /// Everything in the scenario files that means nothing in this suite.
    pub fn build(suite: &Suite, subject: &Subject, selection: &Selection) -> Result<Self, Vec<FileErrors>> {
        let subject = Arc::new(subject.clone());
        let modes = suite.modes(&subject.role);
        let common = |mode| Common::new(suite, subject.clone(), mode, &selection.profile, selection.knobs);
        let modes: Vec<Common<'_>> = modes.iter().map(|mode| common(mode)).collect();
        let scenarios = suite.scenarios.iter().filter(|scenario| scenario.role.text == subject.role);
        let each = scenarios.flat_map(|scenario| modes.iter().map(move |common| (scenario, common)));
        let each: Vec<_> = each
            .flat_map(|(scenario, common)| scenario.rows.iter().map(move |row| (scenario, common, row)))
            .collect();
        let read = side_by_side(&each, |(scenario, common, row)| case(common, scenario, row, selection));
        let mut cases = Vec::new();
        let mut errors: Vec<FileErrors> = Vec::new();
        for case in read {
            match case {
                Ok(case) => cases.push(case),
                Err(error) => add_error(&mut errors, error),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let mut plan = Self { cases };
        plan.select(selection);
        Ok(plan)
    }

    /// Whether the subject's command would need the place holder `{port}` so that it can be reached.
    pub fn lacks_port(&self) -> bool {
        self.cases.iter().any(|case| matches!(&case.fate, Fate::NotApplicable(why) if why == NO_PORT))
    }

    /// Marks what is selected, keeps the probes that it needs, and puts probes first.
    fn select(&mut self, selection: &Selection) {
        for (index, case) in self.cases.iter_mut().enumerate() {
            let id = case.id.as_str();
            let wanted = selection.prefixes.is_empty()
                || selection.prefixes.iter().any(|prefix| id.starts_with(prefix));
            let in_shard = selection.shard.is_none_or(|(part, of)| index % of == part - 1);
            let named = selection.only.as_ref().is_none_or(|only| only.contains(id));
            case.selected = wanted && named && in_shard;
        }
        let needs =
            |case: &Case| case.scenario.needs.iter().map(|need| need.text.clone()).collect::<Vec<_>>();
        let needed: Vec<String> = self.cases.iter().filter(|case| case.selected).flat_map(needs).collect();
        let is_probe = |case: &Case| {
            let covers = case.scenario.covers.as_ref().map(|covers| covers.text.as_str()).unwrap_or_default();
            case.scenario.probe && needed.iter().any(|need| need == covers)
        };
        self.cases.retain(|case| case.selected || is_probe(case));
        self.cases.sort_by_key(|case| !is_probe(case));
    }
}

fn add_error(errors: &mut Vec<FileErrors>, error: FileErrors) {
    match errors.iter_mut().find(|known| known.file == error.file) {
        Some(known) => known.problems.extend(error.problems),
        None => errors.push(error),
    }
}

fn case(
    common: &Common<'_>,
    scenario: &Arc<Scenario>,
    row: &Row,
    selection: &Selection,
) -> Result<Case, FileErrors> {
    let Common { suite, subject, mode, .. } = common;
    let mut id = scenario.id.clone();
    if !row.name.is_empty() {
        id += &format!("[{}]", row.name);
    }
    if !mode.is_empty() {
        id += &format!("@{mode}");
    }
    let bound = || {
        common.script(scenario, row).map_err(|problems| FileErrors {
            file: scenario.file.clone(),
            text: scenario.text.to_string(),
            problems: problems.into_iter().map(|problem| problem.at_its_name(&scenario.text)).collect(),
        })
    };
    let elsewhere = reason_elsewhere(scenario, mode, &selection.profile);
    let fate = match elsewhere.filter(|_| is_of_suite(suite, scenario)) {
        Some(why) => Fate::NotApplicable(why),
        None => fate(suite, scenario, subject, mode, selection, bound()?),
    };
    let profile = selection.profile.clone();
    Ok(Case {
        id,
        scenario: scenario.clone(),
        row: row.name.clone(),
        mode: (*mode).into(),
        profile,
        fate,
        selected: true,
        simulated: 0,
    })
}

/// What becomes of a bound scenario.
fn fate(
    suite: &Suite,
    scenario: &Scenario,
    subject: &Subject,
    mode: &str,
    selection: &Selection,
    script: Script,
) -> Fate {
    match reason_not_applicable(suite, scenario, subject, mode, &selection.profile, &script) {
        Some(why) => Fate::NotApplicable(why),
        None if !selection.modes.is_empty() && !selection.modes.iter().any(|wanted| wanted == mode) => {
            Fate::NotRun(format!("mode {mode} is not selected"))
        }
        None if scenario.slow && !selection.slow => Fate::NotRun("slow: runs with --slow".into()),
        None => Fate::Play(Arc::new(script)),
    }
}

/// Whether the suite has the profiles and modes that a scenario names; binding says what is wrong with others.
fn is_of_suite(suite: &Suite, scenario: &Scenario) -> bool {
    let modes = suite.modes(&scenario.role.text);
    scenario.profiles.iter().all(|profile| suite.profiles.contains(&profile.text))
        && scenario.modes.iter().all(|mode| modes.contains(&mode.text))
}

/// A scenario of other profiles or modes: its lanes need not even exist here.
fn reason_elsewhere(scenario: &Scenario, mode: &str, profile: &str) -> Option<String> {
    if !scenario.profiles.is_empty() && !scenario.profiles.iter().any(|known| known.text == profile) {
        let known: Vec<&str> = scenario.profiles.iter().map(|text| text.text.as_str()).collect();
        return Some(format!("holds in profile {}", known.join(", ")));
    }
    if !scenario.modes.is_empty() && !scenario.modes.iter().any(|known| known.text == mode) {
        return Some(format!("is not for mode {mode}"));
    }
    None
}

fn reason_not_applicable(
    suite: &Suite,
    scenario: &Scenario,
    subject: &Subject,
    mode: &str,
    profile: &str,
    script: &Script,
) -> Option<String> {
    if !subject.modes.is_empty() && !mode.is_empty() && !subject.modes.iter().any(|known| known == mode) {
        return Some(format!("the subject has no mode {mode}"));
    }
    if let Some(missing) = scenario.capabilities.iter().find(|wanted| !subject.has(&wanted.text)) {
        return Some(format!("the subject does not declare the capability `{}`", missing.text));
    }
    let binds = |id: &str| suite.registry.get(id).is_none_or(|rule| rule.binds(profile));
    if let Some(covers) = &scenario.covers
        && !binds(&covers.text)
    {
        return Some(format!("{} does not bind in profile {profile}", covers.text));
    }
    if subject.attach.is_some()
        && let Some(why) = not_attached(scenario, script)
    {
        return Some(format!("the subject is attached: {why}"));
    }
    if script.is_dialled_by_url() && subject.attach.is_none() && !script.is_given_a_port() {
        return Some(NO_PORT.into());
    }
    if script.launch.package.is_some() && !subject.takes("package") {
        return Some("the subject's command has no place holder {package}".into());
    }
    if script.launch.mode.is_some() && !subject.takes("mode") {
        return Some("the subject's command has no place holder {mode}".into());
    }
    None
}

/// Why a subject cannot be reached that is not told where to listen.
const NO_PORT: &str = "the subject's command has no place holder {port}";

/// What a case needs that only a subject which we start can give.
pub(crate) fn not_attached(scenario: &Scenario, script: &Script) -> Option<&'static str> {
    let of_process =
        |step: &Step| matches!(&step.verb, Verb::Act(act) if act.default_lane() == Some("process"));
    let streams = |lane: &crate::play::Lane| matches!(lane.source, LaneSource::Declared(Source::Stdio));
    if script.lanes.iter().any(streams) {
        return Some("this case speaks over its standard streams");
    }
    if scenario.steps.iter().any(of_process) {
        return Some("this case starts, signals or looks at its process");
    }
    let start = &scenario.start;
    let special = start.package.is_some()
        || start.parent
        || start.mode.is_some()
        || start.args.is_some()
        || !(start.env.is_empty() && start.files.is_empty());
    special.then_some("this case starts it in a way of its own")
}

/// The level of a finding under the profile of its case.
pub fn level(script: &Script, requirement: &str) -> Level {
    let known = script.registry.get(requirement);
    known.map_or(Level::Must, |requirement| requirement.level(&script.name.profile))
}
