//! Binding: a scenario, its suite, a subject, a row, a mode and a profile become the [`Script`] of a case.
//!
//! `timing` resolves times, `lanes`, `steps` and `rules` turn names into indices, and `names` finds those that mean
//! nothing.

mod lanes;
mod names;
mod rules;
mod steps;
mod timing;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::script::{CaseName, Knobs, Lane, LaneSource, Script};
use crate::datum::Bindings;
use crate::scenario::error::Problem;
use crate::scenario::table::Text;
use crate::scenario::{Duration, Isolation, Launch, Role, Row, Scenario, Source, Suite, Timing, Verb};
use crate::subject::Subject;

/// Most bytes that a subject may send in a case.
const FLOOD: u64 = 64 << 20;

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
    /// The subject's role.
    role: Option<Role>,
    /// The values of `[timing]` and `[bind]`, where the scenario has no times of its own.
    bound: Result<(Arc<Timing>, Bindings), Problem>,
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
        let role = suite.role(&subject.role, profile, mode);
        let mut common = Self { suite, subject, mode, profile, knobs, role, bound: Ok(Default::default()) };
        common.bound = common.bind(&BTreeMap::new());
        common
    }

    /// The times, with those of a scenario between the suite's and the subject's, and the names that the suite binds.
    fn bind(&self, of_scenario: &BTreeMap<String, Duration>) -> Result<(Arc<Timing>, Bindings), Problem> {
        let layers = [&self.suite.timing, of_scenario, &self.subject.timing];
        let timing = timing::resolve(layers, self.knobs.time_scale)?;
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
        names::name_packages(&self.suite.text, &mut bindings);
        for (name, pattern) in &self.suite.bind {
            let value = pattern.value(&bindings);
            let value = value.map_err(|why| Problem::new(0..0, format!("[bind] {name}: {why}")))?;
            bindings.set(name.clone(), value);
        }
        Ok((Arc::new(timing), bindings))
    }

    /// The script of a case.
    ///
    /// # Errors
    /// Every name in the scenario that means nothing here.
    pub fn script(&self, scenario: &Scenario, row: &Row) -> Result<Script, Vec<Problem>> {
        let Self { suite, subject, mode, profile, knobs, .. } = self;
        let (mode, profile, knobs) = (*mode, *profile, *knobs);
        let role = self.role_of(scenario).map_err(|problem| vec![problem])?;
        let bound = if scenario.timing.is_empty() { self.bound.clone() } else { self.bind(&scenario.timing) };
        let (timing, bindings) = bound.map_err(|problem| vec![problem])?;
        let mut binder = Binder {
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
        binder.head();
        binder.lanes();
        let steps = binder.all_steps();
        let rules = binder.all_rules(profile, mode);
        let bindings = binder.bindings(row, bindings);
        binder.check_names(&steps, &rules, &bindings);
        let (lanes, problems) = (binder.lanes, binder.problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        let starts = !steps.iter().any(|step| matches!(&step.verb, Verb::Act(act) if act.starts_subject()));
        // A server that its driver would end runs on where it has none.
        let told = lanes.iter().any(|lane| matches!(lane.source, LaneSource::Declared(Source::Driver)));
        let runs_on = told && subject.driver.is_none() && subject.ops.is_empty();
        Ok(Script {
            name: CaseName {
                suite: suite.name.clone(),
                role: scenario.role.text.clone(),
                scenario: scenario.id.clone(),
                row: row.name.clone(),
                mode: mode.into(),
                profile: profile.into(),
            },
            isolation: scenario.isolation.unwrap_or_else(|| usual_isolation(scenario, &lanes)),
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
            knobs,
        })
    }

    /// The role of a scenario: the subject's, if it does not name another.
    fn role_of(&self, scenario: &Scenario) -> Result<Cow<'_, Role>, Problem> {
        let name = &scenario.role;
        let found = match &self.role {
            Some(role) if name.text == self.subject.role => Some(Cow::Borrowed(role)),
            _ => self.suite.role(&name.text, self.profile, self.mode).map(Cow::Owned),
        };
        found.ok_or_else(|| Problem::unknown(name.span.clone(), "role", &name.text, self.suite.role_names()))
    }
}

/// Whether a case may share a process, where its scenario does not say.
fn usual_isolation(scenario: &Scenario, lanes: &[Lane]) -> Isolation {
    let own_process =
        scenario.steps.iter().any(|step| matches!(&step.verb, Verb::Act(act) if act.needs_own_process()));
    let over_sockets = lanes.first().is_some_and(|lane| {
        matches!(lane.source, LaneSource::Declared(Source::ConnectTcp | Source::ConnectUnix))
    });
    if over_sockets && !own_process { Isolation::Connection } else { Isolation::Process }
}

/// The command line of a scenario over that of its role.
fn lay_over(role: &Launch, scenario: &Launch) -> Launch {
    let chain = |a: &[(String, Text)], b: &[(String, Text)]| {
        let kept = a.iter().filter(|(key, _)| !b.iter().any(|(other, _)| other == key));
        kept.chain(b).cloned().collect()
    };
    Launch {
        package: scenario.package.clone().or_else(|| role.package.clone()),
        parent: scenario.parent || role.parent,
        mode: scenario.mode.clone().or_else(|| role.mode.clone()),
        args: scenario.args.clone().or_else(|| role.args.clone()),
        env: chain(&role.env, &scenario.env),
        files: chain(&role.files, &scenario.files),
    }
}

/// Resolves names into indices and notes those that mean nothing.
struct Binder<'a> {
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
