//! What reaches our own process: its standard input, which may be anything, and signals.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{Read, Stdin, stdin};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::signal::unix::SignalKind;
use tokio::sync::mpsc;

use super::wire::ReadBuffer;
use super::{Outlet, came};
use crate::actor::{Part, What, WireId};

/// Our environment.
pub(crate) fn environment() -> BTreeMap<String, String> {
    // Not collected: that sorts first, by more code than a process that lives for a millisecond should load.
    let mut all = BTreeMap::new();
    for (name, value) in std::env::vars_os() {
        all.insert(as_text(name), as_text(value));
    }
    all
}

/// What the system calls text, which may be any bytes, as nearly as a text can say it.
pub(super) fn as_text(word: OsString) -> String {
    word.into_string().unwrap_or_else(|other| other.to_string_lossy().into_owned())
}

/// The signals that are told instead of ending us: SIGTERM, SIGINT, SIGHUP.
pub(super) const SIGNALS: [u8; 3] = [15, 2, 1];
/// How many reads a thread may be ahead.
const AHEAD: usize = 16;

/// Passes on what standard input holds, and its end.
pub(super) async fn pass_on(outlet: Outlet) {
    let mut input = Input::open();
    while let Some(bytes) = input.next().await {
        if outlet.send(came(WireId::STDIO, Part::Main, bytes)).await.is_err() {
            return;
        }
    }
    let _ = outlet.send(What::Ended { wire: WireId::STDIO, part: Part::Main }).await;
}

/// Signals become events instead of ending us.
pub(super) fn signals(outlet: &Outlet) {
    for signal in SIGNALS.map(i32::from) {
        let Ok(mut stream) = tokio::signal::unix::signal(SignalKind::from_raw(signal)) else { continue };
        let outlet = outlet.clone();
        tokio::spawn(async move {
            while stream.recv().await.is_some() {
                let _ = outlet.send(What::Signal { wire: WireId::STDIO, signal }).await;
            }
        });
    }
}

/// Reads standard input without a thread where the system tells when there is something to read: most references live
/// for a few milliseconds, of which a thread would take a good part.
enum Input {
    /// A pipe, a socket or a terminal. It stays blocking, as others may share it.
    Watched(AsyncFd<Stdin>, ReadBuffer),
    /// A file, whose reads nobody can wait for.
    Thread(mpsc::Receiver<Vec<u8>>),
}

impl Input {
    /// Must be called in a runtime.
    fn open() -> Self {
        #[expect(
            deprecated,
            reason = "the form that is not deprecated is unsafe; nobody closes standard input"
        )]
        let watched = AsyncFd::with_interest(stdin(), Interest::READABLE);
        match watched {
            Ok(watched) => Self::Watched(watched, ReadBuffer::new()),
            Err(_) => {
                let (read, taken) = mpsc::channel(AHEAD);
                std::thread::spawn(move || read_all(&read));
                Self::Thread(taken)
            }
        }
    }

    /// The next bytes; `None` at the end.
    async fn next(&mut self) -> Option<Vec<u8>> {
        match self {
            Self::Watched(stdin, buffer) => next_watched(stdin, buffer).await,
            Self::Thread(taken) => taken.recv().await,
        }
    }
}

async fn next_watched(stdin: &AsyncFd<Stdin>, buffer: &mut ReadBuffer) -> Option<Vec<u8>> {
    loop {
        let mut ready = stdin.readable().await.ok()?;
        // Asked again, since a read of a blocking stream that is empty would stop everything.
        if has(stdin.get_ref(), PollFlags::IN) {
            return match rustix::io::read(stdin.get_ref(), buffer.room()) {
                Ok(0) | Err(_) => None,
                Ok(length) => Some(buffer.take(length)),
            };
        }
        ready.clear_ready();
    }
}

fn read_all(read: &mpsc::Sender<Vec<u8>>) {
    let mut buffer = ReadBuffer::new();
    let mut stdin = stdin().lock();
    while let Ok(length @ 1..) = stdin.read(buffer.room()) {
        if read.blocking_send(buffer.take(length)).is_err() {
            return;
        }
    }
}

/// Whether a stream is ready now; one that is broken or at its end is.
pub(super) fn has(stream: &impl std::os::fd::AsFd, what: PollFlags) -> bool {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut asked = [PollFd::new(stream, what)];
    poll(&mut asked, Some(&now)).is_ok_and(|ready| ready > 0)
}
