//! The steps of a case: opening, body and goodbye, and the lines that rules have.

use super::Binder;
use crate::actor::Nanos;
use crate::datum::Names;
use crate::play::script::Line;
use crate::scenario::error::Problem;
use crate::scenario::table::{Span, Text};
use crate::scenario::{Duration, Opening, Step, Verb};

impl Binder<'_> {
    pub(super) fn all_steps(&mut self) -> Vec<Line> {
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

    pub(super) fn check_rows(&mut self, rows: &[Text]) {
        let known: Vec<&str> = self.scenario.rows.iter().map(|row| row.name.as_str()).collect();
        for row in rows.iter().filter(|row| !known.contains(&row.text.as_str())) {
            self.problems.push(Problem::unknown(row.span.clone(), "row", &row.text, known.iter().copied()));
        }
    }

    /// Resolves a step; `lane` is where it stands if it does not say.
    pub(super) fn line(&mut self, step: &Step, goodbye: bool, lane: Option<usize>) -> Option<Line> {
        if let Verb::Drive(name) = &step.verb {
            self.check_drive(name);
        }
        let own = match &step.verb {
            Verb::Act(act) => act.default_lane(),
            _ => None,
        };
        let lane = match (&step.on, own) {
            (Some(name), _) => {
                let lane = self.find_lane(name);
                if lane.is_none() {
                    step.covers.iter().for_each(|id| self.check_requirement(id));
                }
                lane?
            }
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

    pub(super) fn nanos(&mut self, duration: Option<&Duration>, span: &Span) -> Option<Nanos> {
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

    pub(super) fn find_step(&mut self, id: &Text) -> Option<usize> {
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
}
