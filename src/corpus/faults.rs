//! What is wrong with scenarios in their suite, gathered by file: names that mean nothing there.

use std::collections::{BTreeMap, BTreeSet};

use crate::plan::{Plan, Selection};
use crate::scenario::error::{FileErrors, Problem, nearest};
use crate::scenario::table::Text;
use crate::scenario::{Rule, Suite};
use crate::subject::Subject;

/// Binds every scenario of a suite in every role and profile, to nobody; what means nothing.
pub fn unbound(suite: &Suite) -> Vec<FileErrors> {
    let mut errors = Vec::new();
    for role in suite.role_names() {
        for profile in &suite.profiles {
            let subject = Subject::of_command(&suite.name, role, vec!["true".into()]);
            let selection = Selection { profile: profile.clone(), slow: true, ..Selection::default() };
            add(&mut errors, Plan::build(suite, &subject, &selection).err().unwrap_or_default());
        }
    }
    errors
}

/// Adds to what is known of each file; what is known already is told once.
pub(super) fn add(known: &mut Vec<FileErrors>, more: Vec<FileErrors>) {
    for error in more {
        match known.iter_mut().find(|file| file.file == error.file) {
            None => known.push(error),
            Some(file) => {
                let told = |new: &Problem, old: &Problem| new.span == old.span && new.message == old.message;
                let new = error.problems.into_iter();
                let new: Vec<Problem> =
                    new.filter(|new| !file.problems.iter().any(|old| told(new, old))).collect();
                file.problems.extend(new);
            }
        }
    }
}

/// In a file of which a step, view or rule could not be read: without the names that may stand there.
pub(super) fn without_echoes(mut errors: FileErrors, lossy: &BTreeSet<String>) -> FileErrors {
    let defined_by_tables = ["step", "lane", "name"];
    let echo = |problem: &Problem| {
        problem.unknown.as_ref().is_some_and(|unknown| defined_by_tables.contains(&unknown.what.as_str()))
    };
    if lossy.contains(&errors.file) {
        errors.problems.retain(|problem| !echo(problem));
    }
    errors
}

/// Names for which the cases of a scenario would never run: a role that the suite does not have, a capability that one
/// scenario alone asks for, by a name that is nearly that of others; profiles and modes of a rule.
pub(super) fn misspelt(suite: &Suite) -> Vec<FileErrors> {
    let mut known: BTreeMap<&str, usize> = BTreeMap::new();
    let names = suite.scenarios.iter().flat_map(|scenario| &scenario.capabilities);
    names.for_each(|name| *known.entry(&name.text).or_default() += 1);
    let others: Vec<&str> = known.iter().filter(|(_, count)| **count > 1).map(|(name, _)| *name).collect();
    let mut errors = Vec::new();
    let roles: Vec<&str> = suite.role_names().collect();
    for scenario in &suite.scenarios {
        let alone = scenario.capabilities.iter().filter(|name| known[name.text.as_str()] == 1);
        let near = |name: &&Text| {
            nearest(&name.text, others.iter().copied()).is_some_and(|near| is_slip(&name.text, near))
        };
        let problems: Vec<Problem> = alone
            .filter(near)
            .map(|name| Problem::unknown(name.span.clone(), "capability", &name.text, others.iter().copied()))
            .collect();
        let said = Some(&scenario.role).filter(|role| !role.text.is_empty());
        let role = said.filter(|role| !roles.contains(&role.text.as_str()));
        let role =
            role.map(|role| Problem::unknown(role.span.clone(), "role", &role.text, roles.iter().copied()));
        let rules = scenario.rules.iter().flat_map(|rule| unknown_of_rule(suite, rule, &scenario.role.text));
        let problems: Vec<Problem> = role.into_iter().chain(problems).chain(rules).collect();
        if !problems.is_empty() {
            let (file, text) = (scenario.file.clone(), scenario.text.to_string());
            errors.push(FileErrors { file, text, problems });
        }
    }
    errors
}

/// Whether a name differs from another by a slip of the pen: in one or two letters of a long word.
fn is_slip(name: &str, other: &str) -> bool {
    let last = |name: &str| name.rsplit('.').next().unwrap_or_default().len();
    let distance = strsim::damerau_levenshtein(name, other);
    distance <= 1 && last(name) > 3 || distance == 2 && last(name) > 6
}

/// Profiles and modes of a rule that its role does not have.
pub(super) fn unknown_of_rule(suite: &Suite, rule: &Rule, role: &str) -> Vec<Problem> {
    let modes = suite.modes(role);
    let of = |what: &str, names: &[Text], known: &[String]| -> Vec<Problem> {
        let wrong = names.iter().filter(|name| !known.contains(&name.text));
        let known = || known.iter().map(String::as_str);
        wrong.map(|name| Problem::unknown(name.span.clone(), what, &name.text, known())).collect()
    };
    [of("profile", &rule.profiles, &suite.profiles), of("mode", &rule.modes, &modes)].concat()
}

/// Files of a user that look like ours and lie where no suite is.
pub(super) fn misplaced(found: &[(String, String, String)], suites: &[String]) -> Vec<FileErrors> {
    let is_ours = |path: &str, text: &str| {
        let is_scenario = text.lines().any(|line| ["[[step]]", "[[rule]]"].contains(&line.trim()));
        is_scenario
            || ["requirements.toml", "rules.toml"].iter().any(|name| path.ends_with(&format!("/{name}")))
    };
    let brings = |suite: &str| found.iter().any(|(path, ..)| path == &format!("{suite}/suite.toml"));
    let mut errors = Vec::new();
    for (path, name, _) in found.iter().filter(|(path, _, text)| is_ours(path, text)) {
        let why = match path.split_once('/') {
            None => "lies in no suite: put it at SUITE/SECTION/NAME.toml".to_owned(),
            Some((suite, _)) if suites.iter().any(|known| known == suite) || brings(suite) => continue,
            Some((suite, _)) => match nearest(suite, suites.iter().map(String::as_str)) {
                Some(near) => format!("there is no suite `{suite}`, did you mean `{near}`?"),
                None => format!("there is no suite `{suite}` (known: {})", suites.join(", ")),
            },
        };
        errors.push(FileErrors::unreadable(name, why));
    }
    errors
}
