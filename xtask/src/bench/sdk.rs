//! The suite against a plugin on a real SDK, whose interpreter takes longer to start than a case of ours in all.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use plugfest::corpus::Corpus;
use plugfest::mocks;
use plugfest::parallel::cores;
use plugfest::plan::{Fate, Plan, Selection};
use plugfest::runner;
use plugfest::scenario::Suite;
use plugfest::subject::Subject;

use super::cases::{options, played};
use super::suites::is_quick;
use super::{Bench, Budget, Figure, time};
use crate::{peer, root};

/// Subjects, and what a case may take on average, in milliseconds.
const SUBJECTS: &[(&str, Budget)] = &[("arcaflow-python", Budget::Most(80.0)), ("arcaflow-go", Budget::Told)];
/// Rounds of both, in turns; the fastest counts.
const ROUNDS: usize = 3;
/// A session without work, in CBOR: null, and client done.
const SESSION: &[u8] = b"\xf6\xa3\x62id\x04\x66run_id\x60\x64data\xa0";

pub(super) fn measure(bench: &Bench) -> Result<Vec<Figure>, String> {
    let suite = Corpus::embedded().suite("arcaflow").map_err(|errors| errors[0].render(false))?;
    let mut figures = Vec::new();
    for (name, budget) in SUBJECTS {
        figures.push(figure(&suite, name, *budget, bench)?);
    }
    Ok(figures)
}

fn figure(suite: &Suite, name: &str, budget: Budget, bench: &Bench) -> Result<Figure, String> {
    for peer in peer::ALL.iter().filter(|peer| peer.name == name) {
        peer.set_up().map_err(|why| format!("{name}: {why}"))?;
    }
    let file = root().join("fixtures/subjects").join(name).with_extension("toml");
    let subject = Subject::read(&file).map_err(|errors| errors.render(false))?.located();
    let plan = quick(suite, &subject)?;
    let at_once = 3 * cores();
    let count = plan.cases.len();
    let each = |seconds: f64| seconds * 1000.0 / count.max(1) as f64;
    let (mut inconclusive, mut bad) = (0, 0);
    let (ours, bare) = time::fastest(
        ROUNDS,
        || inconclusive += runner::run(suite, &plan, &options(bench), at_once, &mut |_| {}).inconclusive,
        || bad += alone(&subject.command, count, at_once),
    );
    if inconclusive + bad > 0 {
        return Err(format!("{name}: {inconclusive} cases are inconclusive, {bad} sessions gave nothing"));
    }
    Ok(Figure {
        what: format!("{name}, {count} cases, beside sessions without work"),
        ours: each(ours),
        bare: Some(each(bare)),
        unit: "ms a case",
        budget,
    })
}

/// The cases of a subject that count: those that are quick with the reference.
fn quick(suite: &Suite, subject: &Subject) -> Result<Plan, String> {
    let reference = mocks::reference(&suite.name, &subject.role).ok_or("there is no reference")?;
    let mut ids = Vec::new();
    for case in played(suite, reference, "plugfest")? {
        if is_quick(&case)? {
            ids.push(case.id);
        }
    }
    let selection = Selection { profile: reference.profiles[0].into(), ..Selection::default() };
    let plan = Plan::build(suite, subject, &selection).map_err(|errors| errors[0].render(false))?;
    let counts = |fate: &Fate| matches!(fate, Fate::Play(_));
    let cases = plan.cases.into_iter().filter(|case| counts(&case.fate) && ids.contains(&case.id)).collect();
    Ok(Plan { cases })
}

/// Has so many sessions without work; gives how many of them gave nothing.
fn alone(command: &[String], count: usize, at_once: usize) -> usize {
    let (next, bad) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while next.fetch_add(1, Ordering::Relaxed) < count {
                    let is_good = session(command).is_ok_and(|output| !output.is_empty());
                    bad.fetch_add(usize::from(!is_good), Ordering::Relaxed);
                }
            });
        }
    });
    bad.into_inner()
}

fn session(command: &[String]) -> std::io::Result<Vec<u8>> {
    let mut child = Command::new(&command[0])
        .args(&command[1..])
        .arg("--atp")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    if let Some(mut stdin) = stdin {
        stdin.write_all(SESSION)?;
    }
    let mut output = Vec::new();
    if let Some(mut stdout) = stdout {
        stdout.read_to_end(&mut output)?;
    }
    child.wait()?;
    Ok(output)
}
