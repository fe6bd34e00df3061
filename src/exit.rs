//! The exit codes of plugfest. Scripts depend on them.

/// All good, or exactly the baseline.
pub const GOOD: i32 = 0;
/// The subject breaks a MUST, or the baseline is stale.
pub const BROKEN: i32 = 1;
/// A file or the command line is wrong.
pub const WRONG_INPUT: i32 = 2;
/// We could not do our part.
pub const INCONCLUSIVE: i32 = 3;
/// A defect of ours.
pub const DEFECT: i32 = 70;

use crate::runner::Counts;

/// The exit code of a run; `strict` counts warnings as broken.
pub fn of(counts: &Counts, strict: bool) -> i32 {
    match counts {
        Counts { defects: 1.., .. } => DEFECT,
        Counts { fail: 1.., .. } | Counts { stale: 1.., .. } => BROKEN,
        Counts { warn: 1.., .. } if strict => BROKEN,
        Counts { inconclusive: 1.., .. } => INCONCLUSIVE,
        _ => GOOD,
    }
}

/// The stronger of two exit codes.
pub fn stronger(a: i32, b: i32) -> i32 {
    const ORDER: [i32; 5] = [DEFECT, WRONG_INPUT, BROKEN, INCONCLUSIVE, GOOD];
    ORDER.into_iter().find(|code| *code == a || *code == b).unwrap_or(DEFECT)
}
