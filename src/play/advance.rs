//! What is due: acts, answers, beats, and when to look again.

use super::{Asked, GuardKind, LaneSource, Line, Play, Ran, Stage};
use crate::actor::{Act, Nanos, WireId};
use crate::datum::{Bindings, Kind, Names};
use crate::scenario::{Source, Verb};

/// How soon a connection is tried again that a subject refused which is still starting.
const REDIAL: Nanos = 5_000_000;
impl Play {
    /// Does everything that is due now; `rang` says that the alarm brought us here.
    pub(super) fn advance(&mut self, rang: bool) {
        loop {
            let heads: Vec<usize> = self.heads().collect();
            let progress = self.start_subject()
                || self.redial()
                || self.run_errand()
                || self.beat()
                || self.run_act(&heads)
                || self.make_pending(&heads)
                || self.drive(&heads)
                || self.judge_silence(&heads, rang)
                || self.next_phase();
            if !progress || self.is_done() {
                return;
            }
        }
    }

    /// Starts the subject, and its driver, once our listeners are ready, unless a step says when.
    fn start_subject(&mut self) -> bool {
        let waiting = self.asked.values().any(|asked| matches!(asked, Asked::Listener));
        if self.driver.is_none() && !waiting && !self.is_closing() && self.needs_driver() {
            let act = self.stage(0).start_driver();
            self.ask(act, Asked::Nobody);
            return true;
        }
        let can_start = !self.script.subject.command.is_empty();
        if !self.script.starts || self.subject.is_some() || waiting || !can_start || self.is_closing() {
            return false;
        }
        let process = self.script.lane("process").unwrap_or(0);
        let act = self.stage(process).start(&crate::scenario::Launch::default(), false);
        self.ask(act, Asked::Subject);
        true
    }

    /// Whether a connection that was refused is tried again: while the subject is starting, and it alone.
    pub(super) fn dials_again(&mut self, wire: WireId) -> bool {
        let (now, gone) = (self.now, self.subject_is_gone() || self.is_draining());
        let starting = !self.reached && !gone && now < self.patience;
        let Some(redial) = self.redials.iter_mut().find(|redial| redial.wire == wire) else { return false };
        redial.due = Some(now + REDIAL);
        starting
    }

    /// Dials again what was refused.
    fn redial(&mut self) -> bool {
        if self.reached && self.redials.iter().all(|redial| redial.due.is_none()) {
            self.redials.clear();
        }
        let is_due = |redial: &super::Redial| redial.due.is_some_and(|due| due <= self.now);
        let Some(index) = self.redials.iter().position(is_due) else { return false };
        let super::Redial { wire, addr, tls, .. } = self.redials.remove(index);
        let Some(lane) = self.wires.get(&wire).map(|wire| wire.lane) else { return true };
        let act = self.stage(lane).connect(wire, addr, tls);
        if let Some(asked) = self.wires.get_mut(&wire).and_then(|wire| wire.redialled.take()) {
            self.asked.insert(act, asked);
        }
        true
    }

    /// Whether acts must wait until the world has answered an earlier one.
    fn is_held(&self, step: usize) -> bool {
        let redialled = self.wires.values().filter_map(|wire| wire.redialled.as_ref());
        self.asked.values().chain(redialled).any(|asked| match asked {
            Asked::Subject | Asked::Listener => true,
            Asked::Step(earlier) => *earlier < step,
            _ => false,
        })
    }

    /// The first step of a lane that is not met, if its phase has come.
    pub(super) fn head(&self, lane: usize) -> Option<usize> {
        let state = &self.lanes[lane];
        let step = *state.steps.get(state.head)?;
        self.phase.plays(self.script.steps[step].goodbye).then_some(step)
    }

    /// The heads of all lanes that have one, in the order of the lanes.
    fn heads(&self) -> impl Iterator<Item = usize> {
        (0..self.lanes.len()).filter_map(|lane| self.head(lane))
    }

    /// The time before which a step does nothing; `None` until the step that it counts from is met.
    fn not_before(&self, step: usize) -> Option<Nanos> {
        let line = &self.script.steps[step];
        let since = match line.since {
            Some(since) => self.steps[since].met_at?,
            None => self.lanes[line.lane].last_met,
        };
        Some(line.after.map_or(0, |after| since + after))
    }

    /// Runs the first act in file order that is due.
    fn run_act(&mut self, heads: &[usize]) -> bool {
        let script = self.script.clone();
        let may_act = |step: &usize| {
            matches!(script.steps[*step].verb, Verb::Act(_)) || script.steps[*step].condition.is_some()
        };
        let mut acts: Vec<usize> = heads.iter().copied().filter(may_act).collect();
        acts.sort_unstable();
        for step in acts {
            if self.skip(step) {
                return true;
            }
            let line = &script.steps[step];
            let Verb::Act(act) = &line.verb else { continue };
            let due = self.not_before(step).is_some_and(|time| time <= self.now);
            let bound = line.uses.iter().all(|name| self.bindings.get(name).is_some());
            if self.steps[step].asked || !due || !bound || self.is_held(step) {
                continue;
            }
            match act.run(&mut Stage::new(self, line.lane, None, None)) {
                Ran::NotYet => continue,
                Ran::Done => self.meet(step),
                Ran::Asked(act) => {
                    self.steps[step].asked = true;
                    self.asked.insert(act, Asked::Step(step));
                }
                Ran::Failed(why) => self.give_up(why),
            }
            return true;
        }
        false
    }

    /// Meets a step whose `if` can no longer come true.
    fn skip(&mut self, step: usize) -> bool {
        let Some(label) = &self.script.steps[step].condition else { return false };
        if self.labels.contains(label) {
            return false;
        }
        let could_come = self.script.steps[..step].iter().zip(&self.steps).any(|(line, state)| {
            let Verb::Expect(pattern) = &line.verb else { return false };
            let mut names = Names::default();
            pattern.names(&mut names);
            state.met_at.is_none() && names.labels.contains(label)
        });
        if !could_come {
            self.meet(step);
        }
        !could_come
    }

    fn waits_for_label(&self, step: usize) -> bool {
        self.script.steps[step].condition.as_ref().is_some_and(|label| !self.labels.contains(label))
    }

    /// Makes expects and quiets pending whose time has come, and sets their deadlines.
    fn make_pending(&mut self, heads: &[usize]) -> bool {
        let mut changed = false;
        for &step in heads {
            let line = &self.script.steps[step];
            if matches!(line.verb, Verb::Act(_)) || self.waits_for_label(step) {
                continue;
            }
            let may = line.since.is_none_or(|since| self.steps[since].met_at.is_some());
            let due = self.not_before(step).is_some_and(|time| time <= self.now);
            if self.steps[step].pending_at.is_none() && may && due {
                self.steps[step].pending_at = Some(self.now);
                changed = true;
            }
            changed |= self.set_deadline(step);
        }
        if changed {
            self.fail_hopeless();
        }
        changed
    }

    fn set_deadline(&mut self, step: usize) -> bool {
        let state = &self.steps[step];
        let (Some(pending), None) = (state.pending_at, state.deadline) else { return false };
        let line = &self.script.steps[step];
        if matches!(line.verb, Verb::Drive(_)) && !state.asked {
            return false;
        }
        let deadline = match (&line.verb, line.since.and_then(|since| self.steps[since].met_at), line.within)
        {
            (Verb::Quiet(duration), ..) => {
                pending + duration.resolve(&self.script.timing, 1.0).unwrap_or_default()
            }
            (Verb::Expect(_), Some(since), Some(within)) => since + within,
            _ if !self.acts_before_are_done(step) => return false,
            (_, _, within) => {
                let fresh = if self.is_fresh() { self.script.time("start") } else { 0 };
                self.now + within.unwrap_or_else(|| self.script.time("reply")) + fresh
            }
        };
        self.steps[step].deadline = Some(deadline);
        true
    }

    pub(super) fn acts_before_are_done(&self, step: usize) -> bool {
        let before = self.script.steps[..step].iter().zip(&self.steps);
        before.into_iter().all(|(line, state)| !matches!(line.verb, Verb::Act(_)) || state.met_at.is_some())
    }

    /// Whether nothing has come from the subject yet.
    pub(super) fn is_fresh(&self) -> bool {
        self.wires.values().filter(|wire| !self.is_driver(wire.lane)).all(|wire| wire.messages == 0)
    }

    fn is_driver(&self, lane: usize) -> bool {
        matches!(self.script.lanes[lane].source, LaneSource::Declared(Source::Driver))
    }

    /// Whether the lane's next step expects that something of ours fails; it is pending from now on.
    pub(super) fn awaits_broken(&mut self, lane: usize) -> bool {
        let Some(step) = self.head(lane) else { return false };
        let named =
            matches!(&self.script.steps[step].verb, Verb::Expect(pattern) if pattern.speaks_of(Kind::Broken));
        if named {
            self.steps[step].pending_at.get_or_insert(self.now);
        }
        named
    }

    /// The pending expect of a lane.
    pub(super) fn pending_expect(&self, lane: usize) -> Option<usize> {
        let step = self.head(lane)?;
        let line = &self.script.steps[step];
        let early = line.floor.is_some() && line.since.is_none_or(|since| self.steps[since].met_at.is_some());
        let pending = self.steps[step].pending_at.is_some() || early;
        (pending && matches!(line.verb, Verb::Expect(_))).then_some(step)
    }

    /// The pending quiet of a lane, unless its time is over.
    pub(super) fn pending_quiet(&self, lane: usize) -> Option<usize> {
        let step = self.head(lane)?;
        let state = &self.steps[step];
        let over = state.deadline.is_some_and(|deadline| self.now > deadline);
        (matches!(self.script.steps[step].verb, Verb::Quiet(_)) && state.pending_at.is_some() && !over)
            .then_some(step)
    }

    /// Notes that a step is met, and what begins and ends with it.
    pub(super) fn meet(&mut self, step: usize) {
        if self.steps[step].met_at.is_some() {
            return;
        }
        self.steps[step].met_at = Some(self.now);
        let lane = self.script.steps[step].lane;
        self.lanes[lane].last_met = self.now;
        let steps = &self.steps;
        let state = &mut self.lanes[lane];
        while state.steps.get(state.head).is_some_and(|head| steps[*head].met_at.is_some()) {
            state.head += 1;
        }
        for (guard, state) in self.script.rules.iter().zip(&mut self.guards) {
            if guard.from == Some(step) && state.begun.is_none() {
                state.begun = Some(self.now);
            }
            state.ended |= guard.until == Some(step);
        }
    }

    /// Runs the next act of an answer or beat that is due.
    fn run_errand(&mut self) -> bool {
        if self.is_draining() {
            self.errands.clear();
        }
        let Some(index) = self.errands.iter().position(|errand| errand.due <= self.now) else { return false };
        let mut errand = self.errands.remove(index);
        let script = self.script.clone();
        let acts: &[Line] = match &script.rules[errand.rule].kind {
            GuardKind::Answer { with, .. } => with,
            GuardKind::Every { acts, .. } => acts,
            _ => &[],
        };
        let Some(line) = acts.get(errand.next) else { return true };
        if let Verb::Act(act) = &line.verb {
            let same = self.root(line.lane) == self.root(errand.lane);
            let wire = errand.wire.filter(|_| same);
            let bindings: Bindings = errand.bindings.clone();
            match act.run(&mut Stage::new(self, line.lane, wire, Some(&bindings))) {
                Ran::Failed(why) => self.give_up(why),
                Ran::Asked(act) => {
                    self.asked.insert(act, Asked::Nobody);
                }
                Ran::Done | Ran::NotYet => {}
            }
        }
        errand.next += 1;
        if let Some(line) = acts.get(errand.next) {
            errand.due = self.now + line.after.unwrap_or(0);
            self.errands.insert(index, errand);
        }
        true
    }

    /// Starts the acts of `every` rules whose beat has come.
    fn beat(&mut self) -> bool {
        if self.is_aborted() || self.is_closing() {
            return false;
        }
        let script = self.script.clone();
        for (index, guard) in script.rules.iter().enumerate() {
            let GuardKind::Every { interval, acts } = &guard.kind else { continue };
            let bound =
                acts.iter().all(|line| line.uses.iter().all(|name| self.bindings.get(name).is_some()));
            let state = &self.guards[index];
            if state.begun.is_none() || state.ended || !bound {
                continue;
            }
            if state.next_beat.is_some_and(|beat| beat > self.now) {
                continue;
            }
            self.guards[index].next_beat = Some(self.now + (*interval).max(1));
            let lane = guard.lanes[0];
            let busy = self.operations.values().any(|asker| *asker == lane)
                || acts.iter().any(|line| self.has_open_exchange(line.lane))
                || self.errands.iter().any(|errand| errand.rule == index);
            if !busy {
                let bindings = self.bindings.clone();
                self.errands.push(super::Errand {
                    due: self.now,
                    rule: index,
                    next: 0,
                    bindings,
                    lane,
                    wire: None,
                });
                return true;
            }
        }
        false
    }

    /// Whether a request of this lane has no whole response yet.
    fn has_open_exchange(&self, lane: usize) -> bool {
        let open = |id: &WireId| self.wires.get(id).is_some_and(|wire| wire.open_exchanges > 0);
        self.lanes[lane].wires.iter().any(open)
            || self.wires.values().any(|wire| wire.lane == lane && !wire.opened && wire.first.is_some())
    }

    /// Sets the alarm to the next time at which something may be due.
    pub(super) fn set_alarm(&mut self) {
        let next = if self.is_done() { None } else { self.next_time() };
        if let Some(at) = next
            && self.alarm != Some(at)
        {
            self.act(Act::Wake(at));
        }
        self.alarm = next;
    }

    fn next_time(&self) -> Option<Nanos> {
        let of_steps = self.heads().filter_map(|step| {
            let waiting = self.not_before(step).filter(|time| *time > self.now);
            waiting.or(self.steps[step].deadline)
        });
        let of_errands = self.errands.iter().map(|errand| errand.due);
        let of_beats = self.guards.iter().filter(|guard| !guard.ended).filter_map(|guard| guard.next_beat);
        let of_redials = self.redials.iter().filter_map(|redial| redial.due);
        let closing = self.phase.deadline();
        if closing.is_some() {
            return closing;
        }
        of_steps.chain(of_errands).chain(of_beats).chain(of_redials).min().map(|time| time.max(self.now + 1))
    }
}
