//! `plugfest run`

mod prepare;
mod rerun;
mod side_by_side;
mod subjects;

use std::fs::File;
use std::io::BufWriter;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{Wrong, corpus, known, say, written};
use crate::exit;
use crate::report::{Human, Reporter};
use crate::runner::{CaseResult, Counts, RunEvent};
use crate::secret::{Masked, Secrets};
use crate::shell::Orphanage;
use prepare::prepare;

const EXAMPLES: &str = "\
Examples:
  plugfest run                                          the bundled references of every suite
  plugfest run arcaflow plugin -- python my_plugin.py   a plugin, every case
  plugfest run arcaflow plugin work/ -- ./my-plugin     only the cases whose ids begin with work/
  plugfest run dify-sri runtime --attach https://host/  one that runs already
  plugfest run --subject subject.toml --profile all     every profile beside the other
  plugfest run --subject subject.toml work/             the same, of a subject that a file describes
  plugfest run --subject subject.toml --report junit=junit.xml --report jsonl=run.jsonl
  plugfest run --subject subject.toml --rerun run.jsonl what failed there

Exit status: 0 all good, or exactly the baseline; 1 a MUST is broken, or the baseline is stale; 2 a file or the
command line is wrong; 3 we could not do our part; 70 a defect of plugfest.";

/// What to run against what.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The suite, the role of the subject, and prefixes of case ids: only these, where a subject's file names both;
    /// without a subject: what to select of the references.
    selection: Vec<String>,
    /// A file that describes the subject.
    #[arg(long, value_name = "FILE", conflicts_with = "command")]
    subject: Option<PathBuf>,
    /// Where the subject runs already: HOST:PORT, unix:PATH, or a URL.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "command")]
    attach: Option<String>,
    /// A header of every request to the subject that does not have it.
    #[arg(long, value_name = "NAME: VALUE")]
    header: Vec<String>,
    /// The certificates to trust for https, instead of the system's.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<String>,
    /// Trusts any certificate.
    #[arg(long)]
    insecure: bool,
    /// The text that binds: `document` or a deployed dialect; `all` shows them side by side.
    #[arg(long)]
    profile: Option<String>,
    /// Folders with scenarios of your own.
    #[arg(long, value_name = "DIR")]
    suites: Vec<PathBuf>,
    /// Accepted findings.
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Rewrites the baseline: what did not show leaves, what is new comes in without a reason.
    #[arg(long)]
    baseline_update: bool,
    /// A report in a format: jsonl, junit, github, markdown or html.
    #[arg(long, value_name = "FORMAT=PATH")]
    report: Vec<String>,
    /// Transport variants to run.
    #[arg(long)]
    mode: Vec<String>,
    /// Cases at once; otherwise three for each core of this machine.
    #[arg(long)]
    jobs: Option<NonZeroUsize>,
    /// This part of the cases, of so many: 1/4. Bazel's TEST_SHARD_INDEX and TEST_TOTAL_SHARDS count too.
    #[arg(long, value_name = "I/N")]
    shard: Option<String>,
    /// Runs what was not good in an earlier run: the file of its `--report jsonl=..`.
    #[arg(long, value_name = "RUN.jsonl")]
    rerun: Option<PathBuf>,
    /// Runs everything so many times.
    #[arg(long, default_value = "1")]
    repeat: NonZeroUsize,
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
    #[arg(long, value_name = "X", default_value_t = 1.0, allow_negative_numbers = true)]
    time_scale: f64,
    /// Bundled references: only in the simulator, or only as processes.
    #[arg(long, value_parser = ["simulator", "process"])]
    vehicle: Option<String>,
    /// The command that starts the subject.
    #[arg(last = true)]
    command: Vec<String>,
}

/// Runs; gives the exit status.
///
/// # Errors
/// Input that is wrong; found before the first case.
pub(super) fn run(args: Args) -> Result<i32, Wrong> {
    let corpus = corpus(&args.suites)?;
    let jobs = subjects::jobs(&args, &corpus)?;
    let secrets = jobs.iter().map(|job| job.subject.secrets.clone()).find(|secrets| !secrets.is_empty());
    let secrets = secrets.unwrap_or_default();
    let folder = tempfile::Builder::new()
        .prefix("plugfest-")
        .tempdir()
        .map_err(|error| format!("no folder for the run: {error}"))?;
    allow_many_files();
    let orphanage = Orphanage::open();
    let stop = stop_on_signals(orphanage.clone(), folder.path().into());
    let at_once = side_by_side::at_once(&args, &jobs);
    let mut runs = prepare(&args, &corpus, jobs, folder.path(), &stop)?;
    let mut reporters = reporters(&args.report, &secrets)?;
    if let Some((run, why)) = runs.iter().find_map(|run| Some((run, run.unreachable()?))) {
        anstream::eprintln!("error: {why}");
        let counts = Counts { inconclusive: run.playable(), ..Counts::default() };
        say(crate::report::closing_line(&counts))?;
        return Ok(exit::INCONCLUSIVE);
    }
    let mut human = Human::new(Masked::new(anstream::stdout(), &secrets));
    let (mut code, mut keep) = (exit::GOOD, false);
    let mut results: Vec<CaseResult> = Vec::new();
    for _ in 0..args.repeat.get() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let counts =
            side_by_side::run(&mut runs, args.jobs.map(NonZeroUsize::get), at_once, &mut |about, event| {
                human.on(about, event);
                reporters.iter_mut().for_each(|reporter| reporter.on(about, event));
                if let RunEvent::Finished(result) = event
                    && args.baseline_update
                {
                    results.push((**result).clone());
                }
            });
        for (run, counts) in runs.iter().zip(&counts) {
            if run.decides {
                code = exit::stronger(code, exit::of(counts, args.strict));
            }
            keep |= counts.fail + counts.inconclusive + counts.warn > 0;
        }
    }
    for run in &runs {
        run.stop_attached();
    }
    orphanage.close();
    let is_stopped = stop.load(Ordering::Relaxed);
    if is_stopped {
        code = exit::stronger(code, exit::INCONCLUSIVE);
        anstream::eprintln!("stopped by a signal: what was not played counts as skipped");
    }
    // What cannot be told in one place is told in all the others.
    let updates = args.baseline_update && !is_stopped;
    let mut told = if updates { update_baseline(&runs, &results) } else { Ok(()) };
    told = told.and(written(human.finish(code)));
    for reporter in &mut reporters {
        let finished = reporter.finish(code).map_err(|error| format!("a report cannot be written: {error}"));
        told = told.and(finished.map_err(Wrong::from));
    }
    if keep {
        let _ = folder.keep();
    }
    // The system frees what thousands of cases hold much faster than we would.
    std::mem::forget(runs);
    told.map(|()| code)
}

/// Writes the baseline anew after a run of one subject.
fn update_baseline(runs: &[prepare::Run], results: &[CaseResult]) -> Result<(), Wrong> {
    let Some((run, baseline)) = runs.iter().find_map(|run| Some((run, run.baseline.as_ref()?))) else {
        return Ok(());
    };
    let judged: Vec<&CaseResult> = results.iter().filter(|result| result.profile == run.profile).collect();
    let update = baseline.updated(&judged, run.whole);
    let file = baseline.file();
    std::fs::write(file, run.secrets().hidden(&update.text)).map_err(|error| format!("{file}: {error}"))?;
    let todo = if update.added > 0 { ": give each a reason and a source before it counts" } else { "" };
    say(format_args!("{file}: {} entries added, {} removed{todo}", update.added, update.removed))
}

/// A file that would be larger than allowed (RLIMIT_FSIZE) is an error of that write, not the end of us.
const SIGXFSZ: i32 = 25;

/// How many files may be open, if the system lets us: a subject may open a thousand connections.
const FILES: u64 = 8192;

/// Raises the soft limit of open files, never beyond the hard one.
fn allow_many_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(FILES).min(FILES);
    if limit.current.is_some_and(|current| current < most) {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum: limit.maximum });
    }
}

/// `timeout` and the like send a signal to the program and then to its group: so soon after the first it is the same.
const SAME_SIGNAL: Duration = Duration::from_millis(200);

/// SIGINT and SIGTERM end the run early; what was judged stays. The second one ends everything at once: whatever we wait
/// for, we do not wait longer; then no report is whole, but no process and no folder is left either.
fn stop_on_signals(orphanage: Orphanage, folder: PathBuf) -> Arc<AtomicBool> {
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
            let _too_large = signal(SignalKind::from_raw(SIGXFSZ));
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
            set.store(true, Ordering::Relaxed);
            anstream::eprintln!("stopping; a second signal ends everything at once, without reports");
            let first = Instant::now();
            loop {
                tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
                if first.elapsed() > SAME_SIGNAL {
                    break;
                }
            }
            orphanage.close();
            let _ = std::fs::remove_dir_all(folder);
            anstream::eprintln!("stopped at once: what was not told yet is lost");
            std::process::exit(exit::INCONCLUSIVE);
        });
    });
    stop
}

/// The reports of the command line: made once everything else is known to be right, since this empties their files.
fn reporters(texts: &[String], secrets: &Secrets) -> Result<Vec<Box<dyn Reporter>>, Wrong> {
    let path = |text: &String| text.split_once('=').map(|(_, path)| path.to_owned());
    let paths: Vec<String> =
        texts.iter().filter_map(path).filter(|path| !path.starts_with("/dev/")).collect();
    if let Some(twice) = paths.iter().enumerate().find(|(nth, path)| paths[..*nth].contains(path)) {
        return Err(Wrong::Said(format!("--report: {} is the place of another report already", twice.1)));
    }
    texts.iter().map(|text| reporter(text, secrets)).collect()
}

fn reporter(text: &str, secrets: &Secrets) -> Result<Box<dyn Reporter>, Wrong> {
    let Some((format, path)) = text.split_once('=') else {
        return Err(Wrong::Said(format!("--report {text}: write FORMAT=PATH, for example jsonl=run.jsonl")));
    };
    known("report format", format, crate::report::FORMATS)?;
    let file =
        File::create(path).map_err(|error| format!("--report {text}: {path} cannot be written: {error}"))?;
    crate::report::of_format(format, BufWriter::new(Masked::new(file, secrets)))
        .ok_or_else(|| Wrong::Said(format!("there is no report format `{format}`")))
}
