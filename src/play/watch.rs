//! Who watches: rules see every message, whoever takes it.

use super::deliver::Taker;
use super::finding::{Breach, Finding, kind_name};
use super::{GuardKind, Play};
use crate::datum::{Kind, Mismatch, View};

/// What the watchers said of a message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Heard {
    Nothing,
    /// It is not unexpected.
    Spoken,
    /// What is wrong with it is told, so nobody takes it.
    Told,
}

impl Play {
    /// Shows a message to every watcher; tells what they said of it.
    pub(super) fn watch(&mut self, path: &[usize], view: View<'_>, taker: Option<Taker>) -> Heard {
        if self.is_made_to_end() && matches!(view.kind, Kind::Exit | Kind::Signalled) {
            return Heard::Nothing;
        }
        let script = self.script.clone();
        let mut heard = Heard::Nothing;
        for (index, guard) in script.rules.iter().enumerate() {
            let until_now = guard.until.is_some_and(|step| taker == Some(Taker::Step(step)));
            let Some(lane) = guard.lanes.iter().copied().find(|lane| path.contains(lane)) else { continue };
            if !self.is_on(index) || until_now || self.in_the_skew(index, lane) {
                continue;
            }
            heard = heard.max(self.watch_by(index, lane, view));
        }
        heard
    }

    /// A rule that a step of another lane bounds does not judge what comes too close to that bound.
    fn in_the_skew(&self, rule: usize, lane: usize) -> bool {
        let guard = &self.script.rules[rule];
        let Some(begun) = self.guards[rule].begun else { return true };
        let foreign = |step: Option<usize>| {
            step.is_some_and(|step| self.root(self.script.steps[step].lane) != self.root(lane))
        };
        foreign(guard.from) && self.now < begun + self.script.time("skew")
    }

    fn watch_by(&mut self, index: usize, lane: usize, view: View<'_>) -> Heard {
        let script = self.script.clone();
        let guard = &script.rules[index];
        match &guard.kind {
            GuardKind::Forbid(pattern) => match self.found(lane, pattern, view) {
                Some(found) => {
                    found.remember(&mut self.bindings);
                    self.break_rule(index, lane, view, None, "what it forbids came");
                    Heard::Spoken
                }
                None => Heard::Nothing,
            },
            GuardKind::Require { pattern, of, .. } => {
                let whole = view.kind == Kind::Message;
                let concerned = of.as_ref().map_or(whole, |of| self.found(lane, of, view).is_some());
                if !concerned {
                    return Heard::Nothing;
                }
                self.guards[index].seen += 1;
                match self.fits(lane, pattern, view) {
                    Ok(found) => found.remember(&mut self.bindings),
                    Err(mismatch) => {
                        self.break_rule(index, lane, view, Some(mismatch), "what it requires is not met")
                    }
                }
                if of.is_some() && !guard.of_suite { Heard::Spoken } else { Heard::Nothing }
            }
            GuardKind::Check(name) => {
                let Some(mut watch) = self.guards[index].watch.take() else { return Heard::Nothing };
                watch.turn_to(self.now);
                let result = watch.see_on(lane, view, &self.bindings);
                let told = result.is_err() && watch.speaks();
                self.guards[index].watch = Some(watch);
                if let Err(why) = &result {
                    self.break_rule(index, lane, view, None, &format!("{name}: {why}"));
                }
                if told { Heard::Told } else { Heard::Nothing }
            }
            _ => Heard::Nothing,
        }
    }

    fn break_rule(
        &mut self,
        rule: usize,
        lane: usize,
        view: View<'_>,
        mismatch: Option<Mismatch>,
        what: &str,
    ) {
        let guard = &self.script.rules[rule];
        let covers = guard.covers.clone().unwrap_or_else(|| self.script.lanes[lane].default.clone());
        let message = match &mismatch {
            Some(mismatch) => format!("{what}: {mismatch}"),
            None => format!("{what}: {view}"),
        };
        let wanted = mismatch.as_ref().map_or(String::new(), |mismatch| mismatch.wanted.clone());
        self.add(Finding {
            requirement: covers,
            outcome: Breach::Broken,
            message,
            step: guard.label.clone(),
            path: mismatch.as_ref().map_or(String::new(), |mismatch| mismatch.path.to_string()),
            kind: kind_name(mismatch.as_ref().map(|mismatch| mismatch.kind)),
            wanted,
            got: view.to_string(),
            span: (guard.span.start, guard.span.end),
            seq: self.seq,
        });
    }
}
