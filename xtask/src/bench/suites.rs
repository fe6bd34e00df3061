//! Self-conformance: every suite and role against its reference, as processes.

use std::sync::Arc;
use std::time::Instant;

use plugfest::actor::{Act, Nanos, Pieces};
use plugfest::corpus::Corpus;
use plugfest::mocks::{self, Reference};
use plugfest::parallel::cores;
use plugfest::plan::{Case, Fate, Plan};
use plugfest::runner::{self, Options, Pool, RunEvent};
use plugfest::scenario::Suite;
use plugfest::transcript::Line;

use super::cases::{options, played, simulate};
use super::{Bench, Budget, Figure};

/// What one case may take on average.
const EACH_MS: f64 = 10.0;
/// The most bytes that a case may move to count.
const LARGE: u64 = 1 << 20;
/// The time of the simulator from which on a case waits, in nanoseconds.
const WAIT: Nanos = 20_000_000;

pub(super) fn measure(bench: &Bench) -> Result<Vec<Figure>, String> {
    let corpus = Corpus::embedded();
    let mut plans = Vec::new();
    let mut figures = Vec::new();
    for reference in mocks::REFERENCES {
        let suite = Arc::new(corpus.suite(reference.suite).map_err(|errors| errors[0].render(false))?);
        plans.push((suite.clone(), quick(&suite, reference, bench)?));
        let alone = &plans[plans.len() - 1..];
        let (cases, name) = (alone[0].1.cases.len(), format!("{} {}", suite.name, reference.role));
        figures.push(figure(&format!("{name}, {cases} cases"), cases, conformance(alone, bench)?));
    }
    let cases = plans.iter().map(|(_, plan)| plan.cases.len()).sum();
    figures.push(figure(&format!("all, {cases} cases"), cases, conformance(&plans, bench)?));
    Ok(figures)
}

fn figure(what: &str, cases: usize, seconds: f64) -> Figure {
    let ours = seconds * 1000.0 / cases.max(1) as f64;
    Figure { what: what.into(), ours, bare: None, unit: "ms a case", budget: Budget::Most(EACH_MS) }
}

/// The cases of a reference that count.
fn quick(suite: &Suite, reference: &Reference, bench: &Bench) -> Result<Plan, String> {
    let anywhere = played(suite, reference, "plugfest")?;
    let mut cases = Vec::new();
    for (case, as_actor) in
        played(suite, reference, &bench.program.display().to_string())?.into_iter().zip(anywhere)
    {
        if is_quick(&as_actor)? {
            cases.push(case);
        }
    }
    Ok(Plan { cases })
}

/// How long it takes to play all cases of some plans, side by side as `plugfest run` does, in seconds.
fn conformance(plans: &[(Arc<Suite>, Plan)], bench: &Bench) -> Result<f64, String> {
    let mut runs = Vec::new();
    for (nth, (suite, plan)) in plans.iter().enumerate() {
        let options = options(bench);
        let folder = options.folder.join(format!("r{nth}"));
        std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        runs.push((suite, plan, Options { folder, ..options }));
    }
    let begun = Instant::now();
    Pool::scope(16 * cores(), |pool| {
        std::thread::scope(|scope| {
            for (suite, plan, options) in &runs {
                scope.spawn(move || runner::run_in(pool, suite, plan, options, &mut complain));
            }
        });
    });
    Ok(begun.elapsed().as_secs_f64())
}

/// Says what did not pass: then the figure is worth nothing.
fn complain(event: RunEvent) {
    if let RunEvent::Finished(result) = event
        && result.verdict != runner::Verdict::Pass
    {
        eprintln!("not passed: {} {}", result.verdict.name(), result.id);
    }
}

/// Whether a case neither waits, nor writes in pieces, between which the shell pauses, nor moves much. In the simulator
/// nothing but waiting takes time.
pub(super) fn is_quick(case: &Case) -> Result<bool, String> {
    let Fate::Play(script) = &case.fate else { return Ok(false) };
    let memory = simulate(script)?;
    let over = memory.lines.iter().rev().find_map(|line| match line {
        Line::Event(event) => Some(event.at),
        Line::Doing(_) => None,
    });
    let in_pieces = |line: &Line| match line {
        Line::Doing(doing) => matches!(&doing.act, Act::Write { pieces, .. } if *pieces != Pieces::Whole),
        Line::Event(_) => false,
    };
    let waits = over.unwrap_or_default() >= WAIT || memory.lines.iter().any(in_pieces);
    Ok(!waits && super::cases::volume(&memory) <= LARGE)
}
