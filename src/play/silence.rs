//! What did not come: in time, or at all since the other side has ended.

use super::finding::{Breach, millis};
use super::lane::Recent;
use super::wire::Wire;
use super::{Asked, LaneSource, Play};
use crate::actor::Nanos;
use crate::datum::{Kind, Pattern};
use crate::scenario::{Source, Verb};

/// How often a deadline is moved, at most: a subject that floods us makes us late as well.
const MOST_MOVES: u8 = 8;

impl Play {
    /// Judges what did not come: only when the alarm rings, since only then all that came has been delivered.
    pub(super) fn judge_silence(&mut self, heads: &[usize], rang: bool) -> bool {
        let mut changed = false;
        for &step in heads {
            let Some(lag) = self.overdue(step) else { continue };
            match &self.script.steps[step].verb {
                Verb::Quiet(_) => self.end_quiet(step),
                Verb::Expect(_) | Verb::Drive(_) if !rang => continue,
                Verb::Expect(_) | Verb::Drive(_) if self.is_machine_late(step, lag) => {
                    self.move_deadline(step, lag)
                }
                Verb::Drive(_) => {
                    self.expire_drive(step);
                    return true;
                }
                Verb::Expect(pattern) => {
                    let pattern = pattern.clone();
                    self.expire(step, &pattern);
                    return true;
                }
                _ => continue,
            }
            changed = true;
        }
        changed
    }

    /// Since when the time of a step is over.
    fn overdue(&self, step: usize) -> Option<Nanos> {
        self.now.checked_sub(self.steps[step].deadline?)
    }

    /// A quiet has lasted as long as it should; half a message is something that came, too.
    fn end_quiet(&mut self, step: usize) {
        if self.is_inside_a_message(self.root(self.script.steps[step].lane)) {
            let message = "bytes came where nothing should, and they are no whole message".into();
            self.break_step(step, Breach::Broken, "quiet", message, String::new());
        }
        self.meet(step);
    }

    /// Whether bytes came on a lane that are no whole message yet.
    fn is_inside_a_message(&self, lane: usize) -> bool {
        let wires = &self.lanes[lane].wires;
        wires.iter().any(|id| self.wires.get(id).is_some_and(Wire::is_inside_a_message))
    }

    /// Whether we looked so late that the subject may have been kept from its work as well.
    fn is_machine_late(&self, step: usize, lag: Nanos) -> bool {
        lag > self.script.time("lag") && self.steps[step].moved < MOST_MOVES
    }

    fn move_deadline(&mut self, step: usize, lag: Nanos) {
        self.notes.push(format!("the machine was {} late; a deadline was moved by as much", millis(lag)));
        self.steps[step].deadline = Some(self.now + lag);
        self.steps[step].moved += 1;
    }

    /// An expect has run out of time.
    fn expire(&mut self, step: usize, pattern: &Pattern) {
        let waited = self.steps[step].pending_at.map_or(0, |pending| self.now.saturating_sub(pending));
        let mut message = format!("nothing that fits came within {}", millis(waited));
        if pattern.speaks_of(Kind::Message) {
            message += &self.what_came_instead(self.script.steps[step].lane, pattern);
        }
        self.break_step(step, Breach::Late, "", message, String::new());
        self.abort();
    }

    /// The messages that fitted before they were awaited, else why the last one did not; and a message without its end.
    fn what_came_instead(&self, lane: usize, pattern: &Pattern) -> String {
        let root = self.root(lane);
        let lanes = if root == lane { vec![lane] } else { vec![root, lane] };
        let came = || lanes.iter().flat_map(|lane| &self.lanes[*lane].recent).rev();
        let taken = came().filter_map(|recent| Some((recent, recent.taker.as_ref()?)));
        let fits = |recent: &Recent| {
            recent.said.view().is_some_and(|view| self.found(lane, pattern, view).is_some())
        };
        let fitted = taken.clone().filter(|(recent, _)| fits(recent)).take(3);
        let fitted: Vec<String> =
            fitted.map(|(recent, taker)| format!("{} was taken by {taker}", recent.said)).collect();
        let mut told = String::new();
        if !fitted.is_empty() {
            told += &format!("; before it, {}", fitted.join(", "));
        } else if let Some((last, taker, view)) = taken
            .clone()
            .filter_map(|(recent, taker)| Some((recent, taker, recent.said.view()?)))
            .find(|(_, _, view)| view.kind == Kind::Message)
            && let Err(mismatch) = self.fits(lane, pattern, view)
        {
            told += &format!(
                "; the last message, {}, was taken by {taker} and does not fit: {mismatch}",
                last.said
            );
        }
        if self.is_inside_a_message(root) {
            told += "; the last bytes that came are no whole message";
        }
        told
    }

    /// Whether only a message or the end of a stream can meet an expect.
    fn wants_messages(&self, step: usize) -> bool {
        let Verb::Expect(pattern) = &self.script.steps[step].verb else { return true };
        let others = [Kind::Closed, Kind::Reset, Kind::Broken, Kind::Malformed, Kind::Exit, Kind::Signalled];
        !others.into_iter().any(|kind| pattern.speaks_of(kind))
    }

    /// Fails the first expect that nothing can meet any more, because the other side has ended.
    pub(super) fn fail_hopeless(&mut self) {
        if self.is_aborted() || self.is_closing() {
            return;
        }
        if let Some((lane, step)) = (0..self.lanes.len()).find_map(|lane| Some((lane, self.hopeless(lane)?)))
        {
            self.fail_ended(lane, step);
            self.abort();
        }
    }

    /// The step of a lane that waits for what can't come any more.
    fn hopeless(&self, lane: usize) -> Option<usize> {
        let step = self.pending_expect(lane).or_else(|| self.pending_drive(lane))?;
        let may_speak = match self.script.lanes[self.root(lane)].source {
            LaneSource::Declared(Source::Stderr) => true,
            LaneSource::Declared(Source::Process) => !self.subject_is_gone(),
            _ => self.is_alive(lane) && !(self.has_ended(lane) && self.wants_messages(step)),
        };
        let is_answered =
            || self.asked.values().any(|asked| matches!(asked, Asked::Question(of) if *of == lane));
        let is_hopeless = !may_speak && !is_answered() && self.acts_before_are_done(step);
        is_hopeless.then_some(step)
    }

    /// Charges the end of the subject; one that never said anything, and that nobody told to end, breaks what every
    /// subject of this lane must do.
    fn fail_ended(&mut self, lane: usize, step: usize) {
        let subject = self.subject.and_then(|id| self.wires.get(&id));
        let gone = subject.is_none_or(|wire| wire.exited.is_some());
        let told_to_end = self.ending || subject.is_some_and(|wire| wire.we_closed);
        let at_once = self.is_fresh() && gone && !told_to_end;
        let what = if at_once { "ended at once" } else { "ended before this came" };
        let sent = self.drives.get(&step).map(|drive| format!("; it was sent {}", drive.awaits()));
        let message = format!("the subject {what}{}{}", self.how_it_ended(), sent.unwrap_or_default());
        self.break_step(step, Breach::Ended, "", message, String::new());
        if at_once && let Some(finding) = self.findings.last_mut() {
            finding.requirement = self.script.lanes[lane].default.clone();
        }
    }

    pub(super) fn how_it_ended(&self) -> String {
        let exited = self.subject.and_then(|id| self.wires.get(&id)).and_then(|wire| wire.exited);
        let how = match exited {
            Some(crate::actor::Exit::Code(code)) => format!(" with status {code}"),
            Some(crate::actor::Exit::Signal(signal)) => format!(" by signal {signal}"),
            None => String::new(),
        };
        let stderr = self.script.lane("stderr").map(|lane| &self.lanes[lane].recent);
        let last =
            stderr.and_then(|recent| recent.back()).map(|recent| format!("; it wrote {}", recent.said));
        how + &last.unwrap_or_default()
    }
}
