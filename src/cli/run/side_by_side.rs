//! Runs side by side; reporters see them one after the other.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::mpsc;

use super::prepare::Run;
use crate::report::About;
use crate::runner::{self, Counts, RunEvent};

/// Runs everything and gives the counts of each run. `tell` gets the events of a run as they come while those before
/// it are over, and late otherwise.
pub(super) fn run(runs: &[Run], tell: &mut dyn FnMut(About<'_>, &RunEvent)) -> Vec<Counts> {
    let (events, told) = mpsc::channel();
    let mut kept: Vec<VecDeque<RunEvent>> = runs.iter().map(|_| VecDeque::new()).collect();
    let mut counts = Vec::new();
    std::thread::scope(|scope| {
        for (nth, run) in runs.iter().enumerate() {
            let events = events.clone();
            scope.spawn(move || play(run, &mut |event| drop(events.send((nth, event)))));
        }
        drop(events);
        for (nth, event) in told {
            kept[nth].push_back(event);
            while let Some(event) = kept.get_mut(counts.len()).and_then(VecDeque::pop_front) {
                let run = &runs[counts.len()];
                tell(run.about(), &event);
                if let RunEvent::Ended { counts: of_run, .. } = event {
                    counts.push(of_run);
                }
            }
        }
    });
    counts
}

/// Runs one plan and lays the baseline over what comes of it.
fn play(run: &Run, tell: &mut dyn FnMut(RunEvent)) {
    let mut baseline = run.baseline.clone();
    let mut counts = Counts::default();
    let mut millis = 0;
    runner::run(&run.suite, &run.plan, &run.options, &mut |event| match event {
        RunEvent::Finished(mut result) => {
            if let Some(baseline) = &mut baseline {
                baseline.apply(&mut result);
            }
            if result.selected {
                counts.add(&result);
            }
            tell(RunEvent::Finished(result));
        }
        RunEvent::Ended { millis: taken, .. } => millis = taken,
        other => tell(other),
    });
    let whole = run.whole && !run.options.stop.load(Ordering::Relaxed);
    for stale in baseline.iter().flat_map(|baseline| baseline.stale(whole)) {
        counts.stale += 1;
        tell(RunEvent::Stale(stale));
    }
    tell(RunEvent::Ended { counts, millis });
}
