//! The Arcaflow plugin protocol: CBOR items over standard input and output.

use super::Watch;
use crate::datum::Datum;

/// The predicates of `$check`.
///
/// # Errors
/// What is wrong with the value.
pub fn check(name: &str, _datum: &Datum) -> Result<(), String> {
    Err(format!("arcaflow has no check `{name}`"))
}

/// The stateful checks of rules.
pub fn watch(_name: &str) -> Option<Box<dyn Watch>> {
    None
}
