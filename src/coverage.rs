//! Which scenarios and rules judge which requirement.

use std::collections::BTreeMap;

use crate::scenario::{RuleKind, Scenario, Suite};

/// The requirements that a scenario charges by name.
pub fn covers(scenario: &Scenario) -> Vec<String> {
    let steps = scenario.steps.iter().filter_map(|step| step.covers.as_ref());
    let rules = scenario.rules.iter().filter_map(|rule| rule.covers.as_ref());
    let mut ids: Vec<String> =
        scenario.covers.iter().chain(steps).chain(rules).map(|text| text.text.clone()).collect();
    ids.sort();
    ids.dedup();
    ids
}

/// The scenarios and suite rules that cover each requirement.
pub fn covered(suite: &Suite) -> BTreeMap<String, Vec<String>> {
    let mut covered: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for scenario in &suite.scenarios {
        for id in covers(scenario) {
            covered.entry(id).or_default().push(scenario.id.clone());
        }
    }
    for rule in &suite.rules {
        let judges = matches!(rule.kind, RuleKind::Forbid(_) | RuleKind::Require { .. } | RuleKind::Check(_));
        if let (Some(covers), Some(id), true) = (&rule.covers, &rule.id, judges) {
            covered.entry(covers.text.clone()).or_default().push(format!("rule {}", id.text));
        }
    }
    for role in suite.role_names() {
        for profile in &suite.profiles {
            for mode in suite.modes(role) {
                let Some(role) = suite.role(role, profile, &mode) else { continue };
                let steps = role.opening.iter().chain(&role.goodbye).filter_map(|step| step.covers.as_ref());
                let defaults = role.lanes.iter().map(|lane| &lane.default);
                for covers in steps.chain(defaults) {
                    let list = covered.entry(covers.text.clone()).or_default();
                    if !list.iter().any(|known| known == "every case") {
                        list.push("every case".into());
                    }
                }
            }
        }
    }
    covered
}
