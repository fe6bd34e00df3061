//! The lanes of a case.

use super::Binder;
use crate::play::script::{Lane, LaneSource};
use crate::play::step::made_by;
use crate::scenario::error::Problem;
use crate::scenario::table::Text;
use crate::scenario::{LaneSpec, Source, Step};

impl Binder<'_> {
    /// The lanes of the role, those that every role has, those that steps make, and the views.
    pub(super) fn lanes(&mut self) {
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
        let of_suite = suite.rules.iter().filter(|rule| rule.concerns(&scenario.role.text));
        for rule in scenario.rules.iter().chain(of_suite) {
            rule.kind.acts().iter().for_each(|act| self.made_by(act, rule.on.first()));
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

    /// Declares the lane that a step brings into being; `outer` is where its rule stands.
    fn made_by(&mut self, step: &Step, outer: Option<&Text>) {
        let Some(made) = made_by(step, outer) else { return };
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

    pub(super) fn find_lane(&mut self, name: &Text) -> Option<usize> {
        let found = self.lanes.iter().position(|lane| lane.name == name.text);
        if found.is_none() {
            let known = self.lanes.iter().map(|lane| lane.name.as_str());
            self.problems.push(Problem::unknown(name.span.clone(), "lane", &name.text, known));
        }
        found
    }
}
