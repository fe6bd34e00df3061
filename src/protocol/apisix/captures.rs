//! Captured exchanges of the real gateway and of real runners, `fixtures/apisix/wire`.
//!
//! A line is a connection, who wrote, and the bytes in hex; `!` is what a codec must say of that direction.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::codec::testing::{Decoded, decode_all};

/// One capture: what either side wrote on each connection.
pub struct Capture {
    pub name: String,
    streams: BTreeMap<(u8, bool), Vec<u8>>,
    /// The lines with `!`.
    expected: Vec<String>,
}

impl Capture {
    /// Those of `ok` or `malformed`.
    fn all(folder: &str) -> Vec<Self> {
        let mut paths = files(&root_folder().join(folder));
        paths.sort();
        paths.iter().map(|path| Self::read(path)).collect()
    }

    /// One by its path below `wire`.
    pub fn named(name: &str) -> Self {
        Self::read(&root_folder().join(name).with_extension("txt"))
    }

    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let name = path.strip_prefix(root_folder()).expect("below it").display().to_string();
        let mut capture = Self { name, streams: BTreeMap::new(), expected: Vec::new() };
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["!", ..] => capture.expected.push(line.into()),
                [connection, side, hex] => {
                    let key = (connection.parse().expect("a number"), side == "gateway");
                    capture.streams.entry(key).or_default().extend(bytes(hex));
                }
                _ => panic!("{}: {line}", capture.name),
            }
        }
        capture
    }

    /// What our codecs say, by connection and whether the gateway wrote it.
    fn decoded(&self) -> impl Iterator<Item = ((u8, bool), Decoded)> {
        self.streams.iter().map(|((connection, gateway), bytes)| {
            let mut codec = if *gateway { Apisix::runner_side() } else { Apisix::gateway_side() };
            ((*connection, *gateway), decode_all(&mut codec, [&bytes[..]]))
        })
    }

    /// The messages of this type, those of the gateway or those of the runner.
    pub fn messages(&self, gateway: bool, kind: &str) -> Vec<Datum> {
        let of_side = self.decoded().filter(|((_, side), _)| *side == gateway);
        let messages = of_side.flat_map(|(_, decoded)| decoded.messages).map(|message| message.datum);
        messages.filter(|datum| datum.get("type") == Some(&kind.into())).collect()
    }

    fn complaints(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for ((connection, gateway), decoded) in self.decoded() {
            let side = if gateway { "gateway" } else { "runner" };
            lines.extend(decoded.malformed.iter().chain(&decoded.end).map(|malformed| {
                let fatal = if malformed.fatal { " (fatal)" } else { "" };
                format!("! {connection} {side} at {}{fatal}: {}", malformed.at, malformed.reason)
            }));
        }
        lines
    }
}

fn root_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/apisix/wire")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.chars().map(|digit| digit.to_digit(16).expect("hex") as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

#[test]
fn every_capture_decodes() {
    let captures = Capture::all("ok");
    assert!(captures.len() > 150);
    let told = captures
        .iter()
        .flat_map(|capture| capture.complaints().into_iter().map(|line| format!("{}: {line}", capture.name)));
    assert_eq!(told.collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn every_damaged_capture_is_told() {
    for capture in Capture::all("malformed") {
        assert_eq!(capture.complaints(), capture.expected, "{}", capture.name);
        assert!(!capture.expected.is_empty(), "{}", capture.name);
    }
}

#[test]
fn what_was_captured_encodes_to_the_same_meaning() {
    for capture in Capture::all("ok").into_iter().chain(Capture::all("malformed")) {
        for ((_, gateway), decoded) in capture.decoded() {
            let (mut reads, mut writes) = (Apisix::runner_side(), Apisix::gateway_side());
            if !gateway {
                std::mem::swap(&mut reads, &mut writes);
            }
            for message in decoded.messages {
                let mut out = Payload::default();
                writes.encode(Kind::Message, &message.datum, &mut out).expect("what was read can be written");
                let again = decode_all(&mut reads, [&out.to_vec(&|_| None).expect("bytes")[..]]);
                assert_eq!(again.messages.last().map(|again| &again.datum), Some(&message.datum));
            }
        }
    }
}
