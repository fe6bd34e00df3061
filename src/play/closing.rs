//! The end of a case: goodbye, every lane read to its end, then TERM, then KILL.

use super::finding::Breach;
use super::{Finding, GuardKind, Play};
use crate::actor::{Act, CloseHow, Exit, Nanos, SECOND, WireId};
use crate::scenario::Verb;

/// How long a killed process may take to be gone.
const AFTER_KILL: Nanos = 2 * SECOND;

/// Where a case is on its way to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Opening and steps.
    Body,
    /// The role's goodbye.
    Goodbye,
    /// Our sides are closed; everything is read to its end.
    Draining(Nanos),
    /// TERM was sent.
    Terminating(Nanos),
    /// KILL was sent.
    Killing(Nanos),
    /// Nothing more will happen.
    Done,
}

impl Phase {
    /// Whether steps of this kind are played now.
    pub(super) fn plays(self, goodbye: bool) -> bool {
        match self {
            Phase::Body => !goodbye,
            Phase::Goodbye => true,
            _ => false,
        }
    }

    /// When the phase ends whatever happens.
    pub(super) fn deadline(self) -> Option<Nanos> {
        match self {
            Phase::Draining(at) | Phase::Terminating(at) | Phase::Killing(at) => Some(at),
            _ => None,
        }
    }
}

impl Play {
    /// Whether the steps are over and the end is under way.
    pub(super) fn is_closing(&self) -> bool {
        self.phase != Phase::Body
    }

    /// Whether we have told every process to end.
    pub(super) fn is_made_to_end(&self) -> bool {
        matches!(self.phase, Phase::Terminating(_) | Phase::Killing(_))
    }

    /// Whether a step has failed, so that no further one is played.
    pub(super) fn is_aborted(&self) -> bool {
        self.aborted
    }

    /// Whether our sides are closed and only the end is awaited.
    pub(super) fn is_draining(&self) -> bool {
        self.phase.deadline().is_some() || self.phase == Phase::Done
    }

    /// Whether KILL was sent.
    pub(super) fn is_killing(&self) -> bool {
        matches!(self.phase, Phase::Killing(_) | Phase::Done)
    }

    /// Whether every step before the goodbye is met.
    pub(super) fn steps_are_met(&self) -> bool {
        self.script.steps.iter().zip(&self.steps).all(|(line, state)| line.goodbye || state.met_at.is_some())
    }

    pub(super) fn next_phase(&mut self) -> bool {
        match self.phase {
            Phase::Body if self.steps_are_met() && self.errands.is_empty() && self.is_started() => {
                self.phase = Phase::Goodbye;
                if self.has_parted() {
                    self.drain_all();
                }
                true
            }
            Phase::Goodbye if self.steps.iter().all(|state| state.met_at.is_some()) => {
                self.drain_all();
                true
            }
            Phase::Goodbye if self.is_all_spent() => {
                let hopeless = self.script.steps.iter().zip(&self.steps);
                let only_acts = hopeless
                    .filter(|(_, state)| state.met_at.is_none())
                    .all(|(line, _)| matches!(line.verb, Verb::Act(_)));
                if only_acts {
                    self.drain_all();
                } else {
                    self.fail_goodbye();
                }
                true
            }
            Phase::Draining(_) | Phase::Terminating(_) | Phase::Killing(_) if self.is_all_spent() => {
                self.finish();
                true
            }
            Phase::Draining(at) if at <= self.now => {
                self.signal_all(15);
                self.phase = Phase::Terminating(self.now + self.script.time("term"));
                true
            }
            Phase::Terminating(at) if at <= self.now => {
                self.signal_all(9);
                self.phase = Phase::Killing(self.now + AFTER_KILL);
                true
            }
            Phase::Killing(at) if at <= self.now => {
                self.notes.push("the end of a process was not seen within 2 s of KILL".into());
                self.finish();
                true
            }
            _ => false,
        }
    }

    /// Whether the scenario has itself ended what the goodbye would be said on: our side of the subject's streams is
    /// closed, or a step has taken the subject's end.
    fn has_parted(&self) -> bool {
        self.saw_the_end
            || self.subject.is_some_and(|id| self.wires.get(&id).is_some_and(|wire| wire.we_closed))
    }

    /// Whether the subject runs, or is none that we start.
    fn is_started(&self) -> bool {
        self.script.subject.command.is_empty()
            || self.subject.is_some_and(|id| self.wires.get(&id).is_some_and(|wire| wire.opened))
    }

    /// The goodbye cannot be said: the subject is gone. Its exchange is charged like any other.
    fn fail_goodbye(&mut self) {
        let open = self
            .script
            .steps
            .iter()
            .zip(&self.steps)
            .position(|(line, state)| state.met_at.is_none() && matches!(line.verb, Verb::Expect(_)));
        if let Some(step) = open {
            self.break_step(
                step,
                Breach::Ended,
                "",
                "the subject ended before its goodbye".into(),
                String::new(),
            );
        }
        self.drain_all();
    }

    /// Closes our sides and waits for theirs.
    fn drain_all(&mut self) {
        let wait = if self.script.ends || self.subject.is_none() { self.script.time("end") } else { 0 };
        let ids: Vec<WireId> = self.wires.keys().copied().collect();
        for id in ids {
            let Some(wire) = self.wires.get_mut(&id) else { continue };
            let how = if wire.is_process { CloseHow::Write } else { CloseHow::Both };
            if id.listener().is_some() && wire.is_process && wire.ended && wire.exited.is_none() {
                self.act(Act::Exit { wire: id, status: Exit::Code(0) });
                continue;
            }
            if !wire.we_closed && !wire.closed && wire.opened {
                wire.we_closed = true;
                self.act(Act::Close { wire: id, how });
            }
        }
        for lane in 0..self.lanes.len() {
            if let Some((wire, _)) = self.lanes[lane].listener.take() {
                self.act(Act::Close { wire, how: CloseHow::Unlisten });
            }
        }
        self.phase = Phase::Draining(self.now + wait);
    }

    /// A relay of ours whose standard input ends, or that gets a signal, while the case ends does what any plugin would:
    /// it exits.
    pub(super) fn let_relay_go(&mut self, id: WireId) {
        let waits = self.wires.get(&id).is_some_and(|wire| wire.is_process && wire.exited.is_none());
        if self.is_draining() && id.listener().is_some() && waits {
            self.act(Act::Exit { wire: id, status: Exit::Code(0) });
        }
    }

    /// Ends the case after a failure: what is left of the steps is not played.
    pub(super) fn abort(&mut self) {
        self.aborted = true;
        if matches!(self.phase, Phase::Body | Phase::Goodbye) {
            self.errands.clear();
            self.drain_all();
        }
    }

    /// The case cannot be judged, because of us.
    pub(super) fn give_up(&mut self, why: String) {
        self.add(Finding {
            requirement: String::new(),
            outcome: Breach::Inconclusive,
            message: why,
            step: String::new(),
            path: String::new(),
            kind: String::new(),
            wanted: String::new(),
            got: String::new(),
            span: (0, 0),
            seq: self.seq,
        });
        self.abort();
    }

    /// The subject has sent more than the case allows.
    pub(super) fn flood(&mut self, lane: usize) {
        let script = self.script.clone();
        self.add(Finding {
            requirement: script.lanes[lane].default.clone(),
            outcome: Breach::Flood,
            message: format!("more than {} bytes came", script.flood),
            step: format!("lane {}", script.lanes[lane].name),
            path: String::new(),
            kind: "flood".into(),
            wanted: String::new(),
            got: String::new(),
            span: (0, 0),
            seq: self.seq,
        });
        self.abort();
        self.signal_all(9);
        self.phase = Phase::Killing(self.now + AFTER_KILL);
    }

    fn is_all_spent(&self) -> bool {
        self.wires.values().all(|wire| {
            wire.is_spent() || !wire.opened || (!wire.is_process && wire.we_closed && self.is_draining())
        })
    }

    fn signal_all(&mut self, signal: i32) {
        let running = |(id, wire): (&WireId, &super::wire::Wire)| {
            (wire.is_process && wire.opened && wire.exited.is_none() && id.listener().is_none())
                .then_some(*id)
        };
        let ids: Vec<WireId> = self.wires.iter().filter_map(running).collect();
        for wire in ids {
            self.act(Act::Signal { wire, signal });
        }
    }

    /// The last judgements, then nothing more.
    fn finish(&mut self) {
        let script = self.script.clone();
        let clean = self.findings.is_empty();
        for (index, guard) in script.rules.iter().enumerate() {
            let seen = self.guards[index].seen;
            match &guard.kind {
                GuardKind::Require { least, .. }
                    if seen < *least && clean && self.guards[index].begun.is_some() =>
                {
                    let message = format!("the rule {} saw {seen} messages, it needs {least}", guard.label);
                    self.add(Finding {
                        requirement: guard.covers.clone().unwrap_or_default(),
                        outcome: Breach::Inconclusive,
                        message,
                        step: guard.label.clone(),
                        path: String::new(),
                        kind: "least".into(),
                        wanted: String::new(),
                        got: String::new(),
                        span: (guard.span.start, guard.span.end),
                        seq: self.seq,
                    });
                }
                _ => {}
            }
        }
        self.phase = Phase::Done;
        self.act(Act::Finish);
    }
}
