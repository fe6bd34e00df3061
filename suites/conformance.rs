//! Every case of every suite against the references, as a test of its own; every mutant must be killed; every
//! stored run must be judged the same again; what a person reads of a simulated exchange is a snapshot.
//!
//! Names: `simulator::SUITE::ROLE::CASE`, `process::..`, `mutant::SUITE::ROLE::NAME`, `judge::..`, `snapshot::SUITE::ROLE::PROFILE`,
//! `grid::..`, `registry::SUITE`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use libtest_mimic::{Arguments, Failed, Trial};
use plugfest::actor::{Act, Doing, Piece};
use plugfest::corpus::Corpus;
use plugfest::coverage::covered;
use plugfest::mocks::{self, Reference};
use plugfest::mutation;
use plugfest::plan::{Case, Fate, Plan, Selection};
use plugfest::play::{Play, Script};
use plugfest::requirement::Level;
use plugfest::runner::{self, Options, RunEvent, Vehicle, Verdict};
use plugfest::scenario::Suite;
use plugfest::sim::{self, Chunking, Faults, Setting, SimEnd};
use plugfest::transcript::{self, Header, Memory};

type Verdicts = Result<(), Failed>;

fn main() {
    let arguments = Arguments::from_args();
    runner::relays_run(env!("CARGO_BIN_EXE_plugfest"));
    let temporary = tempfile::Builder::new().prefix("plugfest-test-").tempdir().expect("a temp folder");
    FOLDER.set(temporary.path().to_path_buf()).expect("set once");
    let mut trials = Vec::new();
    let mut suites: BTreeMap<&str, Arc<Suite>> = BTreeMap::new();
    // Runners that start each test as a process of its own (nextest) name it exactly: only its suite is read then.
    let name = arguments.filter.as_deref().filter(|_| arguments.exact);
    let is_wanted = |suite: &str| name.is_none_or(|name| name.split("::").any(|part| part == suite));
    for reference in mocks::REFERENCES.iter().filter(|reference| is_wanted(reference.suite)) {
        let suite = suites.entry(reference.suite).or_insert_with(|| read(reference.suite)).clone();
        for profile in reference.profiles {
            trials.extend(trials_of(&suite, reference, profile));
        }
    }
    for (name, suite) in suites {
        for mutant in mocks::mutants(name) {
            let suite = suite.clone();
            trials
                .push(Trial::test(format!("mutant::{name}::{}::{}", mutant.role, mutant.name), move || {
                    killed(&suite, mutant)
                }));
        }
        trials.push(Trial::test(format!("registry::{name}"), move || registry(&suite)));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(temporary);
    conclusion.exit();
}

/// A suite, or its errors as the end of everything.
fn read(name: &str) -> Arc<Suite> {
    match Corpus::embedded().suite(name) {
        Ok(suite) => Arc::new(suite),
        Err(errors) => {
            errors.iter().for_each(|error| eprintln!("{}", error.render(false)));
            std::process::exit(2);
        }
    }
}

fn trials_of(suite: &Arc<Suite>, reference: &'static Reference, profile: &str) -> Vec<Trial> {
    let subject = mocks::subject(reference, env!("CARGO_BIN_EXE_plugfest"), None);
    let selection = Selection { profile: profile.into(), slow: true, ..Selection::default() };
    let plan = match Plan::build(suite, &subject, &selection) {
        Ok(plan) => plan,
        Err(errors) => {
            errors.iter().for_each(|error| eprintln!("{}", error.render(false)));
            std::process::exit(2);
        }
    };
    let anywhere = mocks::subject(reference, "plugfest", None);
    let scripts: Vec<(String, Arc<Script>)> = Plan::build(suite, &anywhere, &selection)
        .unwrap_or_default()
        .cases
        .iter()
        .filter_map(|case| match &case.fate {
            Fate::Play(script) => Some((case.id.clone(), script.clone())),
            _ => None,
        })
        .collect();
    let shown = format!("{}__{}__{profile}", suite.name, reference.role);
    let name = format!("snapshot::{}::{}::{profile}", suite.name, reference.role);
    let mut trials = vec![Trial::test(name, move || snapshot(&scripts, &shown))];
    for case in plan.cases {
        let Fate::Play(script) = &case.fate else { continue };
        let name = format!("{}::{}::{profile}::{}", suite.name, reference.role, case.id);
        let slow = case.scenario.slow;
        let mut add = |kind: &str, test: Box<dyn FnOnce() -> Verdicts + Send>| {
            trials.push(Trial::test(format!("{kind}::{name}"), test));
        };
        let simulated = (suite.clone(), case.clone());
        add(
            "simulator",
            Box::new(move || passes(&simulated.0, simulated.1, Vehicle::Simulator(Faults::default()))),
        );
        if !slow {
            let process = (suite.clone(), case.clone());
            add("process", Box::new(move || passes(&process.0, process.1, Vehicle::Process)));
        }
        let judged = (suite.clone(), script.clone());
        add("judge", Box::new(move || judged_the_same(&judged.0, &judged.1)));
        let disturbed = script.clone();
        add("grid", Box::new(move || undisturbed(&disturbed)));
    }
    trials
}

/// The folder of this run; `main` removes it.
static FOLDER: OnceLock<PathBuf> = OnceLock::new();

fn folder() -> &'static Path {
    FOLDER.get().expect("main has set it")
}

fn passes(suite: &Suite, case: Case, vehicle: Vehicle) -> Verdicts {
    let plan = Plan { cases: vec![case] };
    let folder = runner::case_folder(folder());
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let stop = Arc::new(AtomicBool::new(false));
    let options = Options { vehicle, ignore_needs: true, folder, every_exchange: false, stop };
    let mut problem = None;
    runner::run(suite, &plan, &options, 1, &mut |event| {
        if let RunEvent::Finished(result) = event
            && result.verdict != Verdict::Pass
        {
            let findings: Vec<String> = result
                .findings
                .iter()
                .map(|judged| {
                    format!(
                        "{} {}: {}",
                        judged.finding.requirement, judged.finding.step, judged.finding.message
                    )
                })
                .collect();
            let chart: Vec<String> = result
                .chart
                .iter()
                .map(|entry| format!("  {} {} {}", entry.lane, entry.way, entry.text))
                .collect();
            problem = Some(format!(
                "{} {}\n{}\n{}",
                result.verdict.name(),
                result.reason,
                findings.join("\n"),
                chart.join("\n")
            ));
        }
    });
    problem.map_or(Ok(()), |problem| Err(problem.into()))
}

/// Plays a script in the simulator.
fn simulate(script: &Arc<Script>, faults: Faults) -> Result<(Play, Memory), Failed> {
    let mut play = Play::new(script.clone());
    let setting =
        Setting { programs: &mocks::program, packages: &mocks::package, faults, seed: script.knobs.seed };
    let mut memory = Memory::default();
    match sim::run(&mut play, &setting, &mut memory) {
        SimEnd::Finished => Ok((play, memory)),
        end => Err(format!("the simulation is {end:?}").into()),
    }
}

/// A stored run, written and read again, gives the same doings and findings.
fn judged_the_same(suite: &Suite, script: &Arc<Script>) -> Verdicts {
    let header = serde_json::to_string(&Header::new(suite, script)).map_err(|error| error.to_string())?;
    let header: Header = serde_json::from_str(&header).map_err(|error| error.to_string())?;
    let (play, memory) = simulate(script, Faults::default())?;
    let lines: Result<Vec<transcript::Line>, _> = memory
        .lines
        .iter()
        .map(|line| serde_json::to_string(line).and_then(|text| serde_json::from_str(&text)))
        .collect();
    let judgement = transcript::judge(Arc::new(header.script()?), &lines.map_err(|error| error.to_string())?);
    match judgement.diverged {
        Some((at, stored, now)) => Err(format!("diverged at {at}\n  stored {stored}\n  now {now}").into()),
        None if !judgement.complete => Err("the judged run is not complete".into()),
        None if judgement.outcome != play.outcome() => Err("other findings".into()),
        None => Ok(()),
    }
}

/// The exchanges of a role, each by lane; abbreviated, so that a large message is one line.
fn snapshot(scripts: &[(String, Arc<Script>)], name: &str) -> Verdicts {
    let mut text = String::new();
    let mut rows: BTreeMap<&str, usize> = BTreeMap::new();
    for (id, script) in scripts {
        let rows = rows.entry(id.split('[').next().unwrap_or(id)).or_default();
        *rows += 1;
        if *rows <= ROWS {
            text += &format!("== {id}\n{}", by_lane(&simulate(script, Faults::default())?.0));
        }
    }
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/reports/snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
    Ok(())
}

/// How many rows of a scenario a snapshot shows.
const ROWS: usize = 6;
/// How many lines of a case a snapshot shows; of the lanes beyond them it tells only how many there are.
const MANY: usize = 240;

fn by_lane(play: &Play) -> String {
    let mut lanes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in play.chart().entries() {
        lanes.entry(entry.lane).or_default().push(format!("{} {}", entry.way, entry.text));
    }
    let mut text = String::new();
    let mut shown = 0;
    for (lane, lines) in lanes {
        shown += lines.len();
        let lines = if shown > MANY { format!("({} entries)", lines.len()) } else { lines.join("\n  ") };
        text += &format!("{lane}\n  {lines}\n");
    }
    play.outcome().traits.iter().for_each(|taken| text += &format!("trait {taken}\n"));
    text
}

/// Wires that split, join or delay what is written change no verdict; a process that dies in the middle of what it
/// writes never keeps a case from its end.
fn undisturbed(script: &Arc<Script>) -> Verdicts {
    let (_, memory) = simulate(script, Faults::default())?;
    let bytes = longest_stream(&memory);
    let mut grid =
        vec![Faults { coalesce: true, ..Faults::default() }, Faults { delay: 50_000, ..Faults::default() }];
    if bytes <= 4096 {
        grid.push(Faults { chunking: Chunking::Each(1), ..Faults::default() });
        grid.extend((1..bytes).step_by(bytes as usize / 256 + 1).map(at));
    } else {
        grid.extend((1..=64_u64).map(|n| at(n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % bytes)));
    }
    let many = bytes.max(written(&memory)) > 1 << 20;
    if many {
        grid.truncate(3);
    }
    for part in 1..=if many { 1 } else { 4 } {
        simulate(script, Faults { cut: Some(bytes * part / 5), ..Faults::default() })?;
    }
    for faults in grid {
        let (play, _) = simulate(script, faults.clone())?;
        if let Some(finding) = play.outcome().findings.first() {
            return Err(format!("{faults:?}: {} {}", finding.requirement, finding.message).into());
        }
    }
    Ok(())
}

fn at(place: u64) -> Faults {
    Faults { chunking: Chunking::At(place), ..Faults::default() }
}

/// The bytes that we wrote, those of packages aside.
fn written(memory: &Memory) -> u64 {
    let length = |piece: &Piece| match piece {
        Piece::Bytes(blob) => blob.0.len() as u64,
        Piece::Gen(generated) => generated.len(),
        Piece::Package(_) => 0,
    };
    let payload = |line: &transcript::Line| match line {
        transcript::Line::Doing(Doing { act: Act::Write { bytes, .. }, .. }) => {
            bytes.pieces().iter().map(length).sum()
        }
        _ => 0,
    };
    memory.lines.iter().map(payload).sum()
}

/// The bytes that came on the wire that carried most.
fn longest_stream(memory: &Memory) -> u64 {
    let mut sums: BTreeMap<String, u64> = BTreeMap::new();
    for line in &memory.lines {
        if let transcript::Line::Event(event) = line
            && let plugfest::actor::What::Bytes { wire, bytes, .. } = &event.what
        {
            *sums.entry(wire.to_string()).or_default() += bytes.0.len() as u64;
        }
    }
    sums.into_values().max().unwrap_or(1).max(1)
}

fn killed(suite: &Suite, mutant: &mocks::Mutant) -> Verdicts {
    let kill = mutation::kill(suite, mutant, folder())?;
    if kill.by.is_empty() {
        return Err(
            format!("survives; others: {:?}; inconclusive: {:?}", kill.wrongly, kill.inconclusive).into()
        );
    }
    if !kill.wrongly.is_empty() {
        return Err(format!("killed, but also broken: {:?}", kill.wrongly).into());
    }
    Ok(())
}

/// Every must and should is judged, or open, or untestable; every judged must has a mutant.
fn registry(suite: &Suite) -> Verdicts {
    let covered = covered(suite);
    let mut holes = Vec::new();
    let played: Vec<&str> =
        mocks::REFERENCES.iter().filter(|known| known.suite == suite.name).map(|known| known.role).collect();
    for requirement in suite.registry.iter() {
        let id = requirement.id.as_str();
        let strongest = requirement.levels.values().max().copied().unwrap_or(Level::May);
        let is_covered = covered.contains_key(id);
        let is_open = suite.open.contains_key(id);
        let has_mutant = mocks::mutants(&suite.name).iter().any(|mutant| mutant.breaks == id);
        match (strongest, is_covered, is_open, requirement.untestable.is_some()) {
            (Level::May, ..) => {}
            (_, _, false, true) => {}
            (_, _, true, true) => holes.push(format!("{id} is open and untestable")),
            (_, false, false, _) => holes.push(format!("{id} has no scenario and is not open")),
            (_, true, true, _) => holes.push(format!("{id} has a scenario, so it is not open any more")),
            (Level::Must, true, _, _) if !has_mutant && played.contains(&requirement.role.as_str()) => {
                holes.push(format!("{id} is judged, but no mutant proves it"));
            }
            _ => {}
        }
    }
    for id in suite.open.keys().filter(|id| suite.registry.get(id).is_none()) {
        holes.push(format!("{id} is open, but no requirement"));
    }
    if holes.is_empty() { Ok(()) } else { Err(holes.join("\n").into()) }
}
