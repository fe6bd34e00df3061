//! `plugfest run`

use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Wrong, corpus, known};
use crate::baseline::Baseline;
use crate::corpus::Corpus;
use crate::exit;
use crate::mocks::{self, Reference};
use crate::plan::{Plan, Selection};
use crate::play::Knobs;
use crate::report::{About, Human, Reporter};
use crate::runner::{self, Options, RunEvent, Vehicle};
use crate::scenario::Suite;
use crate::sim::Faults;
use crate::subject::Subject;

/// What to run against what.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The suite, the role of the subject, and prefixes of case ids; without a subject: what to select of the references.
    selection: Vec<String>,
    /// A file that describes the subject.
    #[arg(long, value_name = "FILE", conflicts_with = "command")]
    subject: Option<PathBuf>,
    /// The text that binds: `document` or a deployed dialect.
    #[arg(long)]
    profile: Option<String>,
    /// Folders with scenarios of your own.
    #[arg(long, value_name = "DIR")]
    suites: Vec<PathBuf>,
    /// Accepted findings.
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// A report in a format: jsonl, junit, github or markdown.
    #[arg(long, value_name = "FORMAT=PATH")]
    report: Vec<String>,
    /// Transport variants to run.
    #[arg(long)]
    mode: Vec<String>,
    /// Cases at once.
    #[arg(long)]
    jobs: Option<usize>,
    /// This part of the cases, of so many: 1/4.
    #[arg(long, value_name = "I/N")]
    shard: Option<String>,
    /// Runs everything so many times.
    #[arg(long, default_value_t = 1)]
    repeat: usize,
    /// The seed of everything that is drawn.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Runs slow scenarios too.
    #[arg(long)]
    slow: bool,
    /// Warnings count as broken.
    #[arg(long)]
    strict: bool,
    /// Runs cases although a rule that they need is broken.
    #[arg(long)]
    ignore_needs: bool,
    /// Stretches our own deadlines.
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    time_scale: f64,
    /// Bundled references: only in the simulator, or only as processes.
    #[arg(long, value_name = "simulator|process")]
    vehicle: Option<String>,
    /// The command that starts the subject.
    #[arg(last = true)]
    command: Vec<String>,
}

/// One subject in one vehicle.
struct Job {
    subject: Subject,
    vehicle: Vehicle,
    vehicle_name: &'static str,
    again: String,
}

/// Runs; gives the exit status.
///
/// # Errors
/// Input that is wrong; found before the first case.
pub(super) fn run(args: Args) -> Result<i32, Wrong> {
    let corpus = corpus(&args.suites)?;
    let jobs = jobs(&args, &corpus)?;
    let mut reporters: Vec<Box<dyn Reporter>> = Vec::new();
    for report in &args.report {
        reporters.push(reporter(report)?);
    }
    let stop = stop_on_signals();
    let mut code = exit::GOOD;
    let folder = tempfile::Builder::new()
        .prefix("plugfest-")
        .tempdir()
        .map_err(|error| format!("no folder for the run: {error}"))?;
    let mut keep = false;
    let mut human: Option<Human<anstream::Stdout>> = None;
    for _ in 0..args.repeat.max(1) {
        for job in &jobs {
            let report = human.get_or_insert_with(|| Human::new(anstream::stdout(), job.again.clone()));
            let (job_code, kept) =
                run_job(&args, &corpus, job, folder.path(), &stop, report, &mut reporters)?;
            code = exit::stronger(code, job_code);
            keep |= kept;
        }
    }
    if let Some(mut human) = human {
        human.finish(code).map_err(|error| format!("the output cannot be written: {error}"))?;
    }
    for reporter in &mut reporters {
        reporter.finish(code).map_err(|error| format!("a report cannot be written: {error}"))?;
    }
    if keep {
        let _ = folder.keep();
    }
    Ok(code)
}

/// SIGINT and SIGTERM end the run early; what was judged stays.
fn stop_on_signals() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let set = stop.clone();
    std::thread::spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            let (Ok(mut interrupt), Ok(mut terminate)) =
                (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
            else {
                return;
            };
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
            set.store(true, Ordering::Relaxed);
        });
    });
    stop
}

fn run_job(
    args: &Args,
    corpus: &Corpus,
    job: &Job,
    folder: &std::path::Path,
    stop: &Arc<AtomicBool>,
    human: &mut Human<anstream::Stdout>,
    reporters: &mut [Box<dyn Reporter>],
) -> Result<(i32, bool), Wrong> {
    let subject = &job.subject;
    let suite = corpus.suite(&subject.suite)?;
    known("role", &subject.role, suite.role_names().collect::<Vec<_>>())?;
    let profile =
        args.profile.clone().or_else(|| subject.profile.clone()).unwrap_or_else(|| suite.profiles[0].clone());
    known("profile", &profile, suite.profiles.iter().map(String::as_str))?;
    let selection = selection(args, &profile)?;
    let plan = Plan::build(&suite, subject, &selection)?;
    if plan.cases.iter().all(|case| !case.selected) {
        return Err(Wrong::Said(format!(
            "no case of {} {} begins with {}",
            subject.suite,
            subject.role,
            selection.prefixes.join(" or ")
        )));
    }
    let mut baseline = read_baseline(args, subject)?;
    let options = Options {
        vehicle: job.vehicle.clone(),
        jobs: args.jobs.unwrap_or_else(default_jobs),
        ignore_needs: args.ignore_needs,
        folder: folder.to_path_buf(),
        stop: stop.clone(),
    };
    let about = About { suite: &suite, subject, profile: &profile, vehicle: job.vehicle_name };
    let whole = selection.prefixes.is_empty() && selection.shard.is_none() && selection.modes.is_empty();
    let counts = run_plan(&suite, &plan, &options, &mut baseline, whole, &mut |event| {
        human.on(about, &event);
        reporters.iter_mut().for_each(|reporter| reporter.on(about, &event));
    });
    let keep = counts.fail + counts.inconclusive + counts.warn > 0;
    Ok((exit::of(&counts, args.strict), keep))
}

/// Two for each core: most cases wait most of the time.
fn default_jobs() -> usize {
    2 * std::thread::available_parallelism().map_or(2, std::num::NonZero::get)
}

/// Runs a plan and lays the baseline over what comes of it.
fn run_plan(
    suite: &Suite,
    plan: &Plan,
    options: &Options,
    baseline: &mut Option<Baseline>,
    whole: bool,
    tell: &mut dyn FnMut(RunEvent),
) -> runner::Counts {
    let mut counts = runner::Counts::default();
    let mut millis = 0;
    runner::run(suite, plan, options, &mut |event| match event {
        RunEvent::Finished(mut result) => {
            if let Some(baseline) = baseline {
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
    for stale in baseline.iter().flat_map(|baseline| baseline.stale(whole)) {
        counts.stale += 1;
        anstream::println!("{}\n", stale.render(false));
    }
    tell(RunEvent::Ended { counts: counts.clone(), millis });
    counts
}

fn read_baseline(args: &Args, subject: &Subject) -> Result<Option<Baseline>, Wrong> {
    let path =
        args.baseline.clone().or_else(|| subject.baseline.as_ref().map(|path| subject.locate(path).into()));
    Ok(path.map(|path| Baseline::read(&path)).transpose()?)
}

fn selection(args: &Args, profile: &str) -> Result<Selection, Wrong> {
    let shard = args.shard.as_deref().map(|text| {
        let (part, of) = text.split_once('/').unwrap_or((text, ""));
        match (part.parse::<usize>(), of.parse::<usize>()) {
            (Ok(part), Ok(of)) if (1..=of).contains(&part) => Ok((part, of)),
            _ => Err(Wrong::Said(format!("--shard {text}: write I/N with 1 <= I <= N, for example 1/4"))),
        }
    });
    if !(args.time_scale.is_finite() && args.time_scale > 0.0) {
        return Err(Wrong::Said("--time-scale must be greater than 0".into()));
    }
    Ok(Selection {
        prefixes: args.selection.iter().skip(2).cloned().collect(),
        modes: args.mode.clone(),
        profile: profile.into(),
        slow: args.slow,
        ignore_needs: args.ignore_needs,
        shard: shard.transpose()?,
        knobs: Knobs { seed: args.seed, time_scale: args.time_scale },
    })
}

/// The subjects of the run: that of a file or command, or the bundled references in both vehicles.
fn jobs(args: &Args, corpus: &Corpus) -> Result<Vec<Job>, Wrong> {
    let suites = corpus.suites();
    if let Some(suite) = args.selection.first() {
        known("suite", suite, suites.iter().map(String::as_str))?;
    }
    if let Some(path) = &args.subject {
        let subject = Subject::read(path)?.located();
        known("suite", &subject.suite, suites.iter().map(String::as_str))?;
        let again = format!(" --subject {}", path.display());
        return Ok(vec![Job { subject, vehicle: Vehicle::Process, vehicle_name: "process", again }]);
    }
    if !args.command.is_empty() {
        let [suite, role, ..] = args.selection.as_slice() else {
            return Err(Wrong::Said(
                "say which suite and role the command plays: plugfest run SUITE ROLE -- COMMAND".into(),
            ));
        };
        let mut subject = Subject::of_command(suite, role, args.command.clone());
        subject.capabilities = mocks::reference(suite, role)
            .filter(|_| is_reference(&args.command, suite, role))
            .map(|reference| {
                (reference.subject)().capabilities.iter().map(|name| (*name).to_owned()).collect()
            })
            .unwrap_or_default();
        let again = format!(" -- {}", args.command.join(" "));
        return Ok(vec![Job { subject, vehicle: Vehicle::Process, vehicle_name: "process", again }]);
    }
    Ok(reference_jobs(args))
}

/// Whether a command runs our own reference, whose capabilities we know.
fn is_reference(command: &[String], suite: &str, role: &str) -> bool {
    let words: Vec<&str> = command.iter().skip(1).take(3).map(String::as_str).collect();
    words == ["mock", suite, role]
}

fn reference_jobs(args: &Args) -> Vec<Job> {
    let wanted = |reference: &&Reference| {
        let [suite, role] = [0, 1].map(|at| args.selection.get(at));
        suite.is_none_or(|suite| suite == reference.suite) && role.is_none_or(|role| role == reference.role)
    };
    let vehicles = [("simulator", Vehicle::Simulator(Faults::default())), ("process", Vehicle::Process)];
    let vehicles =
        vehicles.into_iter().filter(|(name, _)| args.vehicle.as_deref().is_none_or(|only| only == *name));
    let program = std::env::current_exe().map_or("plugfest".into(), |path| path.display().to_string());
    let references: Vec<&Reference> = mocks::REFERENCES.iter().filter(wanted).collect();
    let job = |(vehicle_name, vehicle): (&'static str, Vehicle)| {
        references
            .iter()
            .map(move |reference| (vehicle_name, vehicle.clone(), *reference))
            .collect::<Vec<_>>()
    };
    let all = vehicles.flat_map(job);
    all.map(|(vehicle_name, vehicle, reference)| {
        let subject = mocks::subject(reference, &program, None);
        Job { subject, vehicle, vehicle_name, again: format!(" --vehicle {vehicle_name}") }
    })
    .collect()
}

fn reporter(text: &str) -> Result<Box<dyn Reporter>, Wrong> {
    let Some((format, path)) = text.split_once('=') else {
        return Err(Wrong::Said(format!("--report {text}: write FORMAT=PATH, for example jsonl=run.jsonl")));
    };
    known("report format", format, crate::report::FORMATS)?;
    let file =
        File::create(path).map_err(|error| format!("--report {text}: {path} cannot be written: {error}"))?;
    crate::report::of_format(format, BufWriter::new(file))
        .ok_or_else(|| Wrong::Said(format!("there is no report format `{format}`")))
}
