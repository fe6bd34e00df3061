//! Listeners and connections.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::mpsc;

use super::wire::{Ends, Gate, Job, Wire, read, write_all};
use super::{Outlet, World, relay, tls};
use crate::actor::{ActId, Address, CloseHow, ClosedHow, Failure, Part, Peer, What, Why, WireId};

/// The longest path of a Unix socket, with its final zero byte.
pub const LONGEST_PATH: usize = 108;

/// How long a listener waits when a connection cannot be taken: file descriptors are used up.
const NO_ROOM: Duration = Duration::from_millis(20);

/// A listener of the actor; dropped, it stops.
pub(super) struct Listener {
    task: tokio::task::JoinHandle<()>,
    path: Option<String>,
    /// Wires that were accepted and that the loop has not taken over yet.
    pub(super) accepted: mpsc::UnboundedReceiver<(WireId, Wire)>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
        if let Some(path) = &self.path {
            let _ = std::fs::remove_file(path);
        }
    }
}

impl World<'_> {
    pub(super) fn listen(&mut self, act: ActId, wire: WireId, at: &Address, file: (bool, u32)) {
        match self.try_listen(wire, at, file) {
            Ok((listener, at)) => {
                self.listeners.insert(wire, listener);
                self.pending.push_back(What::Listening { wire, at });
            }
            Err(text) => self.fail(act, 0, Failure::Own, text),
        }
    }

    fn try_listen(
        &self,
        wire: WireId,
        at: &Address,
        (over_stale, mode): (bool, u32),
    ) -> Result<(Listener, Address), String> {
        let (handover, accepted) = mpsc::unbounded_channel();
        let accepting = Accepting { wire, handover, outlet: self.outlet.clone(), gap: self.shell.gap };
        match at {
            Address::Tcp(addr) => {
                let listener = std::net::TcpListener::bind(addr)
                    .map_err(|error| format!("cannot listen on {addr}: {error}"))?;
                let local = listener.local_addr().map_err(|error| error.to_string())?;
                listener.set_nonblocking(true).map_err(|error| error.to_string())?;
                let listener = TcpListener::from_std(listener).map_err(|error| error.to_string())?;
                let task = tokio::spawn(accepting.tcp(listener));
                Ok((Listener { task, path: None, accepted }, Address::Tcp(local.to_string())))
            }
            Address::Unix(path) | Address::Relay(path) => {
                let listener = bind_unix(path, over_stale, mode)?;
                let relays = matches!(at, Address::Relay(_));
                let task = tokio::spawn(accepting.unix(listener, relays));
                Ok((Listener { task, path: Some(path.clone()), accepted }, at.clone()))
            }
        }
    }

    pub(super) fn connect(&mut self, act: ActId, id: WireId, addr: Address, tls: bool) {
        let (jobs, queue) = mpsc::unbounded_channel();
        let gate = Gate::open();
        let outlet = self.outlet.clone();
        let (gap, reader_gate) = (self.shell.gap, gate.clone());
        let client = if tls { Some(self.shell.tls.clone()) } else { None };
        let task = tokio::spawn(async move {
            let opened = |addr: String| What::Opened { wire: id, from: None, peer: Peer::Socket { addr } };
            let refused = |to: &str, error: std::io::Error| {
                let failure = match error.kind() {
                    std::io::ErrorKind::ConnectionRefused | std::io::ErrorKind::NotFound => Failure::Peer,
                    std::io::ErrorKind::ConnectionReset => Failure::Peer,
                    _ => Failure::Own,
                };
                What::Failed {
                    act,
                    taken: 0,
                    why: Why { failure, text: format!("cannot connect to {to}: {}", reason(to, &error)) },
                }
            };
            match &addr {
                Address::Tcp(at) => match TcpStream::connect(at).await {
                    Ok(stream) => {
                        let _ = stream.set_nodelay(true);
                        let Some(client) = client else {
                            let _ = outlet.send(opened(at.clone())).await;
                            return serve_tcp(id, stream, reader_gate, queue, outlet, gap).await;
                        };
                        match tls::connect(client, at, stream).await {
                            Ok(stream) => {
                                let _ = outlet.send(opened(at.clone())).await;
                                serve(id, tokio::io::split(stream), reader_gate, queue, outlet, gap).await;
                            }
                            Err(text) => {
                                let why = Why { failure: Failure::Own, text };
                                let _ = outlet.send(What::Failed { act, taken: 0, why }).await;
                            }
                        }
                    }
                    Err(error) => drop(outlet.send(refused(at, error)).await),
                },
                Address::Unix(path) | Address::Relay(path) => match connect_patiently(path).await {
                    Ok(stream) => {
                        let _ = outlet.send(opened(path.clone())).await;
                        serve(id, stream.into_split(), reader_gate, queue, outlet, gap).await;
                    }
                    Err(error) => drop(outlet.send(refused(path, error)).await),
                },
            }
        });
        self.wires.insert(id, Wire::new(jobs, task, Vec::new(), gate));
    }
}

/// Why a connection failed, as far as the path of a socket tells.
pub(super) fn reason(to: &str, error: &std::io::Error) -> String {
    let taken = std::fs::symlink_metadata(to).is_ok_and(|meta| !meta.file_type().is_socket());
    match error.kind() {
        _ if taken => "it is a file that is no socket".into(),
        std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused => {
            format!("nobody listens there ({error})")
        }
        std::io::ErrorKind::PermissionDenied => {
            format!("this user may not write to the socket ({error})")
        }
        _ => error.to_string(),
    }
}

/// A queue of connections that is full refuses for a moment only.
async fn connect_patiently(path: &str) -> std::io::Result<UnixStream> {
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
            tokio::time::sleep(Duration::from_millis(5)).await;
            UnixStream::connect(path).await
        }
        other => other,
    }
}

fn bind_unix(path: &str, over_stale: bool, mode: u32) -> Result<UnixListener, String> {
    if path.len() >= LONGEST_PATH {
        return Err(format!(
            "the path of a socket has at most {} bytes, this one has {}: {path}",
            LONGEST_PATH - 1,
            path.len()
        ));
    }
    if let Ok(meta) = std::fs::symlink_metadata(path) {
        if !meta.file_type().is_socket() {
            return Err(format!("{path} is taken by a file that is no socket"));
        }
        if !over_stale || std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(format!("somebody listens on {path} already"));
        }
        std::fs::remove_file(Path::new(path)).map_err(|error| format!("{path}: {error}"))?;
    }
    let listener = UnixListener::bind(path).map_err(|error| format!("cannot listen on {path}: {error}"))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
        .map_err(|error| format!("{path}: {error}"))?;
    Ok(listener)
}

/// Accepts connections for a listener.
struct Accepting {
    wire: WireId,
    handover: mpsc::UnboundedSender<(WireId, Wire)>,
    outlet: Outlet,
    gap: Duration,
}

impl Accepting {
    /// Makes a connection a wire; what serves it begins when the wire is known.
    fn hand_over<F>(&self, nth: u32, serve: impl FnOnce(WireId, Gate, mpsc::UnboundedReceiver<Job>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (jobs, queue) = mpsc::unbounded_channel();
        let (id, gate) = (WireId { name: self.wire.name, nth }, Gate::open());
        let serving = serve(id, gate.clone(), queue);
        let (go, ready) = tokio::sync::oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let _ = ready.await;
            serving.await;
        });
        let _ = self.handover.send((id, Wire::new(jobs, task, Vec::new(), gate)));
        let _ = go.send(());
    }

    fn opened(&self, wire: WireId, addr: &str) -> What {
        What::Opened { wire, from: Some(self.wire), peer: Peer::Socket { addr: addr.into() } }
    }

    async fn tcp(self, listener: TcpListener) {
        for nth in 1.. {
            let (stream, addr) = accepted(|| listener.accept()).await;
            let _ = stream.set_nodelay(true);
            let (outlet, gap) = (self.outlet.clone(), self.gap);
            self.hand_over(nth, |id, gate, queue| {
                let opened = self.opened(id, &addr.to_string());
                async move {
                    let _ = outlet.send(opened).await;
                    serve_tcp(id, stream, gate, queue, outlet, gap).await;
                }
            });
        }
    }

    async fn unix(self, listener: UnixListener, relays: bool) {
        for nth in 1.. {
            let (stream, _) = accepted(|| listener.accept()).await;
            let (outlet, gap, from) = (self.outlet.clone(), self.gap, self.wire);
            self.hand_over(nth, |id, gate, queue| {
                let opened = self.opened(id, "unix");
                async move {
                    if relays {
                        return relay::serve(id, from, stream, gate, queue, outlet).await;
                    }
                    let _ = outlet.send(opened).await;
                    serve(id, stream.into_split(), gate, queue, outlet, gap).await;
                }
            });
        }
    }
}

/// The next connection of a listener; while there is no room for one, it is tried again.
async fn accepted<T, F: Future<Output = std::io::Result<T>>>(accept: impl Fn() -> F) -> T {
    loop {
        match accept().await {
            Ok(connection) => return connection,
            Err(_) => tokio::time::sleep(NO_ROOM).await,
        }
    }
}

async fn serve_tcp(
    id: WireId,
    stream: TcpStream,
    gate: Gate,
    mut queue: mpsc::UnboundedReceiver<Job>,
    outlet: Outlet,
    gap: Duration,
) {
    let fd = stream.as_fd().try_clone_to_owned().ok();
    let (source, mut sink) = stream.into_split();
    let reader = read(id, Part::Main, source, gate, outlet.clone(), Ends::Connection);
    let _guard = AbortOnDrop(reader.abort_handle());
    while let Some(job) = queue.recv().await {
        match job {
            Job::Write { act, bytes, pieces, .. } => {
                write_all(act, &bytes, &pieces, &mut sink, || None, gap, &outlet).await;
            }
            Job::Close(CloseHow::Write) => drop(sink.shutdown().await),
            Job::Close(CloseHow::Reset) => {
                linger_zero(fd.as_ref());
                sink.forget(); // dropped, it would say FIN first
                return;
            }
            Job::Close(_) => {
                let _ = sink.shutdown().await;
                let _ = outlet.send(What::Closed { wire: id, how: ClosedHow::Fin }).await;
                return;
            }
            Job::Exit(_) => {}
        }
    }
}

/// The connection is torn down when it is dropped.
fn linger_zero(fd: Option<&OwnedFd>) {
    if let Some(fd) = fd {
        let _ = rustix::net::sockopt::set_socket_linger(fd, Some(Duration::ZERO));
    }
}

/// Serves a connection that has no reset: a Unix socket, or TLS.
async fn serve(
    id: WireId,
    (source, mut sink): (impl AsyncRead + Unpin + Send + 'static, impl AsyncWrite + Unpin),
    gate: Gate,
    mut queue: mpsc::UnboundedReceiver<Job>,
    outlet: Outlet,
    gap: Duration,
) {
    let reader = read(id, Part::Main, source, gate, outlet.clone(), Ends::Connection);
    let _guard = AbortOnDrop(reader.abort_handle());
    while let Some(job) = queue.recv().await {
        match job {
            Job::Write { act, bytes, pieces, .. } => {
                write_all(act, &bytes, &pieces, &mut sink, || None, gap, &outlet).await;
            }
            Job::Close(CloseHow::Write) => drop(sink.shutdown().await),
            Job::Close(_) => {
                let _ = sink.shutdown().await;
                let _ = outlet.send(What::Closed { wire: id, how: ClosedHow::Fin }).await;
                return;
            }
            Job::Exit(_) => {}
        }
    }
}

struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
