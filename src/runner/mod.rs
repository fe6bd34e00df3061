//! Runs the cases of a plan, several at once, and tells what becomes of each as [`RunEvent`]s. Never prints.

mod case;
mod event;
mod stop;
mod turns;

pub use case::{Vehicle, case_folder, relays_run};
pub use event::{Against, CaseResult, Counts, Judged, RunEvent, Verdict};
pub use stop::stop_attached;
pub use turns::Turns;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Instant;

use crate::plan::{Case, Fate, Plan};
use crate::scenario::Suite;

/// How a run is carried out.
#[derive(Clone, Debug)]
pub struct Options {
    /// How the subject is reached.
    pub vehicle: Vehicle,
    /// Cases at once, shared with the runs beside this one.
    pub turns: Turns,
    /// How many of its cases may wait for a turn: its share among the runs beside it.
    pub workers: usize,
    /// Whether a broken need blocks.
    pub ignore_needs: bool,
    /// The folder in which cases have theirs and transcripts are kept.
    pub folder: PathBuf,
    /// Whether the exchange of a case that passes is told too.
    pub every_exchange: bool,
    /// Set from outside to end the run early; what was judged stays.
    pub stop: Arc<AtomicBool>,
}

/// Runs every case of a plan; `tell` gets the events in the order in which they happen.
pub fn run(suite: &Suite, plan: &Plan, options: &Options, tell: &mut dyn FnMut(RunEvent)) -> Counts {
    let begun = Instant::now();
    let mut counts = Counts::default();
    let total = plan.cases.iter().filter(|case| case.selected).count();
    tell(RunEvent::Started { suite: suite.name.clone(), cases: total });
    let probes: Vec<&Case> = plan.cases.iter().take_while(|case| case.scenario.probe).collect();
    let others: Vec<&Case> = plan.cases.iter().skip(probes.len()).collect();
    let mut broken: BTreeMap<String, Verdict> = BTreeMap::new();
    for (at_once, cases) in [(probes, true), (others, false)].map(|(cases, probing)| (probing, cases)) {
        let blockers = broken.clone();
        work_through(suite, &cases, options, &blockers, &mut |event| {
            if let RunEvent::Finished(result) = &event {
                if at_once && result.verdict != Verdict::Pass && result.verdict != Verdict::Warn {
                    let covers = plan.cases.iter().find(|case| case.id == result.id);
                    let covers = covers
                        .and_then(|case| case.scenario.covers.as_ref())
                        .map(|covers| covers.text.clone());
                    broken.entry(covers.unwrap_or_default()).or_insert(result.verdict);
                }
                if result.selected {
                    counts.add(result);
                }
            }
            tell(event);
        });
    }
    if options.vehicle == Vehicle::Process {
        crate::shell::kill_marked(&case::marker(&options.folder));
    }
    tell(RunEvent::Ended { counts: counts.clone(), millis: begun.elapsed().as_millis() as u64 });
    counts
}

/// Hands cases to workers until none is left.
fn work_through(
    suite: &Suite,
    cases: &[&Case],
    options: &Options,
    broken: &BTreeMap<String, Verdict>,
    tell: &mut dyn FnMut(RunEvent),
) {
    let next = AtomicUsize::new(0);
    let (events, told) = mpsc::channel();
    let events = Mutex::new(events);
    let workers = options.workers.clamp(1, cases.len().max(1));
    std::thread::scope(|scope| {
        for _ in 0..workers {
            let events = events.lock().map(|events| events.clone()).ok();
            let (next, options) = (&next, options);
            scope.spawn(move || {
                let Some(events) = events else { return };
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let _turn = options.turns.take();
                    let _ = events.send(RunEvent::CaseStarted { id: case.id.clone() });
                    let result = decide(suite, case, options, broken, runtime.as_ref().ok());
                    if events.send(RunEvent::Finished(Box::new(result))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(events);
        for event in told {
            tell(event);
        }
    });
}

/// Plays a case, unless something keeps it from being played.
fn decide(
    suite: &Suite,
    case: &Case,
    options: &Options,
    broken: &BTreeMap<String, Verdict>,
    runtime: Option<&tokio::runtime::Runtime>,
) -> CaseResult {
    let script = match &case.fate {
        Fate::NotApplicable(why) => return CaseResult::not_played(case, Verdict::NotApplicable, why),
        Fate::NotRun(why) => return CaseResult::not_played(case, Verdict::NotRun, why),
        Fate::Play(script) => script,
    };
    if options.stop.load(Ordering::Relaxed) {
        return CaseResult::not_played(case, Verdict::NotRun, "the run was stopped");
    }
    let blocker = case.scenario.needs.iter().find_map(|need| broken.get_key_value(&need.text));
    if let Some((need, verdict)) = blocker.filter(|_| !options.ignore_needs) {
        let becomes =
            if *verdict == Verdict::Inconclusive { Verdict::Inconclusive } else { Verdict::Blocked };
        return CaseResult {
            by: Some(need.clone()),
            ..CaseResult::not_played(case, becomes, &format!("needs {need}"))
        };
    }
    case::play(suite, case, script, options, runtime)
}
