//! Booleans, and what stands for one.

use super::{Fault, Read};
use crate::datum::Datum;

/// Texts and numbers that stand for true, in any case (sdk-go schema/bool.go, lines 24-67).
const YES: [&str; 7] = ["1", "yes", "y", "on", "true", "enable", "enabled"];
/// Those that stand for false.
const NO: [&str; 7] = ["0", "no", "n", "off", "false", "disable", "disabled"];

pub(super) fn to_bool(datum: &Datum) -> Read<bool> {
    if let Some(value) = datum.as_bool() {
        return Ok(value);
    }
    let text = datum.as_inserted().unwrap_or_default().to_lowercase();
    match (YES.contains(&text.as_str()), NO.contains(&text.as_str())) {
        (true, _) => Ok(true),
        (_, true) => Ok(false),
        _ => Err(Fault::new(format!("is {}, not a boolean", datum.kind()))),
    }
}
