//! Captured lines of both Dify protocols, `fixtures/dify-json/wire` and `fixtures/dify-session/wire`.
//!
//! A line of a file is a connection, who wrote, and the line of the wire; `!` says that the one above must be refused.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::actor::Payload;
use crate::codec::Codec;
use crate::codec::lines::JsonLines;
use crate::codec::testing::{Decoded, decode_all, last_of_twins, oracle};
use crate::datum::{Compare, Datum, Kind, equal};

/// What one side wrote on one connection.
#[derive(Default)]
struct Stream {
    bytes: Vec<u8>,
    /// The lines that hold a message, as they were written.
    good: Vec<Vec<u8>>,
    /// Where the lines begin that must be refused.
    bad: Vec<u64>,
    last: u64,
}

impl Stream {
    fn push(&mut self, line: Vec<u8>) {
        self.last = self.bytes.len() as u64;
        self.bytes.extend_from_slice(&line);
        self.bytes.push(b'\n');
        if !line.trim_ascii().is_empty() {
            self.good.push(line);
        }
    }

    fn refuse_last(&mut self) {
        self.good.pop();
        self.bad.push(self.last);
    }
}

/// All streams of the captures of a protocol, by file, connection and writer.
fn streams(protocol: &str, folder: &str) -> BTreeMap<String, Stream> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(protocol).join("wire").join(folder);
    let mut all: BTreeMap<String, Stream> = BTreeMap::new();
    for entry in fs::read_dir(path).expect("captures").flatten() {
        let text = fs::read_to_string(entry.path()).expect("a capture");
        let file = entry.file_name().to_string_lossy().into_owned();
        let mut last = String::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if line == "!" {
                all.get_mut(&last).expect("a line above").refuse_last();
                continue;
            }
            let mut words = line.splitn(3, ' ');
            let (connection, side) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            last = format!("{file} {connection} {side}");
            all.entry(last.clone()).or_default().push(bytes(words.next().unwrap_or_default()));
        }
    }
    all
}

fn bytes(text: &str) -> Vec<u8> {
    let Some(hex) = text.strip_prefix("hex:") else { return text.as_bytes().to_vec() };
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
}

/// Decodes whole and byte by byte, which must be the same.
fn decoded(name: &str, stream: &Stream) -> Decoded {
    let whole = decode_all(&mut JsonLines::default(), [&stream.bytes[..]]);
    assert_eq!(whole, decode_all(&mut JsonLines::default(), stream.bytes.chunks(1)), "{name}");
    assert_eq!(whole.end, None, "{name}");
    whole
}

/// Each captured line gives what serde_json reads of it, and means the same after it is written again.
#[track_caller]
fn means_the_same(name: &str, datum: &Datum, line: &[u8]) {
    let oracle = oracle(line).expect("captured JSON");
    assert!(equal(&last_of_twins(datum), &oracle, Compare::ByValue).is_ok(), "{name}: {datum}");
    let mut again = Payload::default();
    JsonLines::default().encode(Kind::Message, datum, &mut again).expect("it was JSON");
    let again = again.to_vec(&|_| None).expect("no package");
    let again = decode_all(&mut JsonLines::default(), [&again[..]]);
    assert_eq!(again.messages.iter().map(|message| &message.datum).collect::<Vec<_>>(), [datum], "{name}");
}

#[test]
fn every_captured_line_decodes() {
    for (protocol, least) in [("dify-json", 300), ("dify-session", 400)] {
        let mut messages = 0;
        for folder in ["ok", "malformed"] {
            for (name, stream) in streams(protocol, folder) {
                let decoded = decoded(&name, &stream);
                let refused: Vec<u64> = decoded.malformed.iter().map(|malformed| malformed.at).collect();
                assert_eq!(refused, stream.bad, "{name}");
                assert_eq!(decoded.messages.len(), stream.good.len(), "{name}");
                for (message, line) in decoded.messages.iter().zip(&stream.good) {
                    means_the_same(&name, &message.datum, line);
                }
                messages += decoded.messages.len();
                assert!(folder != "ok" || stream.bad.is_empty(), "{name}");
            }
        }
        assert!(messages > least, "{protocol}: {messages} messages");
    }
}
