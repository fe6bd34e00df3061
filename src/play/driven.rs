//! Drives: exchanges whose inputs come from what the subject announced.

use super::deliver::Came;
use super::finding::{Breach, Finding};
use super::{Asked, Play, Stage};
use crate::actor::{Act, Part, Payload, Pieces};
use crate::datum::{Datum, Kind, View};
use crate::protocol::{self, Flaw, Setting, Turn};
use crate::scenario::{Launch, Verb};

impl Play {
    /// Sends what a drive wants to send next, or meets its step.
    pub(super) fn drive(&mut self, heads: &[usize]) -> bool {
        let Some(step) = heads.iter().copied().find(|step| self.may_drive(*step)) else { return false };
        let lane = self.script.steps[step].lane;
        if !self.drives.contains_key(&step)
            && let Err(why) = self.begin_drive(step)
        {
            self.give_up(why);
            return true;
        }
        let turn = self.drives.get_mut(&step).and_then(|drive| drive.next());
        self.steps[step].asked = turn.is_some();
        match turn {
            Some(Turn::Send(message)) => self.send_for_drive(lane, &message),
            Some(Turn::Wait) => {}
            Some(Turn::Signal(signal)) => self.signal_for_drive(lane, signal),
            Some(Turn::Start) => {
                let act = Stage::new(self, lane, None, None).start(&Launch::default(), false);
                self.ask(act, Asked::Drive(step));
            }
            None => {
                let label = self.script.steps[step].label.clone();
                let traits = self.drives.get(&step).map(|drive| drive.traits()).unwrap_or_default();
                self.traits.extend(traits.into_iter().map(|taken| format!("{label}: {taken}")));
                self.meet(step);
            }
        }
        true
    }

    /// Whether a step is a pending drive whose last message is answered.
    fn may_drive(&self, step: usize) -> bool {
        let state = &self.steps[step];
        let is_drive = matches!(self.script.steps[step].verb, Verb::Drive(_));
        is_drive && state.pending_at.is_some() && state.deadline.is_none() && !state.asked
    }

    fn begin_drive(&mut self, step: usize) -> Result<(), String> {
        let script = self.script.clone();
        let Verb::Drive(name) = &script.steps[step].verb else { return Ok(()) };
        let setting = Setting {
            bindings: &self.bindings,
            capabilities: &script.subject.capabilities,
            seed: script.knobs.seed,
            profile: &script.name.profile,
        };
        let drive = protocol::drive(&script.name.suite, &name.text, setting)?;
        self.drives.insert(step, drive);
        Ok(())
    }

    fn signal_for_drive(&mut self, lane: usize, signal: i32) {
        let mut stage = Stage::new(self, lane, None, None);
        if let Some(wire) = stage.process() {
            stage.ends_subject(wire);
            stage.act(Act::Signal { wire, signal });
        }
    }

    fn send_for_drive(&mut self, lane: usize, message: &Datum) {
        let mut stage = Stage::new(self, lane, None, None);
        let Some(wire) = stage.connection() else {
            return self.give_up("there is no connection to drive on".into());
        };
        let mut payload = Payload::default();
        stage.note_sent(message);
        match stage.encode(wire, Kind::Message, message, &mut payload) {
            Ok(()) => stage.write(wire, Part::Main, payload, Pieces::Whole),
            Err(why) => self.give_up(why),
        }
    }

    /// The drive of a lane that waits for an answer.
    pub(super) fn pending_drive(&self, lane: usize) -> Option<usize> {
        let step = self.head(lane)?;
        let is_drive = matches!(self.script.steps[step].verb, Verb::Drive(_));
        (is_drive && self.steps[step].asked).then_some(step)
    }

    /// The subject that a drive has started runs.
    pub(super) fn drive_has_started(&mut self, step: usize) {
        self.steps[step].asked = false;
        self.steps[step].deadline = None;
    }

    /// The drive that a message answers.
    pub(super) fn drive_takes(&self, lane: usize, view: View<'_>) -> Option<usize> {
        let step = self.pending_drive(lane)?;
        self.drives.get(&step)?.knows(view).then_some(step)
    }

    pub(super) fn take_by_drive(&mut self, step: usize, came: Came<'_>) {
        let label = self.script.steps[step].label.clone();
        self.taken(came.lane, came, format!("the step {label}"));
        self.steps[step].asked = false;
        self.steps[step].deadline = None;
        let Some(drive) = self.drives.get_mut(&step) else { return };
        if let Err(flaw) = drive.take(came.view) {
            self.break_drive(step, flaw, came.view);
        }
    }

    fn break_drive(&mut self, step: usize, flaw: Flaw, view: View<'_>) {
        let line = &self.script.steps[step];
        let finding = Finding {
            requirement: line.covers.clone(),
            outcome: Breach::Broken,
            message: flaw.message,
            step: line.label.clone(),
            path: flaw.about,
            kind: String::new(),
            wanted: String::new(),
            got: view.to_string(),
            span: (line.span.start, line.span.end),
            seq: self.seq,
        };
        self.add(finding);
    }

    /// What was sent last has no answer.
    pub(super) fn expire_drive(&mut self, step: usize) {
        let sent = self.drives.get(&step).map(|drive| drive.awaits()).unwrap_or_default();
        let message = format!("nothing answers in time what was sent: {sent}");
        self.break_step(step, Breach::Late, "", message, String::new());
        self.abort();
    }
}
