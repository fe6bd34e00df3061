//! The reading and the writing side of one wire.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, watch};

use super::{Outlet, came};
use crate::actor::{ActId, CloseHow, ClosedHow, Exit, Failure, Part, Pieces, What, Why, WireId};

/// Where reads go: little room until a read has filled it, since most streams say little and each page costs.
pub(super) struct ReadBuffer(Vec<u8>);

impl ReadBuffer {
    const LEAST: usize = 4 << 10;
    const MOST: usize = 64 << 10;

    pub(super) fn new() -> Self {
        Self(vec![0; Self::LEAST])
    }

    /// Room for the next read.
    pub(super) fn room(&mut self) -> &mut [u8] {
        &mut self.0
    }

    /// What was read; there is more room after a read that filled all of it.
    pub(super) fn take(&mut self, length: usize) -> Vec<u8> {
        let read = self.0[..length].to_vec();
        if length == self.0.len() && length < Self::MOST {
            self.0 = vec![0; Self::MOST];
        }
        read
    }
}

/// What a writer is asked to do, in order.
#[derive(Debug)]
pub(super) enum Job {
    Write { act: ActId, part: Part, bytes: Vec<u8>, pieces: Pieces },
    Close(CloseHow),
    Exit(Exit),
}

/// One wire of the actor.
pub(super) struct Wire {
    jobs: mpsc::UnboundedSender<Job>,
    writer: Option<tokio::task::JoinHandle<()>>,
    readers: Vec<tokio::task::JoinHandle<()>>,
    /// Whether it is read.
    pub(super) gate: Gate,
    pub(super) ended: bool,
}

impl Wire {
    pub(super) fn new(
        jobs: mpsc::UnboundedSender<Job>,
        writer: tokio::task::JoinHandle<()>,
        readers: Vec<tokio::task::JoinHandle<()>>,
        gate: Gate,
    ) -> Self {
        Self { jobs, writer: Some(writer), readers, gate, ended: false }
    }

    /// Queues a job; a writer that is gone drops it.
    pub(super) fn queue(&self, job: Job) {
        let _ = self.jobs.send(job);
    }

    /// Waits until everything that is queued is written.
    pub(super) async fn drained(mut self) {
        let writer = self.writer.take();
        let (closed, _) = mpsc::unbounded_channel();
        drop(std::mem::replace(&mut self.jobs, closed));
        if let Some(writer) = writer {
            let _ = writer.await;
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if let Some(writer) = &self.writer {
            writer.abort();
        }
        self.readers.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

/// Whether a wire is read, shared with its readers.
#[derive(Clone)]
pub(super) struct Gate(Arc<watch::Sender<bool>>);

impl Gate {
    pub(super) fn open() -> Self {
        Self(Arc::new(watch::Sender::new(true)))
    }

    pub(super) fn set(&self, reading: bool) {
        self.0.send_replace(reading);
    }

    async fn pass(&self) {
        let mut state = self.0.subscribe();
        let _ = state.wait_for(|reading| *reading).await;
    }
}

/// How a wire's reader tells its end.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Ends {
    /// Only that the stream ended.
    Stream,
    /// Also how the connection closed.
    Connection,
}

/// Reads a stream to its end.
pub(super) fn read(
    wire: WireId,
    part: Part,
    mut source: impl AsyncRead + Unpin + Send + 'static,
    gate: Gate,
    outlet: Outlet,
    ends: Ends,
) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        let mut buffer = ReadBuffer::new();
        loop {
            gate.pass().await;
            match source.read(buffer.room()).await {
                Ok(0) => {
                    let _ = outlet.send(What::Ended { wire, part }).await;
                    return;
                }
                Ok(length) => {
                    if outlet.send(came(wire, part, buffer.take(length))).await.is_err() {
                        return;
                    }
                }
                Err(_) if ends == Ends::Stream => {
                    let _ = outlet.send(What::Ended { wire, part }).await;
                    return;
                }
                Err(_) => {
                    let _ = outlet.send(What::Closed { wire, how: ClosedHow::Reset }).await;
                    return;
                }
            }
        }
    })
}

/// Writes bytes in pieces and tells how it went; false if the reader is gone.
pub(super) async fn write_all(
    wire_act: ActId,
    bytes: &[u8],
    pieces: &Pieces,
    sink: &mut (impl AsyncWrite + Unpin),
    taken_by_reader: impl Fn() -> Option<bool>,
    gap: Duration,
    outlet: &Outlet,
) -> bool {
    let mut taken = 0_u64;
    let pieces = pieces.cut(bytes);
    let last = pieces.len().saturating_sub(1);
    for (number, piece) in pieces.into_iter().enumerate() {
        let result = match sink.write_all(piece).await {
            Ok(()) => sink.flush().await,
            Err(error) => Err(error),
        };
        if let Err(error) = result {
            let why = Why { failure: Failure::Peer, text: error.to_string() };
            let _ = outlet.send(What::Failed { act: wire_act, taken, why }).await;
            return false;
        }
        taken += piece.len() as u64;
        if number < last {
            until_taken(&taken_by_reader, gap).await;
        }
    }
    let _ = outlet.send(What::Written { act: wire_act }).await;
    true
}

/// Waits until the reader took what was written, where the system can tell; at most `gap`.
async fn until_taken(taken: &impl Fn() -> Option<bool>, gap: Duration) {
    let begun = std::time::Instant::now();
    while begun.elapsed() < gap {
        tokio::task::yield_now().await;
        match taken() {
            Some(true) => return,
            Some(false) => std::thread::sleep(Duration::from_micros(20)),
            None => return tokio::time::sleep(gap).await,
        }
    }
}
