//! The rules of a case: the scenario's, then those of its suite that concern it.

use super::Binder;
use crate::play::script::{Guard, GuardKind, Lane, LaneSource, Line};
use crate::scenario::error::Problem;
use crate::scenario::table::Text;
use crate::scenario::{Rule, RuleKind, Step, Verb};

/// Whether a rule holds in a profile and mode.
fn binds(rule: &Rule, profile: &str, mode: &str) -> bool {
    let holds = |names: &[Text], name: &str| names.is_empty() || names.iter().any(|text| text.text == name);
    holds(&rule.profiles, profile) && holds(&rule.modes, mode)
}

impl Binder<'_> {
    pub(super) fn all_rules(&mut self, profile: &str, mode: &str) -> Vec<Guard> {
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
        let lanes_exist = rule
            .on
            .iter()
            .all(|on| on.text == Rule::EACH || self.lanes.iter().any(|lane| lane.name == on.text));
        binds(rule, profile, mode)
            && rule.concerns(&self.scenario.role.text)
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
            [each] if each.text == Rule::EACH => self.like_the_first(),
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
}
