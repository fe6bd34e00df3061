//! Does the suite notice? Every mutant must be killed by a finding on the requirement that it breaks.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::coverage::covered;
use crate::mocks::{self, Mutant};
use crate::plan::{Plan, Selection};
use crate::requirement::Level;
use crate::runner::{self, Options, RunEvent, Vehicle};
use crate::scenario::Suite;
use crate::sim::Faults;

/// What became of a mutant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kill {
    /// Cases that found the requirement which it breaks.
    pub by: BTreeSet<String>,
    /// Requirements that were found broken although the mutant does not name them, with a case.
    pub wrongly: BTreeMap<String, String>,
    /// Cases that could not tell, with the reason.
    pub inconclusive: BTreeMap<String, String>,
}

impl Kill {
    /// Whether it was killed, and for the right reason only.
    pub fn is_clean(&self) -> bool {
        !self.by.is_empty() && self.wrongly.is_empty()
    }
}

/// Runs a mutant in the simulator: the cases that cover what it breaks, and the suite's smoke set.
///
/// # Errors
/// A mutant whose requirement, role or reference does not exist.
pub fn kill(suite: &Suite, mutant: &Mutant, folder: &Path) -> Result<Kill, String> {
    let reference = mocks::reference(&suite.name, mutant.role).ok_or("there is no reference of its role")?;
    if suite.registry.get(mutant.breaks).is_none() {
        return Err(format!("it breaks {}, which is no requirement", mutant.breaks));
    }
    let subject = mocks::subject(reference, "plugfest", Some(mutant.name));
    let profile =
        if mutant.profile.is_empty() { suite.profiles[0].clone() } else { mutant.profile.to_owned() };
    let selection = Selection { profile, slow: true, ..Selection::default() };
    let mut plan = Plan::build(suite, &subject, &selection).map_err(|errors| errors[0].render(false))?;
    let covering = covered(suite).remove(mutant.breaks).unwrap_or_default();
    let smoke: Vec<&str> = suite.smoke.iter().map(|text| text.text.as_str()).collect();
    plan.cases.retain(|case| {
        let id = case.scenario.id.as_str();
        smoke.contains(&id) || covering.iter().any(|covering| covering == id)
    });
    let mut kill = Kill::default();
    let options = Options {
        vehicle: Vehicle::Simulator(Faults::default()),
        ignore_needs: true,
        folder: folder.to_path_buf(),
        every_exchange: false,
        stop: Arc::new(AtomicBool::new(false)),
    };
    runner::run(suite, &plan, &options, 1, &mut |event| {
        let RunEvent::Finished(result) = event else { return };
        if let Some(path) = &result.transcript {
            let _ = std::fs::remove_file(path);
        }
        if result.verdict == runner::Verdict::Inconclusive {
            kill.inconclusive.insert(result.id.clone(), result.reason.clone());
        }
        for judged in result.findings.iter().filter(|judged| judged.level > Level::May) {
            let id = judged.finding.requirement.as_str();
            if id == mutant.breaks {
                kill.by.insert(result.id.clone());
            } else if !id.is_empty() && !mutant.also.contains(&id) {
                kill.wrongly.entry(id.to_owned()).or_insert_with(|| result.id.clone());
            }
        }
    });
    Ok(kill)
}
