//! Runs side by side; reporters see them one after the other.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZero;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use super::Args;
use super::prepare::Run;
use super::subjects::Job;
use crate::parallel::cores;
use crate::report::About;
use crate::runner::{self, Counts, Pool, RunEvent, Vehicle};

/// How many cases play at once as processes: a subject of the user gets three for each core, so that others work while
/// one waits for a deadline, references, which are many and light and mostly wait, sixteen. What is attached plays one by
/// one.
pub(super) fn at_once(args: &Args, jobs: &[Job]) -> usize {
    let is_attached = jobs.iter().any(|job| job.subject.attach.is_some());
    let each = if jobs.len() > 1 { 16 } else { 3 };
    if is_attached { 1 } else { args.jobs.map_or(each * cores(), NonZero::get) }
}

/// Runs everything and gives the counts of each run: first what the simulator plays, which never waits and is soon over,
/// then what processes play: what took long by the simulator's clock begins first. `tell` gets the events of a run as they
/// come while those before it are over, and late otherwise.
pub(super) fn run(runs: &mut [Run], jobs: Option<usize>, at_once: usize, tell: &mut Tell<'_>) -> Vec<Counts> {
    let simulated = runs.iter().take_while(|run| run.options.vehicle != Vehicle::Process).count();
    let (simulated, processes) = runs.split_at_mut(simulated);
    let mut seen = BTreeMap::new();
    let mut counts = together(simulated, jobs.unwrap_or(cores()), &mut |about, event| {
        if let RunEvent::Finished(result) = event {
            seen.insert(name(&about, &result.id), result.simulated);
        }
        tell(about, event);
    });
    for run in &mut *processes {
        run.learn(|about, case| seen.get(&name(about, case)).copied().unwrap_or_default());
    }
    counts.extend(together(processes, at_once, tell));
    counts
}

/// What names a case among those of all runs, whatever it is played in.
fn name(about: &About<'_>, case: &str) -> [String; 4] {
    [&about.suite.name, &about.subject.role, about.profile, case].map(str::to_owned)
}

/// Runs side by side.
fn together(runs: &[Run], at_once: usize, tell: &mut Tell<'_>) -> Vec<Counts> {
    let kept = runs.iter().map(|_| VecDeque::new()).collect();
    let telling = Mutex::new(Telling { runs, kept, counts: Vec::new(), tell });
    Pool::scope(at_once, |pool| {
        std::thread::scope(|scope| {
            for (nth, run) in runs.iter().enumerate() {
                let telling = &telling;
                let told = || telling.lock().unwrap_or_else(PoisonError::into_inner);
                scope.spawn(move || play(run, pool, &mut |event| told().take(nth, event)));
            }
        });
    });
    telling.into_inner().unwrap_or_else(PoisonError::into_inner).counts
}

/// Whom events are told.
type Tell<'a> = dyn FnMut(About<'_>, &RunEvent) + Send + 'a;

/// Runs that are told one after the other, although they play at the same time.
struct Telling<'a, 'tell> {
    runs: &'a [Run],
    /// What the runs behind the one that is told have said.
    kept: Vec<VecDeque<RunEvent>>,
    /// What came of the runs that are told.
    counts: Vec<Counts>,
    tell: &'a mut Tell<'tell>,
}

impl Telling<'_, '_> {
    fn take(&mut self, nth: usize, event: RunEvent) {
        self.kept[nth].push_back(event);
        while let Some(event) = self.kept.get_mut(self.counts.len()).and_then(VecDeque::pop_front) {
            (self.tell)(self.runs[self.counts.len()].about(), &event);
            if let RunEvent::Ended { counts, .. } = event {
                self.counts.push(counts);
            }
        }
    }
}

/// Runs one plan and lays the baseline over what comes of it.
fn play<'env>(run: &'env Run, pool: &Pool<'env>, tell: &mut dyn FnMut(RunEvent)) {
    let mut baseline = run.baseline.clone();
    let mut counts = Counts::default();
    let mut millis = 0;
    runner::run_in(pool, &run.suite, &run.plan, &run.options, &mut |event| match event {
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
