//! The shell: connects one actor to the world of processes, pipes, sockets, files and the clock.
//!
//! One task for each reading and each writing side of a wire; the loop in [`Shell::run`] delivers what they bring,
//! in the order in which it came, and performs what the actor asks for. Reading is bounded by a channel, so that a
//! flood waits in the system's buffers; writing is queued and nobody waits for it.

mod files;
mod input;
mod inspect;
pub mod load;
mod orphans;
mod own;
mod process;
pub mod relay;
mod socket;
mod table;
pub mod tls;
mod veil;
mod wire;

pub(crate) use input::environment;
pub(crate) use orphans::Orphanage;
pub use socket::LONGEST_PATH;
pub(crate) use table::kill_marked;

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::actor::{
    Act, ActId, Actor, Blob, CloseHow, Doing, Event, Exit, Failure, Given, Nanos, Part, Target, Value, What,
    Why, WireId,
};
use crate::secret::Secrets;
use crate::transcript::Record;
use process::Children;
use veil::Veil;
use wire::{Job, Wire};

/// Chunks that may wait between the readers and the actor.
const WAITING: usize = 32;
/// How long the exit of a process waits for the end of its output, which a grandchild may hold open.
const HELD_OPEN: Duration = Duration::from_millis(50);
/// How long reading goes on, at most, when the alarm is due (nanoseconds).
const PUT_OFF: Nanos = 50_000_000;
/// How often in a row the readers must have had nothing before the alarm rings earlier.
const SILENT_ROUNDS: usize = 3;

/// How often it is looked whether the run was stopped.
const LOOK: Duration = Duration::from_millis(50);

/// What the readers and waiters bring to the loop.
pub(crate) type Inbox = mpsc::Receiver<What>;
/// Where they put it.
pub(crate) type Outlet = mpsc::Sender<What>;

/// The world around one actor.
pub struct Shell {
    /// What the actor is given at its start.
    pub given: Given,
    /// The seed that it is given.
    pub seed: u64,
    /// The folder in which relative paths lie.
    pub dir: PathBuf,
    /// The value of the marker in the environment of everything that is started; none for a reference.
    pub marker: Option<String>,
    /// The bytes of the packages that payloads mention.
    pub packages: fn(&str) -> Option<Vec<u8>>,
    /// Whether the actor has our own standard streams as [`WireId::STDIO`].
    pub owns_stdio: bool,
    /// The longest that a write waits for the reader to take the piece before.
    pub gap: Duration,
    /// Set from outside to end it early.
    pub stop: Option<Arc<AtomicBool>>,
    /// How to speak TLS, where an actor asks for it.
    pub tls: Option<tls::Client>,
    /// What the actor knows by place holders only.
    pub secrets: Secrets,
}

/// The variable that marks what a case has started, so that nothing is left behind.
pub const MARKER: &str = "PLUGFEST_CASE";

fn pid_of(pid: u32) -> Option<rustix::process::Pid> {
    rustix::process::Pid::from_raw(pid.try_into().ok()?)
}

impl Shell {
    /// A world without anything in it.
    pub fn new(dir: PathBuf) -> Self {
        Self {
            given: Given::default(),
            seed: 1,
            dir,
            marker: None,
            packages: |_| None,
            owns_stdio: false,
            gap: Duration::from_millis(2),
            stop: None,
            tls: None,
            secrets: Secrets::default(),
        }
    }

    fn is_stopped(&self) -> bool {
        self.stop.as_ref().is_some_and(|stop| stop.load(Ordering::Relaxed))
    }

    /// Runs an actor until it finishes, is stopped or ends its own process; gives the status of that end.
    ///
    /// Everything that it started and that still runs is killed.
    pub async fn run(&self, actor: &mut dyn Actor, record: &mut dyn Record) -> Option<Exit> {
        let (outlet, inbox) = mpsc::channel(WAITING);
        let mut world = World {
            shell: self,
            actor,
            record,
            outlet,
            inbox,
            begun: Instant::now(),
            seq: 0,
            alarm: None,
            wires: BTreeMap::new(),
            listeners: BTreeMap::new(),
            children: Children::default(),
            looks: inspect::Looks::default(),
            relays: BTreeMap::new(),
            veil: Veil::new(&self.secrets),
            pending: VecDeque::new(),
            ended: None,
            finished: false,
        };
        if self.owns_stdio {
            world.wires.insert(WireId::STDIO, own::stdio(&world.outlet));
            input::signals(&world.outlet);
        }
        world.deliver(What::Start { seed: self.seed, given: self.given.clone() });
        world.turn().await;
        world.close_all().await;
        world.ended
    }
}

struct World<'a> {
    shell: &'a Shell,
    actor: &'a mut dyn Actor,
    record: &'a mut dyn Record,
    outlet: Outlet,
    inbox: Inbox,
    begun: Instant,
    seq: u64,
    alarm: Option<Nanos>,
    wires: BTreeMap<WireId, Wire>,
    listeners: BTreeMap<WireId, socket::Listener>,
    children: Children,
    looks: inspect::Looks,
    /// The processes that our relays are.
    relays: BTreeMap<WireId, rustix::process::Pid>,
    veil: Veil,
    /// Answers that need no waiting.
    pending: VecDeque<What>,
    ended: Option<Exit>,
    finished: bool,
}

impl World<'_> {
    fn now(&self) -> Nanos {
        self.begun.elapsed().as_nanos() as Nanos
    }

    /// The loop.
    async fn turn(&mut self) {
        while !self.finished && !self.shell.is_stopped() {
            if let Some(what) = self.pending.pop_front() {
                self.deliver(what);
                continue;
            }
            if self.alarm.is_some_and(|at| at <= self.now()) {
                self.ring().await;
                continue;
            }
            let alarm =
                self.alarm.map(|at| tokio::time::Instant::from_std(self.begun + Duration::from_nanos(at)));
            let look = tokio::time::Instant::now() + LOOK;
            let silent = alarm.map_or(look, |alarm| alarm.min(look));
            let pause = self.veil.due().unwrap_or(look);
            tokio::select! {
                biased;
                Some(what) = self.inbox.recv() => self.came(what),
                () = tokio::time::sleep_until(pause) => {
                    self.veil.pause().into_iter().for_each(|what| self.tell(what));
                }
                () = tokio::time::sleep_until(silent) => self.ring().await,
            }
        }
    }

    /// The alarm rings, after what had come by then was read; a flood does not put it off for ever.
    async fn ring(&mut self) {
        let latest = self.now() + PUT_OFF;
        let mut silent_rounds = 0;
        while silent_rounds < SILENT_ROUNDS && self.now() < latest {
            tokio::task::yield_now().await;
            silent_rounds += 1;
            while self.now() < latest
                && let Ok(what) = self.inbox.try_recv()
            {
                silent_rounds = 0;
                self.came(what);
                if self.finished {
                    return;
                }
            }
        }
        if self.alarm.is_some_and(|at| at <= self.now()) {
            self.alarm = None;
            self.deliver(What::Time);
        }
    }

    /// Keeps account of wires before the actor is told.
    fn came(&mut self, what: What) {
        match &what {
            What::Ended { wire, part } => self.note_end(*wire, *part),
            What::Exited { wire, .. } => {
                self.children.exited(*wire);
            }
            What::Opened { wire, from: Some(_), peer } => {
                if let crate::actor::Peer::Process { pid, .. } = peer {
                    self.relays.extend(pid_of(*pid).map(|pid| (*wire, pid)));
                }
                self.take_over();
            }
            _ => {}
        }
        self.deliver(what);
    }

    /// Takes the wires that listeners have accepted.
    fn take_over(&mut self) {
        for listener in self.listeners.values_mut() {
            while let Ok((id, wire)) = listener.accepted.try_recv() {
                self.wires.insert(id, wire);
            }
        }
    }

    fn note_end(&mut self, id: WireId, part: Part) {
        if let Some(wire) = self.wires.get_mut(&id)
            && part == Part::Main
        {
            wire.ended = true;
        }
    }

    fn deliver(&mut self, what: What) {
        if let What::Closed { wire, .. } = &what {
            self.wires.remove(wire);
        }
        for what in self.veil.inward(what) {
            self.tell(what);
        }
    }

    /// Tells the actor, and does what it asks for.
    fn tell(&mut self, what: What) {
        let event = Event { at: self.now(), seq: self.seq, what };
        self.seq += 1;
        let mut doings = Vec::new();
        self.actor.on(&event, &mut doings);
        self.record.event(event);
        for doing in doings {
            self.record.doing(&doing);
            self.perform(doing);
        }
    }

    fn perform(&mut self, doing: Doing) {
        let Doing { id, act } = doing;
        match act {
            Act::Wake(at) => self.alarm = Some(at),
            Act::Listen { wire, at, over_stale, mode } => self.listen(id, wire, &at, (over_stale, mode)),
            Act::Open { wire, to: Target::Connect { addr, tls } } => self.connect(id, wire, addr, tls),
            Act::Open { wire, to: Target::Spawn { argv, env, dir } } => self.spawn(id, wire, &argv, env, dir),
            Act::Write { wire, part, bytes, pieces } => self.write(id, wire, part, bytes, pieces),
            Act::Close { wire, how } => self.close(wire, how),
            Act::Flow { wire, reading } => {
                if let Some(wire) = self.wires.get(&wire) {
                    wire.gate.set(reading);
                }
            }
            Act::Signal { wire, signal } => self.children.signal(wire, signal),
            Act::Exit { wire: WireId::STDIO, status } => {
                self.ended = Some(status);
                self.finished = true;
            }
            Act::Exit { wire, status } => self.queue(wire, Job::Exit(status)),
            Act::Read { path } => {
                let value = files::read(&self.shell.dir, &path);
                self.pending.push_back(What::Got { act: id, value });
            }
            Act::Store { dir, files } => {
                if let Err(why) =
                    files::store(&self.shell.dir, &dir, files, self.shell.packages, &self.shell.secrets)
                {
                    self.fail(id, 0, Failure::Own, why);
                }
            }
            Act::Remove { path } => files::remove(&self.shell.dir, &path),
            Act::Inspect { wire, what } => {
                let pid = self.children.pid(wire).or(self.relays.get(&wire).copied());
                let value =
                    inspect::look(what, pid, self.shell.marker.as_deref(), &self.shell.dir, &mut self.looks);
                self.pending.push_back(What::Got { act: id, value: Value::Datum(value) });
            }
            Act::Finish => self.finished = true,
        }
    }

    fn fail(&mut self, act: ActId, taken: u64, failure: Failure, text: String) {
        self.pending.push_back(What::Failed { act, taken, why: Why { failure, text } });
    }

    fn spawn(
        &mut self,
        act: ActId,
        id: WireId,
        argv: &[String],
        mut env: BTreeMap<String, String>,
        dir: Option<String>,
    ) {
        if let Some(marker) = &self.shell.marker {
            env.insert(MARKER.into(), marker.clone());
            // what it leaves there goes when the case is over
            env.entry("TMPDIR".into()).or_insert_with(|| self.shell.dir.display().to_string());
        }
        let (words, settings) = self.veil.outward(argv, &env);
        match self.children.spawn(id, &words, &settings, dir.as_deref(), &self.outlet, self.shell.gap) {
            Ok((wire, pid)) => {
                self.wires.insert(id, wire);
                let peer = crate::actor::Peer::Process { argv: argv.to_vec(), env, pid };
                self.pending.push_back(What::Opened { wire: id, from: None, peer });
            }
            Err(Why { failure, text }) => self.fail(act, 0, failure, text),
        }
    }

    fn write(
        &mut self,
        act: ActId,
        id: WireId,
        part: Part,
        bytes: crate::actor::Payload,
        pieces: crate::actor::Pieces,
    ) {
        match bytes.into_vec(&self.shell.packages) {
            Ok(mut bytes) => {
                self.shell.secrets.reveal(&mut bytes);
                self.queue(id, Job::Write { act, part, bytes, pieces });
            }
            Err(name) => self.fail(act, 0, Failure::Own, format!("there is no package `{name}`")),
        }
    }

    fn queue(&mut self, id: WireId, job: Job) {
        match self.wires.get(&id) {
            Some(wire) => wire.queue(job),
            None => {
                if let Job::Write { act, .. } = job {
                    self.fail(act, 0, Failure::Peer, "the wire is closed".into());
                }
            }
        }
    }

    fn close(&mut self, id: WireId, how: CloseHow) {
        if how == CloseHow::Unlisten {
            self.listeners.remove(&id);
            return;
        }
        self.queue(id, Job::Close(how));
    }

    /// Lets our own output reach its reader, then ends everything that was started.
    async fn close_all(&mut self) {
        self.listeners.clear();
        if self.shell.owns_stdio
            && let Some(wire) = self.wires.remove(&WireId::STDIO)
        {
            wire.drained().await;
        }
        let relays: Vec<WireId> = self.wires.keys().copied().filter(|id| id.nth > 0).collect();
        for id in relays {
            if let Some(wire) = self.wires.remove(&id) {
                let _ = tokio::time::timeout(HELD_OPEN, wire.drained()).await;
            }
        }
        self.wires.clear();
        self.children.kill_all().await;
        if let Some(marker) = &self.shell.marker
            && self.children.may_have_left_something()
        {
            kill_marked(marker);
        }
    }
}

/// Bytes that came, as an event.
fn came(wire: WireId, part: Part, bytes: Vec<u8>) -> What {
    What::Bytes { wire, part, bytes: Blob(bytes) }
}
