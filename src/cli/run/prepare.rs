//! What is decided before the first case: suite, profile, plan, baseline.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::Args;
use super::subjects::Job;
use crate::baseline::Baseline;
use crate::cli::{Wrong, known};
use crate::corpus::Corpus;
use crate::plan::{Plan, Selection};
use crate::play::Knobs;
use crate::report::About;
use crate::runner::{Options, Turns};
use crate::scenario::Suite;
use crate::subject::Subject;

/// The run of one subject in one vehicle, ready to begin.
pub(super) struct Run {
    job: Job,
    profile: String,
    pub(super) suite: Arc<Suite>,
    pub(super) plan: Plan,
    pub(super) options: Options,
    pub(super) baseline: Option<Baseline>,
    /// Whether every case of the suite is asked for.
    pub(super) whole: bool,
}

impl Run {
    /// What reporters know of it.
    pub(super) fn about(&self) -> About<'_> {
        About {
            suite: &self.suite,
            subject: &self.job.subject,
            profile: &self.profile,
            vehicle: self.job.vehicle_name,
            again: &self.job.again,
        }
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
    turns: &Turns,
    stop: &Arc<AtomicBool>,
) -> Result<Vec<Run>, Wrong> {
    let mut suites: BTreeMap<String, Arc<Suite>> = BTreeMap::new();
    let mut runs = Vec::new();
    for (nth, job) in jobs.into_iter().enumerate() {
        let name = job.subject.suite.clone();
        let suite = match suites.get(&name) {
            Some(suite) => suite.clone(),
            None => Arc::new(corpus.suite(&name)?),
        };
        suites.insert(name, suite.clone());
        let options = Options {
            vehicle: job.vehicle.clone(),
            turns: turns.clone(),
            ignore_needs: args.ignore_needs,
            folder: folder.join(format!("r{nth}")),
            every_exchange: args.report.iter().any(|report| report.starts_with("html=")),
            stop: stop.clone(),
        };
        std::fs::create_dir_all(&options.folder)
            .map_err(|error| format!("no folder for the run: {error}"))?;
        runs.push(bind(args, job, suite, options)?);
    }
    Ok(runs)
}

fn bind(args: &Args, job: Job, suite: Arc<Suite>, options: Options) -> Result<Run, Wrong> {
    let subject = &job.subject;
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
    let baseline = read_baseline(args, subject)?;
    let whole = selection.prefixes.is_empty() && selection.shard.is_none() && selection.modes.is_empty();
    Ok(Run { job, profile, suite, plan, options, baseline, whole })
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
