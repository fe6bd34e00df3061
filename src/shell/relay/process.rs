//! The relay's own process. It waits for all that may come with one call and has no runtime: one is started for every
//! process that a subject starts, and most live for a millisecond.

use std::io::{self, Read, Write, stdin, stdout};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::parent_id;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{ioctl_fionread, retry_on_intr};
use signal_hook::low_level::pipe;

use super::{BYTES, END, EXIT, HELLO, Hello, PIECE, SIGNAL, STDERR, frame, head};
use crate::actor::Part;
use crate::shell::input::{SIGNALS, as_text, environment};
use crate::shell::own::{close_stdout, put};

/// The longest that a piece waits for its reader.
const GAP: Duration = Duration::from_millis(2);
/// How often it is looked whether the reader has taken it.
const LOOK: Duration = Duration::from_micros(20);
/// Most bytes of standard input that are passed on at once.
const AT_ONCE: usize = 64 << 10;

/// The relay's own process: gives its exit status, 1 where the harness left without saying one.
///
/// # Errors
/// The socket cannot be reached, or nobody hears of us on it.
pub fn main(socket: &Path) -> io::Result<i32> {
    // Before the harness hears of us: what it then has done to us must not end us unheard.
    let signals = [watched(SIGNALS[0])?, watched(SIGNALS[1])?, watched(SIGNALS[2])?];
    let mut harness = UnixStream::connect(socket)?;
    let hello = Hello {
        argv: std::env::args_os().map(as_text).collect(),
        env: environment(),
        pid: std::process::id(),
        parent: parent_id(),
    };
    harness.write_all(&frame(HELLO, &serde_json::to_vec(&hello).map_err(io::Error::other)?))?;
    let mut buffer = Vec::new();
    let (mut reads, mut hears) = (true, true);
    loop {
        let ready = ready(&harness, hears.then_some(&signals), reads && hears)?;
        let mut news = Vec::new();
        if ready.input {
            buffer.clear();
            buffer.reserve(AT_ONCE);
            let read = retry_on_intr(|| rustix::io::read(stdin(), spare_capacity(&mut buffer)));
            reads = read.is_ok_and(|length| length > 0);
            news = if reads { frame(BYTES, &buffer) } else { frame(END, &[]) };
        }
        for at in ready.signals {
            let _ = (&signals[at]).read(&mut [0; 64])?;
            news.extend(frame(SIGNAL, &[SIGNALS[at]]));
        }
        // A harness that hears no more may have left something for us to do.
        hears = hears && harness.write_all(&news).is_ok();
        if ready.harness
            && let Some(status) = obey(&mut harness)?
        {
            return Ok(status);
        }
    }
}

/// Where a byte comes for every such signal.
fn watched(signal: u8) -> io::Result<UnixStream> {
    let (here, there) = UnixStream::pair()?;
    pipe::register(signal.into(), there)?;
    Ok(here)
}

/// Who has something for us.
struct Ready {
    harness: bool,
    input: bool,
    /// Which of [`SIGNALS`] came.
    signals: Vec<usize>,
}

/// Waits until somebody has.
fn ready(harness: &UnixStream, signals: Option<&[UnixStream; 3]>, reads: bool) -> io::Result<Ready> {
    let (input, signals) = (stdin(), signals.map_or(&[][..], |signals| &signals[..]));
    let mut asked = vec![PollFd::new(harness, PollFlags::IN)];
    asked.extend(signals.iter().map(|signal| PollFd::new(signal, PollFlags::IN)));
    asked.extend(reads.then(|| PollFd::from_borrowed_fd(input.as_fd(), PollFlags::IN)));
    retry_on_intr(|| poll(&mut asked, None))?;
    let has = |at: usize| asked.get(at).is_some_and(|asked| !asked.revents().is_empty());
    let came = (0..signals.len()).filter(|at| has(1 + at)).collect();
    Ok(Ready { harness: has(0), input: has(1 + signals.len()), signals: came })
}

/// Does what the next frame says; the status with which we are to end, also where the harness is gone.
fn obey(harness: &mut UnixStream) -> io::Result<Option<i32>> {
    let mut start = [0; 5];
    if harness.read_exact(&mut start).is_err() {
        return Ok(Some(1));
    }
    let (kind, length) = head(start)?;
    let mut bytes = vec![0; length];
    harness.read_exact(&mut bytes)?;
    // Whoever does not read what we write is no concern of the harness.
    match kind {
        BYTES => drop(put(Part::Main, &bytes)),
        PIECE => {
            let _ = put(Part::Main, &bytes);
            wait_until_taken();
        }
        STDERR => drop(put(Part::Stderr, &bytes)),
        END => close_stdout(),
        EXIT => return Ok(Some(bytes.try_into().map_or(1, i32::from_be_bytes))),
        _ => {}
    }
    Ok(None)
}

/// Waits until the reader of our standard output has taken all of it, where the system can tell; else a while.
fn wait_until_taken() {
    let begun = Instant::now();
    while begun.elapsed() < GAP {
        match ioctl_fionread(stdout()) {
            Ok(0) => return,
            Ok(_) => std::thread::sleep(LOOK),
            Err(_) => std::thread::sleep(GAP),
        }
    }
}
