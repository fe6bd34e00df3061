//! Self-conformance: every suite and role against its reference, as processes.

use std::time::Instant;

use plugfest::corpus::Corpus;
use plugfest::mocks::{self, Reference};
use plugfest::plan::{Case, Fate, Plan};
use plugfest::play::GuardKind;
use plugfest::runner;
use plugfest::scenario::{Suite, Verb};

use super::cases::{options, played, simulate};
use super::{Bench, Budget, Figure};

/// What one case may take on average.
const EACH_MS: f64 = 10.0;
/// The most bytes that a case may move to count.
const LARGE: u64 = 1 << 20;

pub(super) fn measure(bench: &Bench) -> Result<Vec<Figure>, String> {
    let corpus = Corpus::embedded();
    let mut figures = Vec::new();
    let (mut all, mut seconds) = (0, 0.0);
    for reference in mocks::REFERENCES {
        let suite = corpus.suite(reference.suite).map_err(|errors| errors[0].render(false))?;
        let (cases, taken) = conformance(&suite, reference, bench)?;
        all += cases;
        seconds += taken;
        figures.push(figure(&format!("{} {}, {cases} cases", suite.name, reference.role), cases, taken));
    }
    figures.push(figure(&format!("all, {all} cases"), all, seconds));
    Ok(figures)
}

fn figure(what: &str, cases: usize, seconds: f64) -> Figure {
    let ours = seconds * 1000.0 / cases.max(1) as f64;
    Figure { what: what.into(), ours, bare: None, unit: "ms a case", budget: Budget::Most(EACH_MS) }
}

/// How many cases were played, and how long that took.
fn conformance(suite: &Suite, reference: &Reference, bench: &Bench) -> Result<(usize, f64), String> {
    let anywhere = played(suite, reference, "plugfest")?;
    let mut quick = Vec::new();
    for (case, as_actor) in
        played(suite, reference, &bench.program.display().to_string())?.into_iter().zip(anywhere)
    {
        if !waits(&case) && !moves_much(&as_actor)? {
            quick.push(case);
        }
    }
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let (plan, options) = (Plan { cases: quick }, options(bench));
    let begun = Instant::now();
    let mut bad = Vec::new();
    runner::run(suite, &plan, &options, 16 * cores, &mut |event| {
        if let runner::RunEvent::Finished(result) = event
            && result.verdict != runner::Verdict::Pass
        {
            bad.push(format!("{} {}", result.verdict.name(), result.id));
        }
    });
    let taken = begun.elapsed().as_secs_f64();
    if !bad.is_empty() {
        eprintln!("{} {}: not passed: {}", suite.name, reference.role, bad.join(", "));
    }
    Ok((plan.cases.len(), taken))
}

/// Whether the case waits by what it says.
pub(super) fn waits(case: &Case) -> bool {
    let Fate::Play(script) = &case.fate else { return true };
    let step = |line: &plugfest::play::Line| {
        line.after.is_some() || line.floor.is_some() || matches!(line.verb, Verb::Quiet(_))
    };
    script.steps.iter().any(step)
        || script.rules.iter().any(|rule| matches!(rule.kind, GuardKind::Every { .. }))
}

fn moves_much(case: &Case) -> Result<bool, String> {
    let Fate::Play(script) = &case.fate else { return Ok(true) };
    Ok(super::cases::volume(&simulate(script)?) > LARGE)
}
