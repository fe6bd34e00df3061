//! `plugfest relay SOCKET`: stands in for a process that the subject starts, and passes all of it to the harness.
//!
//! Frames both ways: one byte what, four bytes length (big endian), that many bytes. The relay begins with
//! [`HELLO`]; then its standard input, the end of it and signals go to the harness, and standard output, standard
//! error, half close and the exit status come back.

mod process;
mod served;

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};

pub use process::main;
pub(super) use served::serve;

/// To the harness: who the relay stands for, as JSON.
const HELLO: u8 = 0;
/// Bytes of standard input, or of standard output.
const BYTES: u8 = 1;
/// The end of standard input, or of standard output.
const END: u8 = 2;
/// A signal that the relay got, as one byte.
const SIGNAL: u8 = 3;
/// Bytes of standard error.
const STDERR: u8 = 4;
/// The status with which the relay is to end, as four bytes.
const EXIT: u8 = 5;
/// Bytes of standard output that the reader is to take before the next ones come.
const PIECE: u8 = 6;
/// Most bytes of one frame.
const LONGEST: usize = 1 << 20;

#[derive(Serialize, Deserialize)]
struct Hello {
    argv: Vec<String>,
    env: BTreeMap<String, String>,
    pid: u32,
    parent: u32,
}

fn frame(kind: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    [&[kind][..], &length.to_be_bytes(), bytes].concat()
}

/// What a frame is and how many bytes it has, by its head.
///
/// # Errors
/// It has more than a frame may have.
fn head([kind, length @ ..]: [u8; 5]) -> io::Result<(u8, usize)> {
    let length = u32::from_be_bytes(length) as usize;
    if length > LONGEST {
        return Err(io::Error::other("a frame that is too long"));
    }
    Ok((kind, length))
}
