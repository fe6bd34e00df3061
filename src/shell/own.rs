//! The standard streams and signals of our own process, for references that run as one.

use std::io::{self, Write};
use std::os::fd::AsFd;

use rustix::event::PollFlags;
use rustix::fs::{FileType, fstat};
use rustix::io::ioctl_fionread;
use rustix::pipe::fcntl_getpipe_size;
use tokio::sync::mpsc;

use super::Outlet;
use super::input::{self, has};
use super::wire::{Gate, Job, Wire};
use crate::actor::{ActId, CloseHow, Failure, Part, Pieces, What, Why};

/// What a pipe that is ready takes at once. Source: pipe(7), "PIPE_BUF".
const AT_ONCE: usize = 4096;

/// Our own standard input, output and error as one wire.
pub(super) fn stdio(outlet: &Outlet) -> Wire {
    let reader = tokio::spawn(input::pass_on(outlet.clone()));
    let (jobs, queue) = mpsc::unbounded_channel();
    let writer = tokio::spawn(write(queue, outlet.clone()));
    Wire::new(jobs, writer, vec![reader], Gate::open())
}

async fn write(mut queue: mpsc::UnboundedReceiver<Job>, outlet: Outlet) {
    while let Some(job) = queue.recv().await {
        match job {
            Job::Write { act, part, bytes, pieces } => {
                if let Err(error) = write_pieces(part, bytes, pieces).await {
                    let _ = outlet.send(failed(act, &error)).await;
                }
            }
            Job::Close(CloseHow::Write | CloseHow::Both) => close_stdout(),
            Job::Close(_) | Job::Exit(_) => {}
        }
    }
}

fn failed(act: ActId, error: &io::Error) -> What {
    What::Failed { act, taken: 0, why: Why { failure: Failure::Peer, text: error.to_string() } }
}

/// Writes here what is taken at once, and in a thread what may have to wait: the reader may wait for us to read.
async fn write_pieces(part: Part, bytes: Vec<u8>, pieces: Pieces) -> io::Result<()> {
    let length = bytes.len();
    let write = move || pieces.cut(&bytes).into_iter().try_for_each(|piece| put(part, piece));
    if takes(part, length) { write() } else { tokio::task::spawn_blocking(write).await? }
}

/// Writes to a standard stream, and waits for whoever reads it.
pub(super) fn put(part: Part, bytes: &[u8]) -> io::Result<()> {
    fn all(mut sink: impl Write, bytes: &[u8]) -> io::Result<()> {
        sink.write_all(bytes)?;
        sink.flush()
    }
    match part {
        Part::Main => all(io::stdout().lock(), bytes),
        Part::Stderr => all(io::stderr().lock(), bytes),
    }
}

/// Whether a stream takes so many bytes at once for sure: a pipe that is ready a few, an empty one as many as it holds.
/// A thread costs more than asking.
fn takes(part: Part, length: usize) -> bool {
    fn takes(stream: &impl AsFd, length: usize) -> bool {
        let is_pipe = fstat(stream).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_fifo());
        let is_empty = || ioctl_fionread(stream).is_ok_and(|left| left == 0);
        let holds = || fcntl_getpipe_size(stream).is_ok_and(|size| length <= size);
        is_pipe && has(stream, PollFlags::OUT) && (length <= AT_ONCE || is_empty() && holds())
    }
    match part {
        Part::Main => takes(&io::stdout(), length),
        Part::Stderr => takes(&io::stderr(), length),
    }
}

/// The reader of our output sees its end although we live on.
pub(super) fn close_stdout() {
    if let Ok(null) = std::fs::OpenOptions::new().write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdout(&null);
    }
}
