//! Child processes: each in a process group of its own, each ended in the end.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process_group};
use tokio::process::{ChildStdin, Command};
use tokio::sync::mpsc;

use super::wire::{Ends, Gate, Job, Wire, read, write_all};
use super::{HELD_OPEN, Outlet};
use crate::actor::{CloseHow, Exit, Failure, Part, What, Why, WireId};

/// The children of one actor.
#[derive(Default)]
pub(super) struct Children {
    pids: BTreeMap<WireId, Pid>,
    waiters: Vec<tokio::task::JoinHandle<()>>,
    ended: BTreeMap<WireId, Pid>,
    left_something: bool,
}

impl Children {
    /// Starts a process and wires its streams.
    ///
    /// # Errors
    /// Why it cannot be started.
    pub(super) fn spawn(
        &mut self,
        id: WireId,
        argv: &[String],
        env: &BTreeMap<String, String>,
        dir: Option<&str>,
        outlet: &Outlet,
        gap: Duration,
    ) -> Result<(Wire, u32), Why> {
        let program = argv.first().map_or("", String::as_str);
        let mut command = Command::new(found_from_here(program, dir));
        command.args(argv.get(1..).unwrap_or_default()).envs(env).process_group(0).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(dir) = dir {
            command.current_dir(dir);
        }
        let mut child = command.spawn().map_err(|error| why_not(program, &error))?;
        let pid = child.id().unwrap_or_default();
        if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
            self.pids.insert(id, pid);
        }
        let gate = Gate::open();
        let (done, both_done) = mpsc::channel::<()>(1);
        let mut readers = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            readers.push(read_then_drop(
                read(id, Part::Main, stdout, gate.clone(), outlet.clone(), Ends::Stream),
                done.clone(),
            ));
        }
        if let Some(stderr) = child.stderr.take() {
            readers.push(read_then_drop(
                read(id, Part::Stderr, stderr, Gate::open(), outlet.clone(), Ends::Stream),
                done,
            ));
        }
        let (jobs, queue) = mpsc::unbounded_channel();
        let writer = write(child.stdin.take(), queue, outlet.clone(), gap);
        self.waiters.push(wait(id, child, both_done, outlet.clone()));
        Ok((Wire::new(jobs, writer, readers, gate), pid))
    }

    /// The process behind a wire, also when it has ended.
    pub(super) fn pid(&self, id: WireId) -> Option<Pid> {
        self.pids.get(&id).or(self.ended.get(&id)).copied()
    }

    /// Notes that a process has ended.
    pub(super) fn exited(&mut self, id: WireId) {
        if let Some(pid) = self.pids.remove(&id) {
            self.left_something |= test_kill_process_group(pid).is_ok();
            self.ended.insert(id, pid);
        }
    }

    /// Sends a signal to a process; KILL goes to its whole group.
    pub(super) fn signal(&self, id: WireId, signal: i32) {
        let (Some(pid), Some(signal)) = (self.pids.get(&id), Signal::from_named_raw(signal)) else { return };
        let _ = kill_process(*pid, signal);
        if signal == Signal::KILL {
            let _ = kill_process_group(*pid, signal);
        }
    }

    /// Whether a process may still run that a child has started.
    pub(super) fn may_have_left_something(&self) -> bool {
        self.left_something
    }

    /// Kills every group that was started, and waits for the processes themselves.
    pub(super) async fn kill_all(&mut self) {
        for pid in self.pids.values() {
            self.left_something = true;
            let _ = kill_process_group(*pid, Signal::KILL);
        }
        for pid in self.ended.values() {
            let _ = kill_process_group(*pid, Signal::KILL);
        }
        for waiter in self.waiters.drain(..) {
            let _ = tokio::time::timeout(Duration::from_secs(2), waiter).await;
        }
    }
}

/// A relative program means one seen from our own folder, also where the process runs in another.
fn found_from_here(program: &str, dir: Option<&str>) -> std::path::PathBuf {
    let is_path = program.contains('/') && !program.starts_with('/');
    let here = std::env::current_dir().ok().filter(|_| is_path && dir.is_some());
    here.map_or_else(|| program.into(), |here| here.join(program))
}

fn why_not(program: &str, error: &std::io::Error) -> Why {
    let (failure, text) = match error.kind() {
        std::io::ErrorKind::NotFound => (Failure::NotFound, format!("command not found: {program}")),
        std::io::ErrorKind::PermissionDenied => {
            (Failure::NotExecutable, format!("command is not executable: {program}"))
        }
        _ => (Failure::NotExecutable, format!("{program} cannot be started: {error}")),
    };
    Why { failure, text }
}

/// Holds `done` until a reader has come to its end.
fn read_then_drop(
    reader: tokio::task::JoinHandle<()>,
    done: mpsc::Sender<()>,
) -> tokio::task::JoinHandle<()> {
    let abort = reader.abort_handle();
    let guard = AbortOnDrop(abort);
    tokio::spawn(async move {
        let _guard = guard;
        let _ = reader.await;
        drop(done);
    })
}

struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Tells the end of a process, after its output has ended or was held open for a while by someone else.
fn wait(
    id: WireId,
    mut child: tokio::process::Child,
    mut both_done: mpsc::Receiver<()>,
    outlet: Outlet,
) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        let status = child.wait().await;
        let _ = tokio::time::timeout(HELD_OPEN, both_done.recv()).await;
        let held_open = !both_done.is_closed() && both_done.sender_strong_count() > 0;
        let exit = match status {
            Ok(status) => {
                status.code().map(Exit::Code).or(status.signal().map(Exit::Signal)).unwrap_or(Exit::Code(-1))
            }
            Err(_) => Exit::Code(-1),
        };
        if held_open {
            let _ = outlet.send(What::Ended { wire: id, part: Part::Main }).await;
        }
        let _ = outlet.send(What::Exited { wire: id, status: exit }).await;
    })
}

fn write(
    stdin: Option<ChildStdin>,
    mut queue: mpsc::UnboundedReceiver<Job>,
    outlet: Outlet,
    gap: Duration,
) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        let mut stdin = stdin;
        while let Some(job) = queue.recv().await {
            match (job, stdin.as_mut()) {
                (Job::Write { act, bytes, pieces, .. }, Some(pipe)) => {
                    let fd = pipe.as_fd().try_clone_to_owned().ok();
                    let taken = || {
                        fd.as_ref().and_then(|fd| rustix::io::ioctl_fionread(fd).ok()).map(|left| left == 0)
                    };
                    if !write_all(act, &bytes, &pieces, pipe, taken, gap, &outlet).await {
                        stdin = None;
                    }
                }
                (Job::Write { act, .. }, None) => {
                    let why = Why { failure: Failure::Peer, text: "standard input is closed".into() };
                    let _ = outlet.send(What::Failed { act, taken: 0, why }).await;
                }
                (Job::Close(CloseHow::Write | CloseHow::Both | CloseHow::Reset), _) => stdin = None,
                (Job::Close(_) | Job::Exit(_), _) => {}
            }
        }
    })
}
