//! Values as references write them: JSON on one line.

use crate::codec::json::encode;
use crate::datum::Datum;

/// A value as JSON; of one that JSON cannot say, why.
pub(in crate::mocks) fn json_bytes(value: &Datum) -> Vec<u8> {
    let mut bytes = Vec::new();
    match encode(value, &mut bytes) {
        Ok(()) => bytes,
        Err(why) => why.into_bytes(),
    }
}

/// A value as JSON, and the end of its line.
pub(in crate::mocks) fn json_line(value: &Datum) -> Vec<u8> {
    let mut line = json_bytes(value);
    line.push(b'\n');
    line
}

/// A value as JSON within another text.
pub(in crate::mocks) fn json_text(value: &Datum) -> String {
    String::from_utf8_lossy(&json_bytes(value)).into_owned()
}
