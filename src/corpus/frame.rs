//! What is wrong with the files of a suite beside its scenarios: names that mean nothing in it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::faults::unknown_of_rule;
use crate::play::{Common, Knobs, made_by};
use crate::scenario::error::{FileErrors, Problem, Unknown};
use crate::scenario::table::{Document, Table, Text};
use crate::scenario::{Opening, Row, Rule, Scenario, Step, Suite};
use crate::subject::Subject;

/// Rules of a suite for whom nobody has the role, profile, mode or requirement that they name: they would never hold.
pub(super) fn odd_rules(suite: &Suite, rules: &[Rule], file: &str, text: &str) -> Result<(), FileErrors> {
    let mut problems = Vec::new();
    for rule in rules {
        let role = rule.role.as_ref().map(|role| role.text.as_str()).unwrap_or_default();
        let unknown = |what: &str, name: &Text, known: &[&str]| {
            Problem::unknown(name.span.clone(), what, &name.text, known.iter().copied())
        };
        let roles: Vec<&str> = suite.role_names().collect();
        problems.extend(
            rule.role.iter().filter(|_| !roles.contains(&role)).map(|name| unknown("role", name, &roles)),
        );
        let ids: Vec<&str> = suite.registry.iter().map(|requirement| requirement.id.as_str()).collect();
        let covers = rule.covers.iter().filter(|id| !ids.contains(&id.text.as_str()));
        problems.extend(covers.map(|id| unknown("requirement", id, &ids)));
        problems.extend(unknown_of_rule(suite, rule, role));
    }
    match problems.is_empty() {
        true => Ok(()),
        false => Err(FileErrors { file: file.into(), text: text.into(), problems }),
    }
}

/// What is wrong with the cases of a scenario that says nothing: the suite's own mistakes. Names and steps that other
/// scenarios bring along are none.
pub(super) fn without_steps(suite: &Suite) -> Vec<Problem> {
    let is_brought = |unknown: &Unknown| ["name", "step"].contains(&unknown.what.as_str());
    let mut problems: Vec<Problem> = Vec::new();
    for (role, profile, mode) in every_role(suite) {
        let subject = Arc::new(Subject::of_command(&suite.name, role, vec!["true".into()]));
        let common = Common::new(suite, subject, &mode, profile, Knobs::default());
        let named = suite.role(role, profile, &mode).into_iter().flat_map(|role| role.openings.into_keys());
        let named = named.map(|name| Opening::Named(Text { text: name, span: 0..0 }));
        for opening in [Opening::Default].into_iter().chain(named) {
            let role = Text { text: role.into(), span: 0..0 };
            let scenario = Scenario { suite: suite.name.clone(), role, opening, ..Scenario::default() };
            for problem in common.script(&scenario, &Row::default()).err().unwrap_or_default() {
                if !problem.unknown.as_ref().is_some_and(is_brought) && !problems.contains(&problem) {
                    problems.push(problem);
                }
            }
        }
    }
    problems
}

/// Every role in each of its profiles and modes.
fn every_role(suite: &Suite) -> impl Iterator<Item = (&str, &str, String)> {
    suite.role_names().flat_map(|role| {
        let modes = suite.modes(role);
        let profiles = suite.profiles.iter().map(String::as_str);
        profiles.flat_map(move |profile| modes.clone().into_iter().map(move |mode| (role, profile, mode)))
    })
}

/// Rules of the suite on lanes that their role never has: they would never hold.
pub(super) fn idle_rules(suite: &Suite) -> Vec<Problem> {
    suite.role_names().flat_map(|role| idle_rules_of(suite, role)).collect()
}

fn idle_rules_of(suite: &Suite, role: &str) -> Vec<Problem> {
    let known = lanes_of(suite, role);
    let lanes = suite.rules.iter().filter(|rule| rule.concerns(role)).flat_map(|rule| &rule.on);
    lanes
        .filter(|on| on.text != Rule::EACH && !known.contains(on.text.as_str()))
        .map(|on| Problem::unknown(on.span.clone(), "lane", &on.text, known.iter().map(String::as_str)))
        .collect()
}

/// The lanes that any case of a role has: its own, its views, and those that scenarios and rules make.
fn lanes_of(suite: &Suite, role: &str) -> BTreeSet<String> {
    let mut lanes = BTreeSet::from(["process".to_owned(), "stderr".to_owned()]);
    let add_made = |lanes: &mut BTreeSet<String>, step: &Step, outer: Option<&Text>| {
        lanes.extend(made_by(step, outer).map(|made| made.name.to_owned()));
    };
    for (_, profile, mode) in every_role(suite).filter(|(name, ..)| *name == role) {
        let Some(role) = suite.role(role, profile, &mode) else { continue };
        lanes.extend(role.lanes.iter().map(|lane| lane.name.text.clone()));
        lanes.extend(role.views.iter().map(|view| view.lane.text.clone()));
        let own = role.opening.iter().chain(role.openings.values().flatten()).chain(&role.goodbye);
        own.for_each(|step| add_made(&mut lanes, step, None));
    }
    let scenarios = || suite.scenarios.iter().filter(|scenario| scenario.role.text == role);
    for scenario in scenarios() {
        lanes.extend(scenario.views.iter().map(|view| view.lane.text.clone()));
        scenario.steps.iter().for_each(|step| add_made(&mut lanes, step, None));
    }
    let of_suite = suite.rules.iter().filter(|rule| rule.concerns(role));
    for rule in scenarios().flat_map(|scenario| &scenario.rules).chain(of_suite) {
        rule.kind.acts().iter().for_each(|act| add_made(&mut lanes, act, rule.on.first()));
    }
    lanes
}

/// Requirements for a role or profile that the suite does not have: they would bind nobody.
pub(super) fn odd_requirements(suite: &Suite, file: &str, text: &str) -> Result<(), FileErrors> {
    let document = Document::parse(file, text);
    for (_, table) in document.root().every_table() {
        if let Some(role) =
            table.text("role").filter(|role| !suite.role_names().any(|name| name == role.text))
        {
            table.unknown("role", &role, suite.role_names());
        }
        let levels = if table.is_table("level") { table.table("level") } else { None };
        let by_level = levels.iter().flat_map(Table::keys).cloned();
        for profile in table.texts("profiles").into_iter().chain(by_level) {
            if !suite.profiles.contains(&profile.text) {
                table.unknown("profile", &profile, suite.profiles.iter().map(String::as_str));
            }
        }
    }
    document.errors()
}
