//! `plugfest explain ID`

use std::path::PathBuf;

use super::{Wrong, corpus, say};
use crate::exit;
use crate::mocks;
use crate::requirement::Level;

/// What to explain.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The id of a requirement.
    id: String,
    /// Folders with scenarios of your own.
    #[arg(long, value_name = "DIR")]
    suites: Vec<PathBuf>,
}

/// Explains.
///
/// # Errors
/// An id that no suite knows.
pub(super) fn explain(args: &Args) -> Result<i32, Wrong> {
    let corpus = corpus(&args.suites)?;
    let mut ids = Vec::new();
    for name in corpus.suites() {
        let suite = corpus.suite(&name)?;
        ids.extend(suite.registry.iter().map(|requirement| requirement.id.clone()));
        let Some(requirement) = suite.registry.get(&args.id) else { continue };
        say(format_args!("{} ({name} {})", requirement.id, requirement.role))?;
        for (profile, level) in &requirement.levels {
            say(format_args!("  {level} in profile {profile}"))?;
        }
        say(format_args!("  {}", requirement.rule))?;
        for source in &requirement.source {
            say(format_args!("  source: {source}"))?;
        }
        if let Some(why) = &requirement.untestable {
            say(format_args!("  cannot be tested: {why}"))?;
        }
        let covered = crate::coverage::covered(&suite);
        let judged_by = covered.get(&requirement.id).map_or(&[][..], Vec::as_slice);
        for by in judged_by {
            say(format_args!("  judged by: {by}"))?;
        }
        if judged_by.is_empty() && requirement.untestable.is_none() {
            let is_allowed = requirement.levels.values().all(|level| *level == Level::May);
            let why = if is_allowed { "what MAY be is right either way" } else { "it has no scenario yet" };
            say(format_args!("  judged by nothing: {why}"))?;
        }
        for mutant in mocks::mutants(&name).iter().filter(|mutant| mutant.breaks == requirement.id) {
            say(format_args!("  proved by the mutant: {}", mutant.name))?;
        }
        for (name, reason) in known_breaches(&args.id) {
            say(format_args!("  known to break it: {name}: {reason}"))?;
        }
        return Ok(exit::GOOD);
    }
    super::known("requirement", &args.id, ids.iter().map(String::as_str)).map(|()| exit::GOOD)
}

/// The implementations whose baseline names the requirement, each with its first reason.
fn known_breaches(id: &str) -> Vec<(String, String)> {
    let mut known = Vec::new();
    for (file, text) in crate::corpus::BASELINES {
        let name = file.trim_end_matches(".toml");
        let baseline = crate::baseline::Baseline::parse(file, text).unwrap_or_default();
        known.extend(baseline.reason(id).map(|reason| (name.to_owned(), reason.to_owned())));
    }
    known
}
