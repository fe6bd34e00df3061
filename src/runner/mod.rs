//! Runs the cases of a plan, several at once, and tells what becomes of each as [`RunEvent`]s. Never prints.

mod case;
mod draft;
mod event;
mod pauses;
mod pool;
mod port;
mod shared;
mod spare;
mod stop;

pub use case::{Vehicle, case_folder, relays_run};
pub use event::{Against, CaseResult, Counts, Judged, RunEvent, Verdict};
pub use pool::Pool;
pub use stop::stop_attached;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Instant;

use tokio::runtime::Runtime;

use crate::plan::{Case, Fate, Plan};
use crate::scenario::Suite;
use shared::Shared;
use spare::Spare;

/// How a run is carried out.
#[derive(Clone, Debug)]
pub struct Options {
    /// How the subject is reached.
    pub vehicle: Vehicle,
    /// Whether a broken need blocks.
    pub ignore_needs: bool,
    /// The folder in which cases have theirs and transcripts are kept.
    pub folder: PathBuf,
    /// Whether the exchange of a case that passes is told too.
    pub every_exchange: bool,
    /// Set from outside to end the run early; what was judged stays.
    pub stop: Arc<AtomicBool>,
}

/// Runs every case of a plan, so many at once; `tell` gets the events in the order in which they happen.
pub fn run(
    suite: &Suite,
    plan: &Plan,
    options: &Options,
    at_once: usize,
    tell: &mut dyn FnMut(RunEvent),
) -> Counts {
    Pool::scope(at_once, |pool| run_in(pool, suite, plan, options, tell))
}

/// Runs every case of a plan by the workers of a pool, which may play those of other runs too.
pub fn run_in<'env>(
    pool: &Pool<'env>,
    suite: &'env Suite,
    plan: &'env Plan,
    options: &'env Options,
    tell: &mut dyn FnMut(RunEvent),
) -> Counts {
    let begun = Instant::now();
    let mut counts = Counts::default();
    let total = plan.cases.iter().filter(|case| case.selected).count();
    tell(RunEvent::Started { suite: suite.name.clone(), cases: total });
    let mut broken = BTreeMap::new();
    let (shared, spare) = (Arc::new(Shared::new(&plan.cases, options)), Arc::new(Spare::default()));
    let probes = plan.cases.iter().take_while(|case| case.scenario.probe).count();
    let (probes, others) = plan.cases.split_at(probes);
    for cases in [probes, others] {
        let blockers = Arc::new(broken.clone());
        let (events, told) = mpsc::channel();
        for case in cases {
            let (events, blockers) = (events.clone(), blockers.clone());
            let (shared, spare) = (shared.clone(), spare.clone());
            let job = move |runtime: Option<&Runtime>| {
                let _ = events.send(RunEvent::CaseStarted { id: case.id.clone() });
                let result = decide(suite, case, options, &shared, &spare, &blockers, runtime);
                let _ = events.send(RunEvent::Finished(Box::new(result)));
            };
            match case.fate {
                Fate::Play(_) => {
                    let waits = match options.vehicle {
                        _ if case.scenario.probe => pool::FIRST,
                        Vehicle::Process => case.waits(),
                        _ => (0, 0),
                    };
                    pool.add(
                        waits,
                        Box::new(move |runtime: &io::Result<Runtime>| job(runtime.as_ref().ok())),
                    );
                }
                Fate::NotApplicable(_) | Fate::NotRun(_) => job(None),
            }
        }
        drop(events);
        for event in told {
            if let RunEvent::Finished(result) = &event {
                if let Some((need, verdict)) = broken_need(cases, result) {
                    broken.entry(need).or_insert(verdict);
                }
                if result.selected {
                    counts.add(result);
                }
            }
            tell(event);
        }
    }
    shared.end();
    if options.vehicle == Vehicle::Process {
        crate::shell::kill_marked(&case::marker(&options.folder));
    }
    tell(RunEvent::Ended { counts: counts.clone(), millis: begun.elapsed().as_millis() as u64 });
    counts
}

/// The requirement of a probe that was not met: what needs it need not be played. One that does not concern the subject
/// says nothing about it.
fn broken_need(cases: &[Case], result: &CaseResult) -> Option<(String, Verdict)> {
    let is_good = matches!(result.verdict, Verdict::Pass | Verdict::Warn | Verdict::NotApplicable);
    let probe = cases.iter().find(|case| case.id == result.id && case.scenario.probe).filter(|_| !is_good)?;
    let covers = probe.scenario.covers.as_ref().map(|covers| covers.text.clone());
    Some((covers.unwrap_or_default(), result.verdict))
}

/// Plays a case, unless something keeps it from being played.
fn decide(
    suite: &Suite,
    case: &Case,
    options: &Options,
    shared: &Shared<'_>,
    spare: &Spare,
    broken: &BTreeMap<String, Verdict>,
    runtime: Option<&Runtime>,
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
    let Some(running) = shared.of(case, script) else {
        return case::play(suite, case, script, options, spare, runtime);
    };
    let among_others = case::play(suite, case, &running.guest(script), options, spare, runtime);
    let is_good = among_others.verdict == Verdict::Pass && among_others.findings.is_empty();
    if is_good && !running.has_ended() || options.stop.load(Ordering::Relaxed) {
        return among_others;
    }
    among_others.transcript.iter().for_each(|path| drop(std::fs::remove_file(path)));
    case::play(suite, case, script, options, spare, runtime)
}
