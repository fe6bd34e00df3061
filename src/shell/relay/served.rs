//! The harness's side of a relay.

use std::io;
use std::sync::{Arc, OnceLock};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use super::{BYTES, END, EXIT, HELLO, Hello, LONGEST, PIECE, SIGNAL, STDERR, frame, head};
use crate::actor::{CloseHow, Exit, Failure, Part, Peer, Pieces, What, Why, WireId};
use crate::shell::wire::{Gate, Job};
use crate::shell::{Outlet, came};

/// The harness's side of one relay: its wire.
pub(in crate::shell) async fn serve(
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
    let mut env = hello.env;
    env.retain(|name, value| std::env::var(name).as_ref() != Ok(value));
    let peer = Peer::Process { argv: hello.argv, env, pid: hello.pid };
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

/// The next frame; `None` at the end of the stream.
async fn next_frame(source: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<(u8, Vec<u8>)>> {
    let mut start = [0; 5];
    match source.read_exact(&mut start).await {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let (kind, length) = head(start)?;
    let mut bytes = vec![0; length];
    source.read_exact(&mut bytes).await?;
    Ok(Some((kind, bytes)))
}
