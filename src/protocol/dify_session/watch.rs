//! Checks that remember what came before.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::codec::json;
use crate::datum::{Bindings, Datum, Kind, View};
use crate::protocol::Watch;

/// Most raw bytes of one chunk (dify_plugin 0.7.4, plugin.py 472-515).
const CHUNK: usize = 8192;
/// The longest line that a daemon reads (internal/types/app/config.go, 228-234).
const LINE: usize = 5 << 20;

/// The session id, type and inner data of a session message.
fn session_message(view: View<'_>) -> Option<(String, String, &Datum)> {
    let message = view.datum.filter(|_| view.kind == Kind::Message)?;
    let text = |of: &Datum, key: &str| of.get(key).and_then(Datum::as_text).map(|text| text.into_owned());
    let data = message.get("data").filter(|_| text(message, "event").as_deref() == Some("session"))?;
    Some((text(message, "session_id")?, text(data, "type")?, data.get("data")?))
}

/// Once a session has its end, nothing more comes for it.
#[derive(Default)]
pub(super) struct Sessions {
    ended: BTreeSet<String>,
}

impl Watch for Sessions {
    fn see(&mut self, view: View<'_>, _: &Bindings) -> Result<(), String> {
        let Some((id, kind, _)) = session_message(view) else { return Ok(()) };
        if self.ended.contains(&id) {
            return Err(format!("the session `{id}` had its end, then came {kind}"));
        }
        if kind == "end" {
            self.ended.insert(id);
        }
        Ok(())
    }
}

/// A session has one error at most.
#[derive(Default)]
pub(super) struct OneError {
    failed: BTreeSet<String>,
}

impl Watch for OneError {
    fn see(&mut self, view: View<'_>, _: &Bindings) -> Result<(), String> {
        match session_message(view) {
            Some((id, kind, _)) if kind == "error" && self.failed.contains(&id) => {
                Err(format!("the session `{id}` had its error, then came another"))
            }
            Some((id, kind, _)) if kind == "error" => {
                self.failed.insert(id);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// No line is longer than a daemon reads.
pub(super) struct LineLength;

impl Watch for LineLength {
    fn see(&mut self, view: View<'_>, _: &Bindings) -> Result<(), String> {
        match view.datum.filter(|_| view.kind == Kind::Message).map(json::shortest) {
            Some(length) if length > LINE => {
                Err(format!("a line of at least {length} bytes, where a daemon reads {LINE}"))
            }
            _ => Ok(()),
        }
    }
}

/// The bytes of a blob are those of the conformance plugin's: byte k is k mod 251.
#[derive(Default)]
pub(super) struct CountedBlob {
    sums: BTreeMap<String, usize>,
}

impl Watch for CountedBlob {
    fn see(&mut self, view: View<'_>, _: &Bindings) -> Result<(), String> {
        let Some((_, _, data)) = session_message(view) else { return Ok(()) };
        let text = |key: &str| data.get("message").and_then(|chunk| chunk.get(key)).and_then(Datum::as_text);
        // What is no chunk is told by `Blobs`.
        let (Some(id), Some(blob)) = (text("id"), text("blob")) else { return Ok(()) };
        let Ok(bytes) = STANDARD.decode(blob.as_bytes()) else { return Ok(()) };
        let sum = self.sums.entry(id.into_owned()).or_default();
        let wrong = bytes.iter().zip(*sum..).find(|(byte, at)| usize::from(**byte) != at % 251);
        *sum += bytes.len();
        match wrong {
            Some((byte, at)) => Err(format!("byte {at} of the blob is {byte}, not {}", at % 251)),
            None => Ok(()),
        }
    }
}

/// The chunks of a blob: numbered from 0, none too long, together as long as announced, an empty one last.
#[derive(Default)]
pub(super) struct Blobs {
    open: BTreeMap<String, (i128, usize)>,
}

impl Watch for Blobs {
    fn see(&mut self, view: View<'_>, _: &Bindings) -> Result<(), String> {
        let Some((_, _, data)) = session_message(view) else { return Ok(()) };
        if data.get("type").and_then(Datum::as_text).as_deref() != Some("blob_chunk") {
            return Ok(());
        }
        let chunk = data.get("message").ok_or("a blob_chunk has a `message`")?;
        let text = |key: &str| chunk.get(key).and_then(Datum::as_text).ok_or(format!("`{key}` is a text"));
        let number = |key: &str| chunk.get(key).and_then(Datum::as_int).ok_or(format!("`{key}` is a number"));
        let bytes = STANDARD.decode(text("blob")?.as_bytes()).map_err(|error| format!("`blob`: {error}"))?;
        let id = text("id")?.into_owned();
        let (next, sum) = self.open.entry(id.clone()).or_default();
        if bytes.len() > CHUNK {
            return Err(format!("a chunk of {} bytes", bytes.len()));
        }
        if number("sequence")? != *next {
            return Err(format!("chunk {} where {next} is next", number("sequence")?));
        }
        *next += 1;
        *sum += bytes.len();
        match (chunk.get("end").and_then(Datum::as_bool), bytes.is_empty()) {
            (None, _) => Err("`end` is a boolean".into()),
            (Some(false), _) => Ok(()),
            (Some(true), false) => Err("the chunk that ends the blob is not empty".into()),
            (Some(true), true) if *sum as i128 != number("total_length")? => {
                Err(format!("{sum} bytes came, {} were announced", number("total_length")?))
            }
            (Some(true), true) => {
                self.open.remove(&id);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::json::parse;

    fn see(watch: &mut dyn Watch, text: &str) -> Result<(), String> {
        let datum = parse(text.as_bytes()).expect("JSON");
        watch.see(View { kind: Kind::Message, datum: Some(&datum) }, &Bindings::default())
    }

    fn chunk(sequence: u32, blob: &str, end: bool) -> String {
        let message =
            format!(r#"{{"id":"b","sequence":{sequence},"total_length":3,"blob":"{blob}","end":{end}}}"#);
        format!(
            r#"{{"event":"session","session_id":"s","data":{{"type":"stream","data":{{"type":"blob_chunk","message":{message}}}}}}}"#
        )
    }

    #[test]
    fn nothing_after_the_end() {
        let mut sessions = Sessions::default();
        let end = r#"{"event":"session","session_id":"s","data":{"type":"end","data":{}}}"#;
        assert_eq!(see(&mut sessions, end), Ok(()));
        assert_eq!(see(&mut sessions, &end.replace("\"s\"", "\"t\"")), Ok(()));
        assert!(see(&mut sessions, end).is_err());
    }

    #[test]
    fn one_error_a_session() {
        let mut errors = OneError::default();
        let error = r#"{"event":"session","session_id":"s","data":{"type":"error","data":{}}}"#;
        assert_eq!(see(&mut errors, error), Ok(()));
        assert_eq!(see(&mut errors, &error.replace("\"s\"", "\"t\"")), Ok(()));
        assert!(see(&mut errors, error).is_err());
    }

    #[test]
    fn lines_that_a_daemon_reads() {
        let line = |length: usize| format!(r#"{{"t":"{}"}}"#, "a".repeat(length - 8));
        assert_eq!(see(&mut LineLength, &line(LINE)), Ok(()));
        assert!(see(&mut LineLength, &line(LINE + 1)).is_err());
    }

    #[test]
    fn a_blob_that_counts() {
        let mut blobs = CountedBlob::default();
        assert_eq!(see(&mut blobs, &chunk(0, "AAEC", false)), Ok(()));
        assert_eq!(see(&mut blobs, &chunk(1, "AwQF", false)), Ok(()));
        assert!(see(&mut blobs, &chunk(2, "AAEC", false)).is_err());
    }

    #[test]
    fn a_blob_in_order() {
        let mut blobs = Blobs::default();
        assert_eq!(see(&mut blobs, &chunk(0, "AAEC", false)), Ok(()));
        assert_eq!(see(&mut blobs, &chunk(1, "", true)), Ok(()));
        assert!(see(&mut blobs, &chunk(1, "AAEC", false)).is_err(), "a new blob begins at 0");
        assert!(see(&mut Blobs::default(), &chunk(0, "", true)).is_err(), "three bytes are missing");
    }
}
