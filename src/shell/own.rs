//! The standard streams and signals of our own process, for references that run as one.

use std::io::{Read, Write};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::wire::{Gate, Job, ReadBuffer, Wire};
use super::{Outlet, came};
use crate::actor::{CloseHow, Failure, Part, What, Why, WireId};

/// Our own standard input, output and error as one wire. They may be anything, so threads read and write them.
pub(super) fn stdio(outlet: &Outlet) -> Wire {
    let reader = outlet.clone();
    std::thread::spawn(move || read_stdin(&reader));
    let (jobs, mut queue) = mpsc::unbounded_channel();
    let outlet = outlet.clone();
    let writer = tokio::task::spawn_blocking(move || {
        while let Some(job) = queue.blocking_recv() {
            write_job(job, &outlet);
        }
    });
    Wire::new(jobs, writer, Vec::new(), Gate::open())
}

fn read_stdin(outlet: &Outlet) {
    let mut buffer = ReadBuffer::new();
    let mut stdin = std::io::stdin().lock();
    loop {
        let what = match stdin.read(buffer.room()) {
            Ok(0) | Err(_) => What::Ended { wire: WireId::STDIO, part: Part::Main },
            Ok(length) => came(WireId::STDIO, Part::Main, buffer.take(length)),
        };
        let is_end = matches!(what, What::Ended { .. });
        if outlet.blocking_send(what).is_err() || is_end {
            return;
        }
    }
}

fn write_job(job: Job, outlet: &Outlet) {
    match job {
        Job::Write { act, part, bytes, pieces } => {
            for piece in pieces.cut(&bytes) {
                let result = match part {
                    Part::Main => write_and_flush(&mut std::io::stdout().lock(), piece),
                    Part::Stderr => write_and_flush(&mut std::io::stderr().lock(), piece),
                };
                if let Err(error) = result {
                    let why = Why { failure: Failure::Peer, text: error.to_string() };
                    let _ = outlet.blocking_send(What::Failed { act, taken: 0, why });
                    return;
                }
            }
        }
        Job::Close(CloseHow::Write | CloseHow::Both) => close_stdout(),
        Job::Close(_) | Job::Exit(_) => {}
    }
}

fn write_and_flush(sink: &mut impl Write, bytes: &[u8]) -> std::io::Result<()> {
    sink.write_all(bytes)?;
    sink.flush()
}

/// The reader of our output sees its end although we live on.
fn close_stdout() {
    if let Ok(null) = std::fs::OpenOptions::new().write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdout(&null);
    }
}

/// Signals become events instead of ending us.
pub(super) fn signals(outlet: &Outlet) {
    for (kind, number) in
        [(SignalKind::terminate(), 15), (SignalKind::interrupt(), 2), (SignalKind::hangup(), 1)]
    {
        let Ok(mut stream) = signal(kind) else { continue };
        let outlet = outlet.clone();
        tokio::spawn(async move {
            while stream.recv().await.is_some() {
                let _ = outlet.send(What::Signal { wire: WireId::STDIO, signal: number }).await;
            }
        });
    }
}
