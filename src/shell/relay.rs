//! `plugfest relay SOCKET`: stands in for a process that the subject starts, and passes all of it to the harness.
//!
//! Frames both ways: one byte what, four bytes length (big endian), that many bytes. The relay begins with
//! [`HELLO`]; then its standard input, the end of it and signals go to the harness, and standard output, standard
//! error, half close and the exit status come back.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::process::parent_id;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use super::input;
use super::wire::{Gate, Job, until_taken};
use super::{Outlet, came};
use crate::actor::{CloseHow, Exit, Failure, Part, Peer, Pieces, What, Why, WireId};

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
/// The longest that a piece waits for its reader.
const GAP: Duration = Duration::from_millis(2);

#[derive(Serialize, Deserialize)]
struct Hello {
    argv: Vec<String>,
    env: BTreeMap<String, String>,
    pid: u32,
    parent: u32,
}

/// The relay's own process: gives its exit status.
///
/// # Errors
/// The socket cannot be reached.
pub async fn main(socket: &Path) -> io::Result<i32> {
    let (frames, mut outgoing) = mpsc::channel::<Vec<u8>>(16);
    // Before the harness hears of us: what it then has done to us must not end us unheard.
    input::signals(&frames, |signal| frame(SIGNAL, &[signal]));
    let stream = UnixStream::connect(socket).await?;
    let (mut source, mut sink) = stream.into_split();
    let hello = Hello {
        argv: std::env::args_os().map(input::as_text).collect(),
        env: input::environment(),
        pid: std::process::id(),
        parent: parent_id(),
    };
    let hello = serde_json::to_vec(&hello).map_err(io::Error::other)?;
    sink.write_all(&frame(HELLO, &hello)).await?;
    tokio::spawn(input::pass_on(frames, read));
    tokio::spawn(async move {
        while let Some(bytes) = outgoing.recv().await {
            if sink.write_all(&bytes).await.is_err() {
                return;
            }
        }
    });
    obey(&mut source).await
}

/// Does what the harness says until it says exit, or is gone.
async fn obey(source: &mut (impl AsyncRead + Unpin)) -> io::Result<i32> {
    loop {
        let Some((kind, bytes)) = next_frame(source).await? else { return Ok(1) };
        match kind {
            BYTES => write_and_flush(&mut io::stdout().lock(), &bytes),
            PIECE => {
                write_and_flush(&mut io::stdout().lock(), &bytes);
                until_taken(&stdout_is_empty, GAP).await;
            }
            STDERR => write_and_flush(&mut io::stderr().lock(), &bytes),
            END => {
                if let Ok(null) = std::fs::OpenOptions::new().write(true).open("/dev/null") {
                    let _ = rustix::stdio::dup2_stdout(&null);
                }
            }
            EXIT => return Ok(bytes.try_into().map_or(1, i32::from_be_bytes)),
            _ => {}
        }
    }
}

fn write_and_flush(sink: &mut impl io::Write, bytes: &[u8]) {
    let _ = sink.write_all(bytes).and_then(|()| sink.flush());
}

/// Whether the reader of our standard output has taken all of it, where the system can tell.
fn stdout_is_empty() -> Option<bool> {
    rustix::io::ioctl_fionread(io::stdout()).ok().map(|left| left == 0)
}

fn read(bytes: Option<Vec<u8>>) -> Vec<u8> {
    bytes.map_or_else(|| frame(END, &[]), |bytes| frame(BYTES, &bytes))
}

fn frame(kind: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    [&[kind][..], &length.to_be_bytes(), bytes].concat()
}

/// The next frame; `None` at the end of the stream.
async fn next_frame(source: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<(u8, Vec<u8>)>> {
    let mut head = [0; 5];
    match source.read_exact(&mut head).await {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
    if length > LONGEST {
        return Err(io::Error::other("a frame that is too long"));
    }
    let mut bytes = vec![0; length];
    source.read_exact(&mut bytes).await?;
    Ok(Some((head[0], bytes)))
}

/// The harness's side of one relay: its wire.
pub(super) async fn serve(
    id: WireId,
    from: WireId,
    stream: UnixStream,
    gate: Gate,
    mut queue: mpsc::UnboundedReceiver<Job>,
    outlet: Outlet,
) {
    let _ = gate;
    let (mut source, mut sink) = stream.into_split();
    let Ok(Some((HELLO, bytes))) = next_frame(&mut source).await else { return };
    let Ok(hello) = serde_json::from_slice::<Hello>(&bytes) else { return };
    let peer = Peer::Process { argv: hello.argv, env: hello.env, pid: hello.pid };
    let _ = outlet.send(What::Opened { wire: id, from: Some(from), peer }).await;
    let told = Arc::new(OnceLock::new());
    let reader = tokio::spawn(listen_to(id, source, outlet.clone(), told.clone()));
    let _guard = AbortOnDrop(reader.abort_handle());
    while let Some(job) = queue.recv().await {
        match job {
            Job::Write { act, part, bytes, pieces } => {
                let what = match send(&mut sink, part, &bytes, &pieces).await {
                    Ok(()) => What::Written { act },
                    Err(error) => {
                        let why = Why { failure: Failure::Peer, text: error.to_string() };
                        What::Failed { act, taken: 0, why }
                    }
                };
                let _ = outlet.send(what).await;
            }
            Job::Close(CloseHow::Write | CloseHow::Both | CloseHow::Reset) => {
                let _ = sink.write_all(&frame(END, &[])).await;
            }
            Job::Close(_) => {}
            Job::Exit(status) => {
                let code = match status {
                    Exit::Code(code) => code,
                    Exit::Signal(signal) => 128 + signal,
                };
                let _ = told.set(status);
                let _ = sink.write_all(&frame(EXIT, &code.to_be_bytes())).await;
            }
        }
    }
}

/// Passes bytes to the relay, piece by piece.
async fn send(
    sink: &mut (impl AsyncWrite + Unpin),
    part: Part,
    bytes: &[u8],
    pieces: &Pieces,
) -> io::Result<()> {
    let kind = match (part, pieces) {
        (Part::Stderr, _) => STDERR,
        (Part::Main, Pieces::Whole) => BYTES,
        (Part::Main, _) => PIECE,
    };
    for chunk in pieces.cut(bytes).into_iter().flat_map(|piece| piece.chunks(LONGEST)) {
        sink.write_all(&frame(kind, chunk)).await?;
    }
    Ok(())
}

/// Turns what the relay tells into events; a relay that vanishes without being told to was killed.
async fn listen_to(
    id: WireId,
    mut source: tokio::net::unix::OwnedReadHalf,
    outlet: Outlet,
    told: Arc<OnceLock<Exit>>,
) {
    let mut ended = false;
    while let Ok(Some((kind, bytes))) = next_frame(&mut source).await {
        let what = match kind {
            BYTES => came(id, Part::Main, bytes),
            END => {
                ended = true;
                What::Ended { wire: id, part: Part::Main }
            }
            SIGNAL => What::Signal { wire: id, signal: bytes.first().copied().map_or(0, i32::from) },
            _ => continue,
        };
        if outlet.send(what).await.is_err() {
            return;
        }
    }
    if !ended {
        let _ = outlet.send(What::Ended { wire: id, part: Part::Main }).await;
    }
    let status = told.get().copied().unwrap_or(Exit::Signal(9));
    let _ = outlet.send(What::Exited { wire: id, status }).await;
}

struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
