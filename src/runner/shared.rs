//! A process of the subject that several cases use at once, each over connections of its own (`isolation = "connection"`).
//!
//! A case on it is played as with an attached subject. What is not plainly good there, or was open when the process
//! ended, is played again with a process of its own, and that counts: no case has its verdict from what others did.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::case::{case_folder, world};
use super::{Options, Vehicle};
use crate::actor::{Act, Actor, Doing, Doings, Event, Given, Nanos, SECOND, Target, What, WireId};
use crate::plan::{Case, Fate, not_attached};
use crate::play::{LaneSource, Script, starting_acts};
use crate::scenario::{Isolation, Source, Verb};
use crate::subject::Attach;

/// How often it is looked whether the process is still wanted.
const LOOK: Nanos = SECOND / 50;
/// How often it is tried whether a new process listens.
const KNOCK: Duration = Duration::from_millis(2);

/// The processes that the cases of a run share: one for each way in which the subject is started.
pub(super) struct Shared<'a> {
    options: &'a Options,
    /// Which process a case may use, by the case's id.
    guests: BTreeMap<&'a str, usize>,
    hosts: Mutex<Vec<State>>,
}

/// One process, and those after it where it ended.
enum State {
    NotStarted,
    Runs(Arc<Running>),
    /// It cannot be started, or does not listen: every case finds out by itself.
    Hopeless,
}

/// A process that was started.
pub(super) struct Running {
    at: Attach,
    life: Arc<Life>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the process and those who use it tell each other.
#[derive(Default)]
struct Life {
    unwanted: AtomicBool,
    ended: AtomicBool,
}

impl Running {
    /// Whether it is over.
    pub(super) fn has_ended(&self) -> bool {
        self.life.ended.load(Ordering::SeqCst)
    }

    /// Nobody wants it any more.
    fn dismiss(&self) {
        self.life.unwanted.store(true, Ordering::SeqCst);
    }

    /// Waits for its end.
    fn join(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let _ = thread.map(JoinHandle::join);
    }

    /// The case as it is played on this process.
    pub(super) fn guest(&self, script: &Script) -> Arc<Script> {
        let mut script = script.clone();
        let subject = Arc::make_mut(&mut script.subject);
        subject.attach = Some(self.at.clone());
        subject.command.clear();
        Arc::new(script)
    }
}

impl<'a> Shared<'a> {
    /// Nothing is started before the first case; nothing ever where fewer than two cases could share it.
    pub(super) fn new(cases: &'a [Case], options: &'a Options) -> Self {
        let mut alike: Vec<(Vec<Act>, Vec<&str>)> = Vec::new();
        let cases = if options.vehicle == Vehicle::Process { cases } else { &[] };
        for case in cases {
            let Some(acts) = shareable(case).and_then(likeness) else { continue };
            match alike.iter_mut().find(|(others, _)| *others == acts) {
                Some((_, ids)) => ids.push(&case.id),
                None => alike.push((acts, vec![&case.id])),
            }
        }
        alike.retain(|(_, ids)| ids.len() > 1);
        let ids = alike.iter().enumerate().flat_map(|(host, (_, ids))| ids.iter().map(move |id| (*id, host)));
        let hosts = alike.iter().map(|_| State::NotStarted).collect();
        Self { options, guests: ids.collect(), hosts: Mutex::new(hosts) }
    }

    /// The running process for a case, if it may share one.
    pub(super) fn of(&self, case: &Case, script: &Arc<Script>) -> Option<Arc<Running>> {
        let host = *self.guests.get(case.id.as_str())?;
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let state = hosts.get_mut(host)?;
        match state {
            State::Runs(running) if !running.has_ended() => return Some(running.clone()),
            State::Hopeless => return None,
            _ => {}
        }
        let started = start(script, self.options).map(Arc::new);
        *state = started.clone().map_or(State::Hopeless, State::Runs);
        started
    }

    /// Ends every process.
    pub(super) fn end(&self) {
        let hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let running = |host: &State| match host {
            State::Runs(running) => Some(running.clone()),
            _ => None,
        };
        let all: Vec<Arc<Running>> = hosts.iter().filter_map(running).collect();
        all.iter().for_each(|running| running.dismiss());
        all.iter().for_each(|running| running.join());
    }
}

/// The script of a case that needs nothing of the process but connections.
fn shareable(case: &Case) -> Option<&Arc<Script>> {
    let Fate::Play(script) = &case.fate else { return None };
    let started = script.starts && !script.subject.command.is_empty() && script.subject.attach.is_none();
    let connects = |source: &LaneSource| match source {
        LaneSource::Declared(Source::ConnectUnix | Source::ConnectTcp | Source::ConnectHttp) => true,
        LaneSource::Declared(Source::Process | Source::Stderr) => true,
        LaneSource::Declared(_) => false,
        LaneSource::Made { .. } | LaneSource::View { .. } => true,
    };
    let of_process =
        |source: &LaneSource| matches!(source, LaneSource::Declared(Source::Process | Source::Stderr));
    let awaits_process = script
        .steps
        .iter()
        .any(|line| !matches!(line.verb, Verb::Act(_)) && of_process(&script.lanes[line.lane].source));
    let fits = started
        && script.isolation == Isolation::Connection
        && script.launch.package.is_none()
        && script.lanes.iter().all(|lane| connects(&lane.source))
        && !awaits_process
        && not_attached(&case.scenario, script).is_none();
    fits.then_some(script)
}

/// What starts the subject of a script, as it would in a folder without a name.
fn likeness(script: &Arc<Script>) -> Option<Vec<Act>> {
    let mut given = Given::default();
    for name in ["dir", "socket", "self", "url"] {
        given.values.insert(name.into(), format!("<{name}>"));
    }
    given.values.insert("port".into(), "1".into());
    starting_acts(script, &given).ok()
}

/// Starts a process and waits until it listens.
fn start(script: &Arc<Script>, options: &Options) -> Option<Running> {
    let folder = case_folder(&options.folder);
    std::fs::create_dir_all(&folder).ok()?;
    let world = world(script, options, (&folder, &folder)).ok()?;
    let value = |name: &str| world.given.values.get(name).cloned();
    let unix =
        script.lanes.iter().any(|lane| matches!(lane.source, LaneSource::Declared(Source::ConnectUnix)));
    let at = if unix {
        Attach::Unix(value("socket")?)
    } else {
        Attach::Tcp(format!("127.0.0.1:{}", value("port")?))
    };
    let life = Arc::new(Life::default());
    let acts = starting_acts(script, &world.given).ok()?;
    let patience = Duration::from_nanos(script.time("start"));
    let term = script.time("term");
    let subject = script.subject.clone();
    let values = world.given.values.clone();
    let shared = life.clone();
    let thread = std::thread::spawn(move || {
        let mut keeper =
            Keeper { doings: Doings::default(), acts, process: None, life: shared.clone(), term, told: None };
        if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() {
            runtime.block_on(async {
                // Nobody judges the process by itself.
                world.run(&mut keeper, &mut ()).await;
                let _ = super::stop::stop(&subject, &values).await;
            });
        }
        shared.ended.store(true, Ordering::SeqCst);
        let _ = std::fs::remove_dir_all(&folder);
    });
    let running = Running { at, life, thread: Mutex::new(Some(thread)) };
    let is_over = || running.has_ended() || options.stop.load(Ordering::Relaxed);
    if running.at.knock_for(patience, KNOCK, is_over).is_err() {
        running.dismiss();
        running.join();
        return None;
    }
    Some(running)
}

/// Starts the process, keeps it, and ends it when nobody wants it any more.
struct Keeper {
    doings: Doings,
    acts: Vec<Act>,
    process: Option<WireId>,
    life: Arc<Life>,
    /// How long it may take to end after TERM.
    term: Nanos,
    /// When it was told to end.
    told: Option<Nanos>,
}

impl Actor for Keeper {
    fn on(&mut self, event: &Event, out: &mut Vec<Doing>) {
        const TERM: i32 = 15;
        const KILL: i32 = 9;
        match &event.what {
            What::Start { .. } => {
                for act in std::mem::take(&mut self.acts) {
                    if let Act::Open { wire, to: Target::Spawn { .. } } = &act {
                        self.process = Some(*wire);
                    }
                    self.doings.push(out, act);
                }
                self.doings.push(out, Act::Wake(event.at + LOOK));
            }
            What::Time => {
                let unwanted = self.life.unwanted.load(Ordering::SeqCst);
                let signal = match self.told {
                    None if unwanted => Some(TERM),
                    Some(told) if event.at >= told + self.term => Some(KILL),
                    _ => None,
                };
                if let (Some(signal), Some(wire)) = (signal, self.process) {
                    self.told.get_or_insert(event.at);
                    self.doings.push(out, Act::Signal { wire, signal });
                }
                self.doings.push(out, Act::Wake(event.at + LOOK));
            }
            What::Exited { .. } | What::Failed { .. } => {
                self.life.ended.store(true, Ordering::SeqCst);
                self.doings.push(out, Act::Finish);
            }
            _ => {}
        }
    }
}
