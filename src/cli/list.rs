//! `plugfest list`

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use super::{Wrong, corpus, say};
use crate::coverage;
use crate::exit;
use crate::mocks;
use crate::scenario::Suite;

/// What to list.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Only this suite.
    suite: Option<String>,
    /// One JSON object for programs.
    #[arg(long)]
    json: bool,
    /// Folders with scenarios of your own.
    #[arg(long, value_name = "DIR")]
    suites: Vec<PathBuf>,
}

#[derive(Serialize)]
struct Listing {
    version: &'static str,
    scenarios: Vec<ScenarioLine>,
    requirements: Vec<RequirementLine>,
    mutants: Vec<MutantLine>,
}

#[derive(Serialize)]
struct ScenarioLine {
    id: String,
    suite: String,
    role: String,
    profiles: Vec<String>,
    covers: Vec<String>,
    capabilities: Vec<String>,
    slow: bool,
    summary: String,
    file: String,
}

#[derive(Serialize)]
struct RequirementLine {
    id: String,
    suite: String,
    role: String,
    levels: BTreeMap<String, crate::requirement::Level>,
    profiles: Vec<String>,
    rule: String,
    source: Vec<String>,
    covered_by: Vec<String>,
    killed_mutants: Vec<&'static str>,
    untestable: Option<String>,
}

#[derive(Serialize)]
struct MutantLine {
    suite: String,
    role: &'static str,
    name: &'static str,
    breaks: &'static str,
}

/// Lists.
///
/// # Errors
/// Suites that cannot be read.
pub(super) fn list(args: &Args) -> Result<i32, Wrong> {
    let corpus = corpus(&args.suites)?;
    let names = corpus.suites();
    if let Some(suite) = &args.suite {
        super::known("suite", suite, names.iter().map(String::as_str))?;
    }
    let mut planned: Vec<(String, String, String)> = Vec::new();
    let mut listing = Listing {
        version: env!("CARGO_PKG_VERSION"),
        scenarios: Vec::new(),
        requirements: Vec::new(),
        mutants: Vec::new(),
    };
    for name in names.iter().filter(|name| args.suite.as_ref().is_none_or(|only| only == *name)) {
        let suite = corpus.suite(name)?;
        for role in suite.role_names() {
            let modes = suite.planned(role).into_iter();
            planned.extend(modes.map(|mode| (suite.name.clone(), role.to_owned(), mode)));
        }
        add(&mut listing, &suite);
    }
    if args.json {
        say(serde_json::to_string(&listing).map_err(|error| error.to_string())?)?;
    } else {
        for scenario in &listing.scenarios {
            say(format_args!("{} {} {}  {}", scenario.suite, scenario.role, scenario.id, scenario.summary))?;
        }
        for (suite, role, mode) in &planned {
            say(format_args!("{suite} {role} @{mode}  not-run: no scenario of this mode yet"))?;
        }
        let (s, r, m) = (listing.scenarios.len(), listing.requirements.len(), listing.mutants.len());
        say(format_args!("{s} scenarios, {r} requirements, {m} mutants; --json tells all of them"))?;
    }
    Ok(exit::GOOD)
}

fn add(listing: &mut Listing, suite: &Suite) {
    let covered = coverage::covered(suite);
    for scenario in &suite.scenarios {
        listing.scenarios.push(ScenarioLine {
            id: scenario.id.clone(),
            suite: suite.name.clone(),
            role: scenario.role.text.clone(),
            profiles: scenario.profiles.iter().map(|text| text.text.clone()).collect(),
            covers: coverage::covers(scenario),
            capabilities: scenario.capabilities.iter().map(|text| text.text.clone()).collect(),
            slow: scenario.slow,
            summary: scenario.summary.clone(),
            file: scenario.file.clone(),
        });
    }
    let mutants = mocks::mutants(&suite.name);
    for requirement in suite.registry.iter() {
        listing.requirements.push(RequirementLine {
            id: requirement.id.clone(),
            suite: suite.name.clone(),
            role: requirement.role.clone(),
            levels: requirement.levels.clone(),
            profiles: requirement.levels.keys().cloned().collect(),
            rule: requirement.rule.clone(),
            source: requirement.source.clone(),
            covered_by: covered.get(&requirement.id).cloned().unwrap_or_default(),
            killed_mutants: mutants
                .iter()
                .filter(|mutant| mutant.breaks == requirement.id)
                .map(|mutant| mutant.name)
                .collect(),
            untestable: requirement.untestable.clone(),
        });
    }
    listing.mutants.extend(mutants.iter().map(|mutant| MutantLine {
        suite: suite.name.clone(),
        role: mutant.role,
        name: mutant.name,
        breaks: mutant.breaks,
    }));
}
