//! What a case costs beyond its bytes: in the simulator, and over a child's standard streams.

use std::hint::black_box;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;

use plugfest::actor::{Act, What};
use plugfest::corpus::Corpus;
use plugfest::mocks::{self, Reference};
use plugfest::plan::{Case, Fate, Plan, Selection};
use plugfest::play::{Play, Script};
use plugfest::runner::{self, Options, Vehicle};
use plugfest::scenario::Suite;
use plugfest::sim::{self, Faults, Setting, SimEnd};
use plugfest::transcript::{Line, Memory};

use super::{Bench, Budget, Figure, time};

/// Cases of the simulator whose exchange is at most so long count; longer ones are the topic `growth`.
const SHORT: usize = 4096;
/// Rounds of each; the fastest counts.
const ROUNDS: usize = 5;
/// How often the case over standard streams is played in a round.
const TIMES: usize = 20;

pub(super) fn measure(bench: &Bench) -> Result<Vec<Figure>, String> {
    let corpus = Corpus::embedded();
    let mut figures = Vec::new();
    for reference in mocks::REFERENCES {
        let suite = corpus.suite(reference.suite).map_err(|errors| errors[0].render(false))?;
        figures.push(simulated(&suite, reference)?);
    }
    let suite = corpus.suite("arcaflow").map_err(|errors| errors[0].render(false))?;
    figures.push(over_stdio(&suite, bench)?);
    Ok(figures)
}

/// The cases of a reference that are played; `program` is who plays them.
pub(super) fn played(suite: &Suite, reference: &Reference, program: &str) -> Result<Vec<Case>, String> {
    let subject = mocks::subject(reference, program, None);
    let selection = Selection { profile: reference.profiles[0].into(), ..Selection::default() };
    let plan = Plan::build(suite, &subject, &selection).map_err(|errors| errors[0].render(false))?;
    Ok(plan.cases.into_iter().filter(|case| matches!(case.fate, Fate::Play(_))).collect())
}

/// Plays a script in the simulator.
pub(super) fn simulate(script: &Arc<Script>) -> Result<Memory, String> {
    let mut play = Play::new(script.clone());
    let faults = Faults::default();
    let setting =
        Setting { programs: &mocks::program, packages: &mocks::package, faults, seed: script.knobs.seed };
    let mut memory = Memory::default();
    match sim::run(&mut play, &setting, &mut memory) {
        SimEnd::Finished => {
            black_box(play.outcome());
            Ok(memory)
        }
        end => Err(format!("{}: the simulation is {end:?}", script.name)),
    }
}

fn simulated(suite: &Suite, reference: &Reference) -> Result<Figure, String> {
    let mut scripts = Vec::new();
    let mut streams = Vec::new();
    for case in played(suite, reference, "plugfest")? {
        let Fate::Play(script) = case.fate else { continue };
        let chunks = chunks(&simulate(&script)?);
        if chunks.iter().map(Vec::len).sum::<usize>() <= SHORT {
            scripts.push(script);
            streams.push(chunks);
        }
    }
    let play = || scripts.iter().for_each(|script| drop(black_box(simulate(script))));
    let (ours, bare) = time::fastest(ROUNDS, play, || streams.iter().for_each(|chunks| pass_on(chunks)));
    let each = |seconds: f64| seconds * 1000.0 / scripts.len().max(1) as f64;
    Ok(Figure {
        what: format!("simulator, {} {}, mean of {} cases", suite.name, reference.role, scripts.len()),
        ours: each(ours),
        bare: Some(each(bare)),
        unit: "ms",
        budget: Budget::Beyond(0.2),
    })
}

/// What went over the wires, both ways, chunk by chunk.
fn chunks(memory: &Memory) -> Vec<Vec<u8>> {
    let bytes = |line: &Line| match line {
        Line::Event(event) => match &event.what {
            What::Bytes { bytes, .. } => Some(bytes.0.clone()),
            _ => None,
        },
        Line::Doing(_) => written(line),
    };
    memory.lines.iter().filter_map(bytes).collect()
}

/// How many bytes went over the wires.
pub(super) fn volume(memory: &Memory) -> u64 {
    chunks(memory).iter().map(|chunk| chunk.len() as u64).sum()
}

fn written(line: &Line) -> Option<Vec<u8>> {
    match line {
        Line::Doing(doing) => match &doing.act {
            Act::Write { bytes, .. } => bytes.to_vec(&mocks::package).ok(),
            _ => None,
        },
        Line::Event(_) => None,
    }
}

/// The bare loop: every chunk from one queue into another.
fn pass_on(chunks: &[Vec<u8>]) {
    let mut queue: std::collections::VecDeque<Vec<u8>> = chunks.iter().cloned().collect();
    let mut taken = Vec::new();
    while let Some(chunk) = queue.pop_front() {
        taken.extend_from_slice(&chunk);
    }
    black_box(taken);
}

/// One case played again and again, beside a loop that starts the same program, writes the same bytes and reads to
/// the end.
fn over_stdio(suite: &Suite, bench: &Bench) -> Result<Figure, String> {
    let reference = mocks::reference("arcaflow", "plugin").ok_or("there is no reference")?;
    let program = bench.program.display().to_string();
    let cases = played(suite, reference, &program)?;
    let mut actors = played(suite, reference, "plugfest")?.into_iter();
    let as_actor =
        actors.find(|case| case.id.starts_with("work/") && super::suites::is_quick(case) == Ok(true));
    let as_actor = as_actor.ok_or("every case waits")?;
    let id = as_actor.id.as_str();
    let case = cases.iter().find(|case| case.id == id).ok_or("it is simulated only")?;
    let Fate::Play(script) = &case.fate else { return Err(format!("{id} is not played")) };
    let Fate::Play(as_actor) = as_actor.fate.clone() else {
        return Err(format!("{id} is not simulated"));
    };
    let input: Vec<u8> = simulate(&as_actor)?.lines.iter().filter_map(written).flatten().collect();
    let argv: Vec<String> = script.subject.command.iter().cloned().chain(["--atp".to_owned()]).collect();
    let plan = Plan { cases: vec![case.clone(); TIMES] };
    let options = options(bench);
    let mut bad = 0;
    let (ours, bare) = time::fastest(
        ROUNDS,
        || {
            let counts = runner::run(suite, &plan, &options, 1, &mut |_| {});
            bad += TIMES - counts.pass;
        },
        || (0..TIMES).for_each(|_| drop(black_box(write_and_read(&argv, &input)))),
    );
    if bad > 0 {
        return Err(format!("{id} fails over standard streams"));
    }
    let each = |seconds: f64| seconds * 1000.0 / TIMES as f64;
    Ok(Figure {
        what: format!("over standard streams, arcaflow plugin {id}"),
        ours: each(ours),
        bare: Some(each(bare)),
        unit: "ms",
        budget: Budget::Beyond(3.0),
    })
}

fn write_and_read(argv: &[String], input: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut command = Command::new(&argv[0]);
    command.args(&argv[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        let _ = stdin.write_all(input);
    }
    let mut output = Vec::new();
    if let Some(mut stdout) = child.stdout.take() {
        stdout.read_to_end(&mut output)?;
    }
    child.wait()?;
    Ok(output)
}

/// As processes.
pub(super) fn options(bench: &Bench) -> Options {
    runner::relays_run(&bench.program.display().to_string());
    Options {
        vehicle: Vehicle::Process,
        ignore_needs: true,
        folder: bench.folder.clone(),
        every_exchange: false,
        stop: Arc::default(),
    }
}
