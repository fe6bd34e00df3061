//! The names of a case: what is bound from the start, and what is used and means nothing.

use super::Binder;
use crate::datum::{Bindings, Names, Pattern};
use crate::play::script::{Guard, GuardKind, Lane, Line};
use crate::scenario::error::Problem;
use crate::scenario::table::{Span, Text};
use crate::scenario::{Row, Verb};

/// Names that every case has, beside what its files bind.
const GIVEN: [&str; 9] = ["dir", "socket", "port", "url", "api_key", "peer", "upstream", "self", "now"];

/// Binds the file names of the packages that ship with plugfest, where a text speaks of packages.
pub(super) fn name_packages(text: &str, bindings: &mut Bindings) {
    if !text.contains("package.") {
        return;
    }
    for name in crate::package::shelf::names() {
        let launched = crate::package::shelf::filename_of(name).unwrap_or_default();
        bindings.set(format!("package.{name}.filename"), launched);
    }
}

impl Binder<'_> {
    /// Names in the head of the scenario that mean nothing in its suite.
    pub(super) fn head(&mut self) {
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
            && !self.suite.ids().any(|id| id == twin.text)
            && !self.suite.scenarios.is_empty()
        {
            let help = crate::scenario::error::nearest(&twin.text, self.suite.ids())
                .map(|near| format!("did you mean `{near}`?"));
            let message = format!("there is no scenario `{}`", twin.text);
            self.problems.push(Problem { help, ..Problem::new(twin.span.clone(), message) });
        }
    }

    pub(super) fn check_requirement(&mut self, id: &Text) {
        if self.suite.registry.get(&id.text).is_none() {
            let known = self.suite.registry.iter().map(|rule| rule.id.as_str());
            let near = crate::scenario::error::nearest(&id.text, known);
            let help = near.map(|near| format!("did you mean `{near}`?"));
            let message = format!("unknown requirement `{}`", id.text);
            self.problems.push(Problem { help, ..Problem::new(id.span.clone(), message) });
        }
    }

    /// The names of the case over those of its suite.
    pub(super) fn bindings(&self, row: &Row, mut bindings: Bindings) -> Bindings {
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
    pub(super) fn check_names(&mut self, steps: &[Line], rules: &[Guard], bindings: &Bindings) {
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
