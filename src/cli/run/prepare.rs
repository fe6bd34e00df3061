//! What is decided before the first case: suite, profile, plan, baseline.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::Args;
use super::rerun::Again;
use super::subjects::Job;
use crate::actor::Nanos;
use crate::baseline::Baseline;
use crate::cli::{Wrong, known, say};
use crate::corpus::Corpus;
use crate::parallel::side_by_side;
use crate::plan::{Case, Fate, Plan, Selection};
use crate::play::{Knobs, LaneSource};
use crate::report::About;
use crate::runner::Options;
use crate::scenario::{Source, Suite};
use crate::secret::Secrets;
use crate::subject::{Attach, Subject};

/// The run of one subject in one vehicle, ready to begin.
pub(super) struct Run {
    job: Job,
    pub(super) profile: String,
    /// Whether its verdicts set the exit status: not in another profile than the subject's own.
    pub(super) decides: bool,
    pub(super) suite: Arc<Suite>,
    pub(super) plan: Plan,
    pub(super) options: Options,
    pub(super) baseline: Option<Baseline>,
    /// Whether every case of the suite is asked for.
    pub(super) whole: bool,
}

impl Run {
    /// Ends an attached subject as its file says.
    pub(super) fn stop_attached(&self) {
        if let Err(why) = crate::runner::stop_attached(&self.job.subject) {
            anstream::eprintln!("warning: {why}");
        }
    }

    /// Why nobody can be reached where an attached subject should be; it may be starting still.
    pub(super) fn unreachable(&self) -> Option<String> {
        const PATIENCE: Duration = Duration::from_secs(2);
        const PAUSE: Duration = Duration::from_millis(50);
        let attach = self.job.subject.attach.as_ref()?;
        if matches!(attach, Attach::Url(_)) && !self.plan.cases.iter().any(speaks_http) {
            return None; // the cases say that this role is no HTTP server
        }
        attach.knock_for(PATIENCE, PAUSE, || false).err()
    }

    /// How many of the selected cases can be played.
    pub(super) fn playable(&self) -> usize {
        self.plan.cases.iter().filter(|case| case.selected && is_played(case)).count()
    }

    /// Takes over how long its cases took in the simulator, by their ids.
    pub(super) fn learn(&mut self, simulated: impl Fn(&About<'_>, &str) -> Nanos) {
        let about = self.about();
        let times: Vec<Nanos> = self.plan.cases.iter().map(|case| simulated(&about, &case.id)).collect();
        for (case, time) in self.plan.cases.iter_mut().zip(times) {
            case.simulated = time;
        }
    }

    /// What no output of it may show.
    pub(super) fn secrets(&self) -> &Secrets {
        &self.job.subject.secrets
    }

    /// What reporters know of it.
    pub(super) fn about(&self) -> About<'_> {
        About {
            suite: &self.suite,
            subject: &self.job.subject,
            profile: &self.profile,
            vehicle: self.job.vehicle_name,
            again: &self.job.again,
            decides: self.decides,
        }
    }
}

/// What a run is made of.
#[derive(Clone)]
struct Unbound {
    job: Job,
    suite: Arc<Suite>,
    options: Options,
    selection: Selection,
    decides: bool,
}

impl Unbound {
    /// What names its plan: a command has one subject of a role at most, which may be played in several vehicles.
    fn planned(&self) -> [&str; 3] {
        [&self.suite.name, &self.job.subject.role, &self.selection.profile]
    }
}

/// Binds the suites to the subjects. A suite that several need is read once.
///
/// # Errors
/// Everything that is wrong with what the user gave.
pub(super) fn prepare(
    args: &Args,
    corpus: &Corpus,
    jobs: Vec<Job>,
    folder: &Path,
    stop: &Arc<AtomicBool>,
) -> Result<Vec<Run>, Wrong> {
    let mut unbound = Vec::new();
    let again = args.rerun.as_deref().map(Again::read).transpose()?;
    let suites = suites(corpus, &jobs)?;
    for job in jobs {
        let suite = &suites[&job.subject.suite];
        job.subject.tls()?;
        known("role", &job.subject.role, suite.role_names().collect::<Vec<_>>())?;
        for (profile, decides) in profiles(args, &job.subject, suite)? {
            let options = Options {
                vehicle: job.vehicle.clone(),
                ignore_needs: args.ignore_needs,
                folder: folder.join(format!("r{}", unbound.len())),
                every_exchange: args.report.iter().any(|report| report.starts_with("html=")),
                stop: stop.clone(),
            };
            std::fs::create_dir_all(&options.folder)
                .map_err(|error| format!("no folder for the run: {error}"))?;
            let mut selection = selection(args, &job, &profile)?;
            selection.only = again.as_ref().map(|again| again.of(&suite.name, &job.subject.role));
            unbound.push(Unbound { job: job.clone(), suite: suite.clone(), options, selection, decides });
        }
    }
    let plans = plans(&unbound)?;
    let runs = unbound.iter().map(|run| bind(args, run, plans[&run.planned()].clone()));
    let mut runs = runs.collect::<Result<Vec<Run>, Wrong>>()?;
    for mode in &args.mode {
        mode_exists(mode, &runs)?;
    }
    if again.is_none() {
        return Ok(runs);
    }
    runs.retain(|run| run.plan.cases.iter().any(|case| case.selected));
    if runs.is_empty() {
        say("nothing to run again")?;
    }
    Ok(runs)
}

/// The suites of subjects by name, as far as these roles need them.
fn suites(corpus: &Corpus, jobs: &[Job]) -> Result<BTreeMap<String, Arc<Suite>>, Wrong> {
    let mut roles: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for Job { subject, .. } in jobs {
        roles.entry(&subject.suite).or_default().insert(&subject.role);
    }
    let wanted: Vec<_> = roles.into_iter().collect();
    let read = side_by_side(&wanted, |(name, roles)| corpus.suite_for(name, roles));
    let named = wanted.iter().zip(read).map(|((name, _), suite)| Ok(((*name).to_owned(), Arc::new(suite?))));
    named.collect()
}

/// What is to be played by [`Unbound::planned`].
fn plans(unbound: &[Unbound]) -> Result<BTreeMap<[&str; 3], Plan>, Wrong> {
    let distinct: BTreeMap<[&str; 3], &Unbound> = unbound.iter().map(|run| (run.planned(), run)).collect();
    let distinct: Vec<_> = distinct.into_iter().collect();
    let build = |run: &Unbound| Plan::build(&run.suite, &run.job.subject, &run.selection);
    let built = side_by_side(&distinct, |(_, run)| build(run));
    distinct.iter().zip(built).map(|((name, _), plan)| Ok((*name, plan?))).collect()
}

/// A mode that nobody has would run nothing, and look good.
fn mode_exists(mode: &str, runs: &[Run]) -> Result<(), Wrong> {
    let modes = |run: &Run| run.suite.modes(&run.job.subject.role);
    let all: BTreeSet<String> = runs.iter().flat_map(modes).filter(|mode| !mode.is_empty()).collect();
    if let Some(run) =
        runs.iter().find(|run| run.suite.planned(&run.job.subject.role).contains(&mode.to_owned()))
        && !all.contains(mode)
    {
        let (suite, role) = (&run.suite.name, &run.job.subject.role);
        return Err(Wrong::Said(format!("not-run: {suite} {role} has no scenario of mode {mode} yet")));
    }
    known("mode", mode, all.iter().map(String::as_str))
}

/// The profiles to run in, and whether each sets the exit status.
fn profiles(args: &Args, subject: &Subject, suite: &Suite) -> Result<Vec<(String, bool)>, Wrong> {
    let own = subject.profile.as_ref().unwrap_or(&suite.profiles[0]);
    match &args.profile {
        Some(all) if all == "all" => {
            Ok(suite.profiles.iter().map(|profile| (profile.clone(), profile == own)).collect())
        }
        wanted => {
            let profile = wanted.as_ref().unwrap_or(own);
            let names = suite.profiles.iter().map(String::as_str).chain(["all"]);
            known("profile", profile, names.collect::<Vec<_>>())?;
            Ok(vec![(profile.clone(), true)])
        }
    }
}

fn bind(args: &Args, run: &Unbound, plan: Plan) -> Result<Run, Wrong> {
    let Unbound { job, suite, options, selection, decides } = run.clone();
    let subject = &job.subject;
    let picked = plan.cases.iter().any(|case| case.selected);
    if !picked && selection.only.is_none() && selection.shard.is_none() && selection.prefixes.is_empty() {
        return Err(Wrong::Said(format!(
            "{} {} has no scenario yet: put one at SUITE/SECTION/NAME.toml in a folder of --suites",
            subject.suite, subject.role
        )));
    }
    let begins_none = |prefix: &&String| !plan.cases.iter().any(|case| case.id.starts_with(prefix.as_str()));
    if let Some(prefix) = selection.prefixes.iter().find(begins_none) {
        return Err(Wrong::Said(format!(
            "no case of {} {} begins with {prefix}: `plugfest list {}` shows them",
            subject.suite, subject.role, subject.suite
        )));
    }
    if plan.lacks_port() && !plan.cases.iter().any(is_played) {
        return Err(Wrong::Said(
            "no case can be played: the subject's command has no {port}, which tells it where to listen; put it there, \
             or say with --attach where the subject runs already"
                .into(),
        ));
    }
    if let (Some(address), false) = (&subject.attach, plan.cases.iter().any(is_played)) {
        return Err(Wrong::Said(nothing_to_attach(subject, &address.to_string(), &plan)));
    }
    let baseline = if decides { read_baseline(args, subject)? } else { None };
    let whole = selection.prefixes.is_empty()
        && selection.only.is_none()
        && selection.shard.is_none()
        && selection.modes.is_empty();
    Ok(Run { job, profile: selection.profile, decides, suite, plan, options, baseline, whole })
}

fn speaks_http(case: &Case) -> bool {
    let Fate::Play(script) = &case.fate else { return false };
    script.lanes.iter().any(|lane| matches!(lane.source, LaneSource::Declared(Source::ConnectHttp)))
}

fn is_played(case: &Case) -> bool {
    matches!(case.fate, Fate::Play(_))
}

/// Why no case can be played with a subject that is attached.
fn nothing_to_attach(subject: &Subject, address: &str, plan: &Plan) -> String {
    let reason = plan.cases.iter().find_map(|case| match &case.fate {
        Fate::NotApplicable(why) => why.strip_prefix("the subject is attached: "),
        _ => None,
    });
    let (suite, role) = (&subject.suite, &subject.role);
    format!("{suite} {role} at {address}: no case can be played: {}", reason.unwrap_or("none applies"))
}

/// The accepted findings; a file that is to be written may be missing.
fn read_baseline(args: &Args, subject: &Subject) -> Result<Option<Baseline>, Wrong> {
    let path =
        args.baseline.clone().or_else(|| subject.baseline.as_ref().map(|path| subject.locate(path).into()));
    let read = |path: PathBuf| match args.baseline_update && !path.exists() {
        true => Baseline::parse(&path.display().to_string(), ""),
        false => Baseline::read(&path),
    };
    let baseline = path.map(read).transpose()?;
    if baseline.is_none() && args.baseline_update {
        return Err(Wrong::Said(
            "--baseline-update: name the file with --baseline FILE, or in subject.toml".into(),
        ));
    }
    Ok(baseline)
}

fn selection(args: &Args, job: &Job, profile: &str) -> Result<Selection, Wrong> {
    if !(args.time_scale.is_finite() && args.time_scale > 0.0) {
        return Err(Wrong::Said("--time-scale must be greater than 0".into()));
    }
    Ok(Selection {
        prefixes: job.prefixes.clone(),
        modes: args.mode.clone(),
        profile: profile.into(),
        slow: args.slow,
        ignore_needs: args.ignore_needs,
        only: None,
        shard: shard(args)?,
        knobs: Knobs { seed: args.seed, time_scale: args.time_scale },
    })
}

/// The part of the cases to run: from 1, of so many.
fn shard(args: &Args) -> Result<Option<(usize, usize)>, Wrong> {
    let Some(text) = args.shard.clone().or_else(bazel_shard) else { return Ok(None) };
    let (part, of) = text.split_once('/').unwrap_or((&text, ""));
    match (part.parse::<usize>(), of.parse::<usize>()) {
        (Ok(part), Ok(of)) if (1..=of).contains(&part) => Ok(Some((part, of))),
        _ => Err(Wrong::Said(format!("--shard {text}: write I/N with 1 <= I <= N, for example 1/4"))),
    }
}

/// The shard that Bazel asks for; the file that it names says that we support it.
/// Source: Bazel, Test encyclopedia, section "Test sharding".
fn bazel_shard() -> Option<String> {
    let of = std::env::var("TEST_TOTAL_SHARDS").ok()?;
    let index: usize = std::env::var("TEST_SHARD_INDEX").ok()?.parse().ok()?;
    if let Some(status) = std::env::var_os("TEST_SHARD_STATUS_FILE") {
        let _ = std::fs::File::create(status);
    }
    Some(format!("{}/{of}", index + 1))
}
