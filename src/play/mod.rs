//! The harness side of one case, as an actor: decodes bytes, matches, answers, sets deadlines, collects findings.
//!
//! `bind` makes a `script` of a scenario; `lane` keeps what is known of each lane and wire; `deliver` gives each
//! message to those who watch and to the one who takes it; `advance` runs acts and judges time; `closing` ends the
//! case. Everything is a function of the events: the same events give the same doings and findings, which is how a
//! stored run is judged again.

mod advance;
mod bind;
mod chart;
mod closing;
mod deliver;
mod driven;
mod finding;
pub(crate) mod http;
mod knock;
mod lane;
mod launch;
mod said;
mod script;
mod silence;
mod stage;
mod step;
mod watch;
mod wire;

pub use bind::Common;
pub use chart::{Chart, Entry};
pub use finding::{Breach, Finding};
pub use http::parse_url;
pub(crate) use knock::starting_acts;
pub use script::{CaseName, Guard, GuardKind, Knobs, Lane, LaneSource, Line, Script};
pub use stage::Stage;
pub use step::{Made, Ran, StepAct, made_by, read_act, verbs};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::actor::{
    Act, ActId, Actor, Doing, Doings, Event, Exit, Given, Nanos, Part, Value, What, Why, WireId,
};
use crate::datum::{Bindings, Compare, Datum, Kind};
use crate::play::closing::Phase;
use crate::play::lane::LaneState;
use crate::play::wire::Wire;
use crate::protocol::{Drive, Watch};
use crate::scenario::Source;

/// The harness side of one case.
pub struct Play {
    script: Arc<Script>,
    now: Nanos,
    seq: u64,
    doings: Doings,
    out: Vec<Doing>,
    bindings: Bindings,
    lanes: Vec<LaneState>,
    wires: BTreeMap<WireId, Wire>,
    next_wire: u32,
    steps: Vec<StepState>,
    guards: Vec<GuardState>,
    /// The drives under way, by their step.
    drives: BTreeMap<usize, Box<dyn Drive>>,
    errands: Vec<Errand>,
    /// What the answer to an act is for.
    asked: BTreeMap<ActId, Asked>,
    /// Driver operations under way: their number and the lane that asked.
    operations: BTreeMap<u64, usize>,
    next_operation: u64,
    /// The driver, and the command of the last operation that is one.
    driver: Option<WireId>,
    command: Option<WireId>,
    phase: Phase,
    aborted: bool,
    /// Until when a subject that was started need not listen yet.
    patience: Nanos,
    /// Whether an act of ours ends it.
    ending: bool,
    alarm: Option<Nanos>,
    subject: Option<WireId>,
    /// Whether a connection to the subject was ever made.
    reached: bool,
    /// Connections to a subject that may still be starting.
    redials: Vec<Redial>,
    /// Whether a step or rule took the end of the subject's process.
    saw_the_end: bool,
    received: u64,
    findings: Vec<Finding>,
    labels: BTreeSet<String>,
    traits: Vec<String>,
    notes: Vec<String>,
    chart: Chart,
}

/// What is known of a step.
#[derive(Clone, Debug, Default)]
struct StepState {
    met_at: Option<Nanos>,
    /// Since when an expect or quiet is pending.
    pending_at: Option<Nanos>,
    deadline: Option<Nanos>,
    /// How often the deadline was moved, since the machine was late.
    moved: u8,
    asked: bool,
}

/// What is known of a rule.
struct GuardState {
    /// From when messages are judged, if it has begun.
    begun: Option<Nanos>,
    ended: bool,
    seen: u64,
    watch: Option<Box<dyn Watch>>,
    next_beat: Option<Nanos>,
}

/// Acts that were set off by a message or a beat.
#[derive(Debug)]
struct Errand {
    due: Nanos,
    rule: usize,
    next: usize,
    bindings: Bindings,
    lane: usize,
    wire: Option<WireId>,
}

/// A connection that is tried again while the subject is starting.
#[derive(Debug)]
struct Redial {
    wire: WireId,
    addr: crate::actor::Address,
    tls: bool,
    due: Option<Nanos>,
}

/// What an act of ours that the world answers was for.
#[derive(Clone, Copy, Debug)]
enum Asked {
    /// A step that is met when it is answered.
    Step(usize),
    /// The start of the subject before the first step.
    Subject,
    /// A start of the subject by a drive, whose next turn then comes.
    Drive(usize),
    /// A listener of a declared lane.
    Listener,
    /// A question whose answer is a message of this lane.
    Question(usize),
    /// Nothing waits for it.
    Nobody,
}

/// What a case found out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Broken rules in the order in which they were noticed.
    pub findings: Vec<Finding>,
    /// Labels of `$oneof` that were taken, with their step.
    pub traits: Vec<String>,
    /// What people should know of the run: lag, bytes never taken.
    pub notes: Vec<String>,
}

impl Play {
    /// Makes ready to play a script.
    pub fn new(script: Arc<Script>) -> Self {
        let compare = |lane: &Lane| {
            let codec = crate::protocol::codec(&script.name.suite, &lane.codec);
            codec.map_or(Compare::ByValue, |codec| codec.compare())
        };
        let lane = |lane| LaneState { compare: compare(lane), ..LaneState::default() };
        let lanes = script.lanes.iter().map(lane).collect();
        let steps = vec![StepState::default(); script.steps.len()];
        let guards = script.rules.iter().map(|guard| GuardState {
            begun: guard.from.is_none().then_some(0),
            ended: false,
            seen: 0,
            watch: match &guard.kind {
                GuardKind::Check(name) => crate::protocol::watch(&script.name.suite, name),
                _ => None,
            },
            next_beat: None,
        });
        let mut play = Self {
            now: 0,
            seq: 0,
            doings: Doings::default(),
            out: Vec::new(),
            bindings: script.bindings.clone(),
            lanes,
            wires: BTreeMap::new(),
            next_wire: 1,
            steps,
            guards: guards.collect(),
            drives: BTreeMap::new(),
            errands: Vec::new(),
            asked: BTreeMap::new(),
            operations: BTreeMap::new(),
            next_operation: 1,
            driver: None,
            command: None,
            phase: Phase::Body,
            aborted: false,
            patience: script.time("start"),
            ending: false,
            alarm: None,
            subject: None,
            reached: false,
            redials: Vec::new(),
            saw_the_end: false,
            received: 0,
            findings: Vec::new(),
            labels: BTreeSet::new(),
            traits: Vec::new(),
            notes: Vec::new(),
            chart: Chart::default(),
            script,
        };
        for (index, step) in play.script.steps.iter().enumerate() {
            play.lanes[step.lane].steps.push(index);
        }
        play
    }

    /// Whether nothing more will happen.
    pub fn is_done(&self) -> bool {
        self.phase == Phase::Done
    }

    /// The script that is played.
    pub fn script(&self) -> &Arc<Script> {
        &self.script
    }

    /// The exchange as people read it.
    pub fn chart(&self) -> &Chart {
        &self.chart
    }

    /// What was found out so far.
    pub fn outcome(&self) -> Outcome {
        Outcome { findings: self.findings.clone(), traits: self.traits.clone(), notes: self.notes.clone() }
    }

    /// When it last heard something, in nanoseconds since its start.
    pub fn now(&self) -> Nanos {
        self.now
    }

    fn begin(&mut self, given: &Given) {
        for (name, value) in &given.values {
            match value.parse::<i64>() {
                Ok(number) if name == "port" => self.bindings.set(name.clone(), number),
                _ => self.bindings.set(name.clone(), value.clone()),
            }
        }
        self.bindings.set("now", given.wall);
        let script = self.script.clone();
        let by_url =
            script.lanes.iter().any(|lane| matches!(lane.source, LaneSource::Declared(Source::ConnectHttp)));
        if let (true, None, Some(port)) = (by_url, self.bindings.get("url"), self.bindings.get("port")) {
            let url = format!("http://127.0.0.1:{}", port.as_inserted().unwrap_or_default());
            self.bindings.set("url", url);
        }
        for (index, lane) in script.lanes.iter().enumerate() {
            if let LaneSource::Declared(
                Source::AcceptRelay | Source::AcceptTcp | Source::AcceptUnix | Source::AcceptHttp,
            ) = lane.source
            {
                let act = Stage::new(self, index, None, None).listen(&lane.name, None);
                self.ask(act, Asked::Listener);
            }
        }
    }

    /// Whether any act of this case is a driver operation, and the subject has a driver.
    pub(super) fn needs_driver(&self) -> bool {
        self.script.subject.driver.is_some()
            && self
                .script
                .lanes
                .iter()
                .any(|lane| matches!(lane.source, LaneSource::Declared(Source::Driver)))
    }

    fn ask(&mut self, act: Result<ActId, String>, asked: Asked) {
        match act {
            Ok(act) => {
                self.asked.insert(act, asked);
            }
            Err(why) => self.give_up(why),
        }
    }

    fn act(&mut self, act: Act) -> ActId {
        self.doings.push(&mut self.out, act)
    }

    fn take(&mut self, what: &What) {
        match what {
            What::Start { given, .. } => self.begin(given),
            What::Time => {}
            What::Listening { wire, at } => self.listening(*wire, at),
            What::Opened { wire, from, peer } => self.opened(*wire, *from, peer),
            What::Bytes { wire, part, bytes } => self.bytes(*wire, *part, &bytes.0),
            What::Ended { wire, part } => self.ended(*wire, *part),
            What::Closed { wire, how } => self.closed(*wire, *how),
            What::Written { act } => {
                self.asked.remove(act);
            }
            What::Failed { act, taken, why } => self.failed(*act, *taken, why),
            What::Signal { wire, signal } => {
                self.observe(*wire, Kind::Signalled, Datum::from(i64::from(*signal)));
                self.let_relay_go(*wire);
            }
            What::Exited { wire, status } => self.exited(*wire, *status),
            What::Got { act, value } => self.got(*act, value),
        }
    }

    fn got(&mut self, act: ActId, value: &Value) {
        let Some(Asked::Question(lane)) = self.asked.remove(&act) else { return };
        match value {
            Value::Datum(datum) => self.deliver(lane, None, Kind::Message, datum.clone(), 0..0),
            Value::File(blob) => self.deliver(lane, None, Kind::Message, Datum::bytes(blob.0.clone()), 0..0),
            Value::Missing(why) => self.give_up(format!("could not look: {why}")),
        }
    }

    /// An act of ours failed: because of them, an observation; because of us, the case is inconclusive.
    fn failed(&mut self, act: ActId, taken: u64, why: &Why) {
        let asked = self.asked.remove(&act);
        let wire = self.wires.iter().find(|(_, wire)| wire.acts.contains(&act)).map(|(id, _)| *id);
        if why.failure == crate::actor::Failure::Peer
            && let Some(wire) = wire.filter(|wire| self.dials_again(*wire))
        {
            if let (Some(asked), Some(wire)) = (asked, self.wires.get_mut(&wire)) {
                wire.redialled = Some(asked);
            }
            return;
        }
        if let Some(wire) = wire.and_then(|wire| self.wires.get_mut(&wire)) {
            (wire.open_exchanges, wire.first) = (0, None);
        }
        match (why.failure, asked) {
            (crate::actor::Failure::Peer, Some(Asked::Step(step))) => {
                self.meet(step);
                let lane = self.script.steps[step].lane;
                let is_open = wire.is_some_and(|wire| self.wires.get(&wire).is_some_and(|wire| wire.opened));
                let is_named = self.awaits_broken(lane);
                self.deliver(lane, None, Kind::Broken, Datum::from(taken), 0..0);
                if !is_open && !is_named {
                    let message = format!("{}{}", why.text, self.how_it_ended());
                    self.break_step(step, Breach::Broken, "refused", message, String::new());
                    self.abort();
                }
            }
            (crate::actor::Failure::Peer, _) => {
                if let Some(wire) = wire {
                    self.observe(wire, Kind::Broken, Datum::from(taken));
                }
            }
            (_, _) => self.give_up(why.text.clone()),
        }
    }

    fn exited(&mut self, id: WireId, status: Exit) {
        let (kind, number) = match status {
            Exit::Code(code) => (Kind::Exit, code),
            Exit::Signal(signal) => (Kind::Signalled, signal),
        };
        if let Some(wire) = self.wires.get_mut(&id) {
            wire.exited = Some(status);
            wire.closed = true;
        }
        self.observe_process(id, kind, Datum::from(i64::from(number)));
        self.fail_hopeless();
    }
}

impl Actor for Play {
    fn on(&mut self, event: &Event, doings: &mut Vec<Doing>) {
        if self.is_done() {
            return;
        }
        self.now = event.at;
        self.seq = event.seq;
        self.chart.turn_to(event.at, event.seq);
        self.take(&event.what);
        self.advance(event.what == What::Time);
        self.set_alarm();
        doings.append(&mut self.out);
    }
}

/// The part of a wire that messages of a lane come from.
fn part_of(source: &LaneSource) -> Part {
    match source {
        LaneSource::Declared(Source::Stderr) => Part::Stderr,
        _ => Part::Main,
    }
}
