//! The times of a case.

use std::collections::BTreeMap;

use crate::actor::Nanos;
use crate::scenario::error::Problem;
use crate::scenario::{Duration, Timing};

/// Times that `[timing]` has unless a suite, scenario or subject says otherwise.
const TIMING: [(&str, Nanos); 7] = [
    ("start", 5_000_000_000),
    ("reply", 2_000_000_000),
    ("end", 2_000_000_000),
    ("term", 2_000_000_000),
    ("lag", 100_000_000),
    ("skew", 50_000_000),
    ("gap", 2_000_000),
];

/// The times that are deadlines of ours, so that `--time-scale` stretches them.
const OURS: [&str; 5] = ["start", "reply", "end", "term", "gap"];

/// Resolves times, the later layers over the earlier ones.
pub(super) fn resolve(layers: [&BTreeMap<String, Duration>; 3], scale: f64) -> Result<Timing, Problem> {
    let scaled = |name: &str| if OURS.contains(&name) { scale } else { 1.0 };
    let mut timing: Timing = TIMING
        .iter()
        .map(|(name, nanos)| ((*name).to_owned(), (*nanos as f64 * scaled(name)) as Nanos))
        .collect();
    for layer in layers {
        for (name, duration) in layer {
            let nanos = duration.resolve(&timing, scaled(name)).map_err(|unknown| {
                Problem::unknown(0..0, "name of [timing]", &unknown, timing.keys().map(String::as_str))
            })?;
            timing.insert(name.clone(), nanos);
        }
    }
    Ok(timing)
}
