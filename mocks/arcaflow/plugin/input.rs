//! How an input is judged, and the ways in which that goes wrong.

use std::borrow::Cow;

use super::Plugin;
use super::work::replace;
use crate::datum::Datum;
use crate::protocol::arcaflow::schema::{Fault, Scope};

/// Mutants that overlook a fault, by words that its message has.
const OVERLOOKED: [(&str, &str); 10] = [
    ("pattern-not-checked", "does not match"),
    ("list-length-not-checked", "the number of elements"),
    ("map-length-not-checked", "the number of entries"),
    ("float-limit-not-checked", "out of bounds"),
    ("enum-not-checked", "is none of ["),
    ("unknown-kind-taken", "is none of its kinds"),
    ("required-if-ignored", "demands it"),
    ("required-if-not-ignored", "is there"),
    ("conflicts-ignored", "conflicts with"),
    ("null-is-a-text", "is null, not a text"),
];

impl Plugin {
    /// The input as the step gets it.
    ///
    /// # Errors
    /// Why it is refused.
    pub(super) fn accepted(&self, input: &Scope, config: Datum) -> Result<Datum, String> {
        if self.is("text-not-converted") {
            input.check(&config).map_err(|fault| fault.to_string())?;
        }
        if self.is("limits-not-checked") {
            return Ok(config);
        }
        if let Some(why) = self.too_strict(&config) {
            return Err(why.into());
        }
        let changed = input.accept(&config).map(|accepted| match accepted {
            Cow::Owned(accepted) => Some(accepted),
            Cow::Borrowed(_) => None,
        });
        match changed {
            Ok(Some(accepted)) if self.is("default-not-applied") && config.get("level").is_none() => {
                Ok(replace(accepted, "level", Datum::Null))
            }
            Ok(changed) => Ok(changed.unwrap_or(config)),
            Err(fault) if self.overlooks(&fault, &config) => Ok(plainer(config)),
            Err(fault) => Err(fault.to_string()),
        }
    }

    /// Mutants that take what they must refuse.
    fn overlooks(&self, fault: &Fault, config: &Datum) -> bool {
        let told = fault.to_string();
        let known = OVERLOOKED.iter().any(|(mutant, words)| self.is(mutant) && told.contains(words));
        let count = config.get("count").and_then(Datum::as_int);
        known
            || self.is("limit-off-by-one") && count == Some(6)
            || self.is("references-not-checked") && told.starts_with("/address/")
            || self.is("inner-required-not-checked") && told.starts_with("/address: `street` is missing")
    }

    /// Mutants that refuse what they must take.
    fn too_strict(&self, config: &Datum) -> Option<&'static str> {
        let text = |key: &str| config.get(key).and_then(Datum::as_text).unwrap_or_default();
        let has = |key: &str| config.get(key).is_some();
        match self.mutant.as_str() {
            "limits-exclusive" if config.get("count").and_then(Datum::as_int) == Some(5) => {
                Some("count is too large")
            }
            "longest-is-refused" if text("name").len() == 8 => Some("too long"),
            "optional-is-required" if has("i") && !has("m") => Some("m is missing"),
            "required-if-not-is-required" if has("password") && !has("token") => Some("token is missing"),
            "true-and-false-alone" if has("on") => {
                let word = config.get("on").and_then(Datum::as_text)?;
                (!["true", "false"].contains(&&*word)).then_some("a text, not a boolean")
            }
            "numbers-in-lists-not-converted" => {
                let items = config.get("counts").and_then(Datum::as_array).unwrap_or_default();
                items.iter().any(|item| item.as_text().is_some()).then_some("a text, not an integer")
            }
            _ => None,
        }
    }
}

/// What the step `form` needs of an input that was overlooked.
fn plainer(config: Datum) -> Datum {
    match (config.get("level"), config.get("count")) {
        (Some(_), _) | (_, Some(_)) => config,
        _ => {
            let entries = config.as_map().unwrap_or_default().iter().cloned();
            let level = (Datum::text("level"), Datum::from(3_i64));
            Datum::Map(entries.chain([level]).collect(), crate::datum::Head::Preferred)
        }
    }
}
