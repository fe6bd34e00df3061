//! One message: to all who watch, and to the one who takes it.

use std::ops::Range;
use std::sync::Arc;

use super::chart::Start;
use super::finding::{Breach, Finding, kind_name, millis};
use super::said::Said;
use super::watch::Heard;
use super::{Errand, GuardKind, LaneSource, Line, Play, part_of};
use crate::actor::{Part, WireId};
use crate::datum::{Datum, Found, Kind, Mismatch, Pattern, Scope, View};
use crate::protocol;
use crate::scenario::{Source, Verb};

/// Who takes a message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Taker {
    Step(usize),
    Rule(usize),
    Drive(usize),
}

/// A message or observation, where it came, and what is kept of it.
#[derive(Clone, Copy)]
pub(super) struct Came<'a> {
    pub(super) lane: usize,
    wire: Option<WireId>,
    pub(super) view: View<'a>,
    said: &'a Said,
}

impl Play {
    /// Delivers a message or observation that came on a lane.
    pub(super) fn deliver(
        &mut self,
        lane: usize,
        wire: Option<WireId>,
        kind: Kind,
        datum: Datum,
        range: Range<u64>,
    ) {
        let Some(datum) = self.driver_answer(lane, wire, kind, datum, &range) else { return };
        let datum = Arc::new(datum);
        let view = View { kind, datum: Some(&datum) };
        let lane = self.view_of(lane, view);
        if let Some(wire) = wire.filter(|_| matches!(kind, Kind::Message | Kind::Head)) {
            self.viewed(wire, lane);
        }
        let said = Said::of(kind, &datum);
        let bytes = Start::of(self.bytes_of(wire, &range));
        self.chart.came(self.script.lanes[lane].name.clone(), kind, said.clone(), bytes);
        let came = Came { lane, wire, view, said: &said };
        let path = self.path_of(lane, wire, kind);
        let taken = self.find_taker(&path, view);
        let heard = self.watch(&path, view, taken.as_ref().map(|(taker, _)| *taker));
        match taken.filter(|_| heard != Heard::Told) {
            Some((Taker::Step(step), found)) => self.take_by_step(step, came, found),
            Some((Taker::Rule(rule), found)) => self.take_by_rule(rule, came, &found),
            Some((Taker::Drive(step), _)) => self.take_by_drive(step, came),
            None => self.untaken(&path, came, heard != Heard::Nothing),
        }
    }

    /// Answers of the driver go to the lane that asked; what is no answer is a failure of the driver. What is not the
    /// driver's is given back.
    fn driver_answer(
        &mut self,
        lane: usize,
        wire: Option<WireId>,
        kind: Kind,
        mut datum: Datum,
        range: &Range<u64>,
    ) -> Option<Datum> {
        if wire.is_none() || !matches!(self.script.lanes[lane].source, LaneSource::Declared(Source::Driver)) {
            return Some(datum);
        }
        if wire != self.driver {
            return self.command_answer(kind, datum);
        }
        match kind {
            Kind::Message => {
                let id = datum.get("id").and_then(Datum::as_int).and_then(|id| u64::try_from(id).ok());
                match id.and_then(|id| self.operations.remove(&id)) {
                    Some(asker) => {
                        if let Datum::Map(fields, _) = &mut datum {
                            fields.retain(|(key, _)| key.as_text().as_deref() != Some("id"));
                        }
                        self.deliver(asker, None, Kind::Message, datum, 0..0);
                    }
                    None => self.give_up(format!(
                        "the driver answered what nobody asked: {}",
                        crate::datum::brief(&datum)
                    )),
                }
            }
            Kind::Malformed => {
                let reason = datum.as_text().unwrap_or_default();
                let bytes = self.bytes_of(wire, range);
                let line = String::from_utf8_lossy(bytes);
                let line = line.lines().next().unwrap_or_default();
                self.give_up(format!("the driver must write JSON lines, but {reason}: it wrote {line:?}"));
            }
            Kind::Exit | Kind::Signalled if self.driver_left_early() => {
                self.give_up(format!("the driver ended early: {}", View { kind, datum: Some(&datum) }));
            }
            _ => {}
        }
        None
    }

    /// Whether the driver has ended although neither the end of its input nor that of the case told it to, or without
    /// an answer that is still awaited. What is open when the case ends need not be answered any more.
    fn driver_left_early(&self) -> bool {
        let wire = self.driver.and_then(|id| self.wires.get(&id));
        let has_input = wire.is_none_or(|wire| !wire.we_closed);
        !self.is_closing() && (has_input || !self.operations.is_empty())
    }

    /// The last line of output of an operation that is a command is its answer; what is no JSON is shown.
    fn command_answer(&mut self, kind: Kind, datum: Datum) -> Option<Datum> {
        if kind == Kind::Malformed {
            let why = datum.as_text().unwrap_or_default();
            self.give_up(format!("the last line of the operation's output must be JSON, but {why}"));
        }
        (kind == Kind::Message).then_some(datum)
    }

    /// The lane itself, or the first view of it (in file order) that the message fits.
    fn view_of(&mut self, lane: usize, view: View<'_>) -> usize {
        let script = self.script.clone();
        let fits = |(index, candidate): &(usize, &super::Lane)| match &candidate.source {
            LaneSource::View { of, matching } => *of == lane && self.found(*index, matching, view).is_some(),
            _ => false,
        };
        match script.lanes.iter().enumerate().find(fits) {
            Some((index, _)) => self.view_of(index, view),
            None => lane,
        }
    }

    /// The lane and its parents; what becomes of the subject's process also concerns the lane of its output.
    fn path_of(&self, lane: usize, wire: Option<WireId>, kind: Kind) -> Vec<usize> {
        let mut path = vec![lane];
        while let LaneSource::View { of, .. } = self.script.lanes[path[path.len() - 1]].source {
            path.push(of);
        }
        let of_process = matches!(kind, Kind::Exit | Kind::Signalled | Kind::Opened);
        if of_process && wire.is_some() && wire == self.subject {
            let output = self.script.stdio_lane();
            if !path.contains(&output) {
                path.push(output);
            }
        }
        path
    }

    /// What a message that fits binds and says; most patterns are tried on what is not for them, which is told without
    /// a word about why.
    pub(super) fn found(&self, lane: usize, pattern: &Pattern, view: View<'_>) -> Option<Found> {
        if !pattern.may_match(view, self.lanes[lane].compare) {
            return None;
        }
        self.fits(lane, pattern, view).ok()
    }

    pub(super) fn fits(&self, lane: usize, pattern: &Pattern, view: View<'_>) -> Result<Found, Mismatch> {
        let suite = &self.script.name.suite;
        let checks = |name: &str, datum: &Datum| protocol::check(suite, name, datum);
        let mut scope = Scope::new(self.lanes[lane].compare, &self.bindings, &checks);
        pattern.matches(view, &mut scope)?;
        Ok(scope.found())
    }

    /// The one taker: at each level the pending expect, then the rules in file order, the scenario's first.
    fn find_taker(&self, path: &[usize], view: View<'_>) -> Option<(Taker, Found)> {
        path.iter().find_map(|lane| {
            let driven = || self.drive_takes(*lane, view).map(|step| (Taker::Drive(step), Found::default()));
            self.expect_takes(*lane, view).or_else(driven).or_else(|| self.rule_takes(*lane, view))
        })
    }

    fn expect_takes(&self, lane: usize, view: View<'_>) -> Option<(Taker, Found)> {
        let step = self.pending_expect(lane)?;
        let Verb::Expect(pattern) = &self.script.steps[step].verb else { return None };
        let found = self.found(lane, pattern, view)?;
        Some((Taker::Step(step), found))
    }

    fn rule_takes(&self, lane: usize, view: View<'_>) -> Option<(Taker, Found)> {
        self.script
            .rules
            .iter()
            .enumerate()
            .filter(|(index, guard)| guard.lanes.contains(&lane) && self.is_on(*index))
            .find_map(|(index, guard)| {
                let (pattern, most) = match &guard.kind {
                    GuardKind::Allow { pattern, most } | GuardKind::Answer { pattern, most, .. } => {
                        (pattern, most)
                    }
                    _ => return None,
                };
                if most.is_some_and(|most| self.guards[index].seen >= most) {
                    return None;
                }
                self.found(lane, pattern, view).map(|found| (Taker::Rule(index), found))
            })
    }

    pub(super) fn is_on(&self, rule: usize) -> bool {
        self.guards[rule].begun.is_some() && !self.guards[rule].ended
    }

    /// Adds a finding, once.
    pub(super) fn add(&mut self, finding: Finding) {
        let same = |other: &Finding| {
            (&other.requirement, &other.step, &other.path, &other.kind, other.outcome)
                == (&finding.requirement, &finding.step, &finding.path, &finding.kind, finding.outcome)
        };
        if !self.findings.iter().any(same) {
            self.findings.push(finding);
        }
    }

    fn take_by_step(&mut self, step: usize, came: Came<'_>, found: Found) {
        let script = self.script.clone();
        let line = &script.steps[step];
        self.judge_time(step, line);
        for label in found.commit(&mut self.bindings) {
            self.labels.insert(label.clone());
            self.traits.push(format!("{}: {label}", line.label));
        }
        self.taken(line.lane, came, format!("the step {}", line.label));
        self.meet(step);
    }

    /// Whether what a step takes came in time.
    fn judge_time(&mut self, step: usize, line: &Line) {
        let since =
            line.since.and_then(|since| self.steps[since].met_at).unwrap_or(self.lanes[line.lane].last_met);
        if let Some(floor) = line.floor
            && self.now < since + floor
        {
            let early = since + floor - self.now;
            self.break_step(
                step,
                Breach::Broken,
                "early",
                format!("too early by {}", millis(early)),
                String::new(),
            );
        }
        if let Some(deadline) = self.steps[step].deadline
            && self.now > deadline + self.script.time("lag")
        {
            let late = self.now - deadline;
            self.break_step(step, Breach::Late, "", format!("late by {}", millis(late)), String::new());
        }
    }

    fn take_by_rule(&mut self, rule: usize, came: Came<'_>, found: &Found) {
        self.guards[rule].seen += 1;
        found.remember(&mut self.bindings);
        let script = self.script.clone();
        let guard = &script.rules[rule];
        for label in &found.labels {
            self.traits.push(format!("{}: {label}", guard.label));
        }
        self.taken(came.lane, came, format!("the rule {}", guard.label));
        if let GuardKind::Answer { with, .. } = &guard.kind {
            let mut bindings = self.bindings.clone();
            for (name, value) in found.bound() {
                bindings.set(name.clone(), value.clone());
            }
            let due = self.now + with.first().and_then(|line| line.after).unwrap_or(0);
            self.errands.push(Errand { due, rule, next: 0, bindings, lane: came.lane, wire: came.wire });
        }
    }

    pub(super) fn taken(&mut self, taker_lane: usize, came: Came<'_>, taker: String) {
        let Came { lane, wire, view, said } = came;
        let is_end = matches!(view.kind, Kind::Exit | Kind::Signalled);
        self.saw_the_end |= is_end && wire.is_some() && wire == self.subject;
        if let Some(wire) = wire.filter(|_| part_of(&self.script.lanes[lane].source) == Part::Main) {
            self.lanes[taker_lane].current = Some(wire);
            self.lanes[lane].current = Some(wire);
        }
        self.lanes[lane].remember(said.clone(), Some(taker));
    }

    /// A message that nobody took, or an observation that nobody named.
    fn untaken(&mut self, path: &[usize], came: Came<'_>, watched: bool) {
        let Came { lane, wire, view, said } = came;
        if part_of(&self.script.lanes[lane].source) == Part::Stderr && self.is_free_text(path) {
            return;
        }
        if !matches!(view.kind, Kind::Message | Kind::Malformed) {
            match self.wants_another(path, view) {
                Some((lane, step)) => self.mismatch(lane, step, view),
                None if !watched => self.bad_observation(path, wire, view),
                None => {}
            }
            return;
        }
        self.lanes[lane].remember(said.clone(), None);
        if watched || self.is_aborted() {
            return;
        }
        let pending = path.iter().find_map(|lane| self.pending_expect(*lane).map(|step| (*lane, step)));
        if let Some((lane, step)) = pending {
            return self.mismatch(lane, step, view);
        }
        if let Some(step) = path.iter().find_map(|lane| self.pending_quiet(*lane)) {
            let message = format!("came where nothing should: {view}");
            return self.break_step(step, Breach::Broken, "quiet", message, view.to_string());
        }
        let requirement = self.script.lanes[lane].default.clone();
        self.add(Finding {
            requirement,
            outcome: Breach::Unexpected,
            message: format!("nobody expects this on `{}`: {view}", self.script.lanes[lane].name),
            step: format!("lane {}", self.script.lanes[lane].name),
            path: String::new(),
            kind: String::new(),
            wanted: String::new(),
            got: view.to_string(),
            span: (0, 0),
            seq: self.seq,
        });
    }

    /// The pending expect of a head or of the end of a process, where another came than it wants: there is no second.
    fn wants_another(&self, path: &[usize], view: View<'_>) -> Option<(usize, usize)> {
        if self.is_aborted() {
            return None;
        }
        let (lane, step) = path.iter().find_map(|lane| Some((*lane, self.pending_expect(*lane)?)))?;
        let Verb::Expect(pattern) = &self.script.steps[step].verb else { return None };
        let status = view.datum.and_then(|head| head.get("status")).and_then(Datum::as_int);
        let is_interim = status.is_some_and(|status| (100..200).contains(&status));
        let is_wanted = match view.kind {
            Kind::Head => !is_interim && pattern.speaks_of(Kind::Head),
            Kind::Exit | Kind::Signalled => {
                [Kind::Exit, Kind::Signalled].iter().any(|kind| pattern.speaks_of(*kind))
            }
            _ => false,
        };
        is_wanted.then_some((lane, step))
    }

    /// Standard error is free for logs unless a step waits there.
    fn is_free_text(&self, path: &[usize]) -> bool {
        !path.iter().any(|lane| self.pending_expect(*lane).is_some())
    }

    /// The next message of the lane is not what its pending expect wants.
    fn mismatch(&mut self, lane: usize, step: usize, view: View<'_>) {
        let script = self.script.clone();
        if part_of(&script.lanes[lane].source) == Part::Stderr {
            return;
        }
        let Verb::Expect(pattern) = &script.steps[step].verb else { return };
        let Err(mismatch) = self.fits(lane, pattern, view) else { return };
        let line = &script.steps[step];
        self.add(Finding {
            requirement: line.covers.clone(),
            outcome: Breach::Broken,
            message: mismatch.to_string(),
            step: line.label.clone(),
            path: mismatch.path.to_string(),
            kind: kind_name(Some(mismatch.kind)),
            wanted: mismatch.wanted,
            got: view.to_string(),
            span: (line.span.start, line.span.end),
            seq: self.seq,
        });
        self.abort();
    }

    /// An observation in the lane's `bad`, before the goodbye and not of our making.
    fn bad_observation(&mut self, path: &[usize], wire: Option<WireId>, view: View<'_>) {
        let we_closed = wire.and_then(|wire| self.wires.get(&wire)).is_some_and(|wire| wire.we_closed);
        let ours = we_closed || (self.ending && matches!(view.kind, Kind::Exit | Kind::Signalled));
        if self.is_closing() || ours || self.steps_are_met() {
            return;
        }
        let script = self.script.clone();
        for lane in path {
            let spec = &script.lanes[*lane];
            if spec.bad.iter().any(|bad| self.found(*lane, bad, view).is_some()) {
                self.add(Finding {
                    requirement: spec.default.clone(),
                    outcome: Breach::Ended,
                    message: format!("{view} before the case was over"),
                    step: format!("lane {}", spec.name),
                    path: String::new(),
                    kind: view.kind.name().into(),
                    wanted: String::new(),
                    got: view.to_string(),
                    span: (0, 0),
                    seq: self.seq,
                });
                return;
            }
        }
    }

    /// Charges a step.
    pub(super) fn break_step(
        &mut self,
        step: usize,
        outcome: Breach,
        kind: &str,
        message: String,
        got: String,
    ) {
        let line = &self.script.steps[step];
        let finding = Finding {
            requirement: line.covers.clone(),
            outcome,
            message,
            step: line.label.clone(),
            path: String::new(),
            kind: kind.into(),
            wanted: String::new(),
            got,
            span: (line.span.start, line.span.end),
            seq: self.seq,
        };
        self.add(finding);
    }
}
