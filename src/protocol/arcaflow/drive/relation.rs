//! Properties that may be left out, and properties that speak of others.

use super::near::without;
use super::{Trial, Wanted, fit};
use crate::datum::{Datum, Head};
use crate::protocol::arcaflow::schema::{Property, Scope};

/// Each property that need not be there, once there and once not.
pub(super) fn optional(scope: &Scope) -> Vec<Trial> {
    let free = |property: &Property| {
        (!property.required || property.default.is_some())
            && property.required_if.is_empty()
            && property.required_if_not.is_empty()
    };
    let mut trials = Vec::new();
    for (name, _) in scope.root().properties.iter().filter(|(_, property)| free(property)) {
        let Some(whole) = fit::with(scope, &[name]) else { continue };
        let less = without(&whole, name);
        trials.push(Trial::new(format!("{name} there"), whole, Wanted::Output));
        trials.push(Trial::new(format!("{name} left out"), less, Wanted::Output));
    }
    trials
}

/// Where one of the listed is there, the property must be.
pub(super) fn required_if(scope: &Scope) -> Vec<Trial> {
    let mut trials = Vec::new();
    for (name, property) in &scope.root().properties {
        for other in &property.required_if {
            let Some(both) = fit::with(scope, &[name, other]) else { continue };
            let alone = without(&both, name);
            trials.push(Trial::new(format!("{name} with {other}"), both, Wanted::Output));
            trials.push(Trial::new(format!("{name} left out with {other}"), alone, Wanted::Refusal));
        }
    }
    trials
}

/// Where none of the listed is there, the property must be.
pub(super) fn required_if_not(scope: &Scope) -> Vec<Trial> {
    let mut trials = Vec::new();
    for (name, property) in &scope.root().properties {
        let Some(alone) = fit::with(scope, &[name]).filter(|_| !property.required_if_not.is_empty()) else {
            continue;
        };
        let neither =
            property.required_if_not.iter().fold(without(&alone, name), |all, other| without(&all, other));
        for other in &property.required_if_not {
            let instead = fit::with(scope, &[other]).map(|input| without(&input, name));
            trials.extend(
                instead.map(|input| Trial::new(format!("{other} in place of {name}"), input, Wanted::Output)),
            );
        }
        trials.push(Trial::new(format!("{name} by itself"), alone, Wanted::Output));
        trials.push(Trial::new(format!("neither {name} nor the others"), neither, Wanted::Refusal));
    }
    trials
}

/// Properties that may not be there together.
pub(super) fn conflicts(scope: &Scope) -> Vec<Trial> {
    let mut trials = Vec::new();
    for (name, property) in &scope.root().properties {
        for other in &property.conflicts {
            let (Some(one), Some(two)) = (fit::with(scope, &[name]), fit::with(scope, &[other])) else {
                continue;
            };
            let added = two.as_map().unwrap_or_default().iter();
            let here = |key: &Datum| one.as_map().unwrap_or_default().iter().any(|(name, _)| name == key);
            let added = added.filter(|(key, _)| !here(key)).cloned();
            let both = one.as_map().unwrap_or_default().iter().cloned().chain(added).collect();
            let both = Datum::Map(both, Head::Preferred);
            trials.push(Trial::new(format!("{name} without {other}"), one, Wanted::Output));
            trials.push(Trial::new(format!("{other} without {name}"), two, Wanted::Output));
            trials.push(Trial::new(format!("{name} and {other}"), both, Wanted::Refusal));
        }
    }
    trials
}
