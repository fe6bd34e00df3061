//! Taking times on a machine on which other programs run too.

use std::time::Instant;

/// The fastest of many rounds of both, in seconds; they take turns, so that both meet the same neighbours.
pub(super) fn fastest(rounds: usize, mut ours: impl FnMut(), mut bare: impl FnMut()) -> (f64, f64) {
    let (mut best, mut best_bare) = (f64::MAX, f64::MAX);
    for _ in 0..rounds {
        best_bare = best_bare.min(seconds(&mut bare));
        best = best.min(seconds(&mut ours));
    }
    (best, best_bare)
}

/// How long something takes.
pub(super) fn seconds(what: &mut impl FnMut()) -> f64 {
    let begun = Instant::now();
    what();
    begun.elapsed().as_secs_f64()
}
