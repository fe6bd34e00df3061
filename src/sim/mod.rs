//! The simulator: actors joined by virtual wires under a virtual clock. Deterministic; nothing waits.
//!
//! What passes here must pass in the shell. Processes are actors from a table of programs; a relay is joined to
//! its listener directly; files are a map.

mod fault;
mod inspect;
mod link;

pub use fault::{Chunking, Faults};

use std::collections::{BTreeMap, BTreeSet};

use link::{End, Link, LinkKind};

use crate::actor::{
    Act, ActId, Actor, Address, Blob, CloseHow, ClosedHow, Doing, Event, Exit, Failure, Given, Nanos, Part,
    Payload, Peer, Pieces, Target, Value, What, Why, WireId,
};
use crate::transcript::Record;

/// What a byte needs from one actor to the next.
const LATENCY: Nanos = 10_000;
/// How many deliveries a simulation may take before it counts as endless.
const ENDLESS: u64 = 5_000_000;

/// Finds the program behind a command line (without the path of its file).
pub type Programs<'a> = &'a dyn Fn(&[String], &BTreeMap<String, String>) -> Option<Box<dyn Actor>>;

/// The bytes of the packages that payloads mention.
pub type Packages<'a> = &'a dyn Fn(&str) -> Option<Vec<u8>>;

/// What a simulation is made of, beside the actor in its middle.
pub struct Setting<'a> {
    /// The programs that can be started.
    pub programs: Programs<'a>,
    /// The packages that can be sent.
    pub packages: Packages<'a>,
    /// Disturbances of the wires.
    pub faults: Faults,
    /// The seed that every actor is given.
    pub seed: u64,
}

/// How a simulation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SimEnd {
    /// The actor in the middle has finished.
    Finished,
    /// Nothing can happen any more, and it has not finished.
    Stuck,
    /// It never came to an end.
    Endless,
}

/// Runs an actor until it finishes; every event and doing of it goes to `record`.
pub fn run(main: &mut dyn Actor, setting: &Setting<'_>, record: &mut dyn Record) -> SimEnd {
    let mut world = World {
        setting,
        record,
        now: 0,
        order: 0,
        queue: BTreeMap::new(),
        parties: Vec::new(),
        links: Vec::new(),
        listeners: BTreeMap::new(),
        modes: BTreeMap::new(),
        stale: BTreeSet::new(),
        files: BTreeMap::new(),
        next_port: 20_000,
        finished: false,
    };
    world.parties.push(Party::new(Slot::Main(main), 0));
    let values = [("dir", "/sim"), ("port", "20000"), ("socket", "/sim/s.sock"), ("self", "plugfest")];
    let values = values.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let given = Given { values: BTreeMap::from(values), ..Given::default() };
    world.tell(0, 0, What::Start { seed: setting.seed, given });
    world.run()
}

/// Where an actor is kept.
enum Slot<'a> {
    Main(&'a mut dyn Actor),
    Own(Box<dyn Actor>),
}

/// One actor in its world.
struct Party<'a> {
    slot: Slot<'a>,
    born: Nanos,
    seq: u64,
    /// Its `seq` when it was last looked at.
    looked: u64,
    /// The place of its alarm in the queue.
    alarm: Option<(Nanos, u64)>,
    ends: BTreeMap<WireId, End>,
    accepted: BTreeMap<WireId, u32>,
    alive: bool,
    children: Vec<usize>,
}

impl<'a> Party<'a> {
    fn new(slot: Slot<'a>, born: Nanos) -> Self {
        let (ends, accepted) = (BTreeMap::new(), BTreeMap::new());
        Self { slot, born, seq: 0, looked: 0, alarm: None, ends, accepted, alive: true, children: Vec::new() }
    }

    fn actor(&mut self) -> &mut dyn Actor {
        match &mut self.slot {
            Slot::Main(actor) => *actor,
            Slot::Own(actor) => actor.as_mut(),
        }
    }
}

struct World<'a> {
    setting: &'a Setting<'a>,
    record: &'a mut dyn Record,
    now: Nanos,
    order: u64,
    queue: BTreeMap<(Nanos, u64), (usize, What)>,
    parties: Vec<Party<'a>>,
    links: Vec<Link>,
    listeners: BTreeMap<Address, (usize, WireId)>,
    /// The modes of socket files.
    modes: BTreeMap<String, u32>,
    /// Paths of sockets whose process was killed, so that their files are still there.
    stale: BTreeSet<String>,
    files: BTreeMap<String, Vec<u8>>,
    next_port: u32,
    finished: bool,
}

impl World<'_> {
    fn run(&mut self) -> SimEnd {
        let mut deliveries = 0;
        while let Some(((at, order), (party, what))) = self.queue.pop_first() {
            self.now = at;
            deliveries += 1;
            if deliveries > ENDLESS {
                return SimEnd::Endless;
            }
            if what == What::Time && self.parties[party].alarm == Some((at, order)) {
                self.parties[party].alarm = None;
            }
            self.deliver(party, what);
            if self.finished {
                return SimEnd::Finished;
            }
        }
        SimEnd::Stuck
    }

    /// Schedules an event.
    fn tell(&mut self, at: Nanos, party: usize, what: What) -> (Nanos, u64) {
        let place = (at, self.order);
        self.order += 1;
        self.queue.insert(place, (party, what));
        place
    }

    fn deliver(&mut self, index: usize, what: What) {
        let party = &mut self.parties[index];
        if !party.alive {
            return;
        }
        if let What::Bytes { wire, .. } | What::Ended { wire, .. } = &what
            && let Some(end) = party.ends.get_mut(wire)
            && !end.reading
        {
            end.held.push(what);
            return;
        }
        let event = Event { at: self.now - party.born, seq: party.seq, what };
        party.seq += 1;
        let mut doings = Vec::new();
        party.actor().on(&event, &mut doings);
        if index == 0 {
            self.record.event(event);
            doings.iter().for_each(|doing| self.record.doing(doing));
        }
        for doing in doings {
            self.perform(index, doing);
        }
    }

    fn perform(&mut self, me: usize, doing: Doing) {
        let Doing { id, act } = doing;
        match act {
            Act::Wake(at) => self.wake(me, at),
            Act::Listen { wire, at, over_stale, mode } => self.listen(me, id, wire, at, (over_stale, mode)),
            Act::Open { wire, to: Target::Connect { addr, .. } } => self.connect(me, id, wire, &addr),
            Act::Open { wire, to: Target::Spawn { argv, env, .. } } => self.spawn(me, id, wire, argv, env),
            Act::Write { wire, part, bytes, pieces } => {
                let Ok(bytes) = bytes.into_vec(self.setting.packages) else {
                    return self.fail(me, id, Failure::Own, "there is no such package");
                };
                self.write(me, id, wire, part, bytes, &pieces);
            }
            Act::Close { wire, how } => self.close(me, wire, how),
            Act::Flow { wire, reading } => self.flow(me, wire, reading),
            Act::Signal { wire, signal } => self.signal(me, wire, signal),
            Act::Exit { wire, status } => self.exit(me, wire, status),
            Act::Read { path } => {
                let value = self.files.get(&path).map_or_else(
                    || Value::Missing(format!("{path} does not exist")),
                    |bytes| Value::File(Blob(bytes.clone())),
                );
                self.tell(self.now + LATENCY, me, What::Got { act: id, value });
            }
            Act::Store { dir, files } => self.store(&dir, files),
            Act::Remove { path } => self.files.retain(|name, _| !name.starts_with(&path)),
            Act::Inspect { wire, what } => self.inspect(me, id, wire, what),
            Act::Finish if me == 0 => self.finished = true,
            Act::Finish => self.die(me, Exit::Code(0)),
        }
    }

    fn wake(&mut self, me: usize, at: Nanos) {
        if let Some(place) = self.parties[me].alarm.take() {
            self.queue.remove(&place);
        }
        let at = (self.parties[me].born + at).max(self.now);
        self.parties[me].alarm = Some(self.tell(at, me, What::Time));
    }

    fn listen(&mut self, me: usize, act: ActId, wire: WireId, at: Address, (over_stale, mode): (bool, u32)) {
        match &at {
            Address::Unix(path) if !path.starts_with("/sim/") => {
                return self.fail(me, act, Failure::Own, &format!("cannot listen on {path}: no such folder"));
            }
            Address::Unix(path) if self.stale.contains(path) && !over_stale => {
                return self.fail(me, act, Failure::Own, &format!("somebody listens on {path} already"));
            }
            _ => {}
        }
        let at = match at {
            Address::Tcp(text) => match text.strip_suffix(":0") {
                Some(host) => {
                    self.next_port += 1;
                    Address::Tcp(format!("{host}:{}", self.next_port))
                }
                None => Address::Tcp(text),
            },
            other => other,
        };
        if let Address::Unix(path) = &at {
            self.modes.insert(path.clone(), mode);
        }
        self.listeners.insert(at.clone(), (me, wire));
        self.tell(self.now + LATENCY, me, What::Listening { wire, at });
    }

    fn connect(&mut self, me: usize, act: ActId, wire: WireId, addr: &Address) {
        let listens = self.listeners.get(addr).or_else(|| self.listeners.get(&everywhere(addr)));
        let Some(&(owner, listener)) = listens.filter(|(owner, _)| self.parties[*owner].alive) else {
            return self.fail(me, act, Failure::Peer, "connection refused");
        };
        let peer = Peer::Socket { addr: format!("sim:{}", self.links.len()) };
        let accepted = self.accept(owner, listener);
        self.join((me, wire), (owner, accepted), LinkKind::Socket);
        self.tell(
            self.now + LATENCY,
            owner,
            What::Opened { wire: accepted, from: Some(listener), peer: peer.clone() },
        );
        self.tell(self.now + LATENCY, me, What::Opened { wire, from: None, peer });
    }

    fn accept(&mut self, owner: usize, listener: WireId) -> WireId {
        let nth = self.parties[owner].accepted.entry(listener).or_default();
        *nth += 1;
        WireId { name: listener.name, nth: *nth }
    }

    fn join(&mut self, a: (usize, WireId), b: (usize, WireId), kind: LinkKind) {
        let link = self.links.len();
        self.links.push(Link::new(a, b, kind));
        self.parties[a.0].ends.insert(a.1, End::new(link, 0));
        self.parties[b.0].ends.insert(b.1, End::new(link, 1));
    }

    fn spawn(
        &mut self,
        me: usize,
        act: ActId,
        wire: WireId,
        argv: Vec<String>,
        env: BTreeMap<String, String>,
    ) {
        let pid = 1000 + self.links.len() as u32;
        let peer = Peer::Process { argv: argv.clone(), env: env.clone(), pid };
        if argv.get(1).is_some_and(|word| word == "relay") {
            let path = argv.get(2).cloned().unwrap_or_default();
            let Some(&(owner, listener)) = self.listeners.get(&Address::Relay(path)) else {
                return self.fail(me, act, Failure::Own, "nobody listens for this relay");
            };
            let accepted = self.accept(owner, listener);
            self.join((me, wire), (owner, accepted), LinkKind::Process);
            self.tell(
                self.now + LATENCY,
                owner,
                What::Opened { wire: accepted, from: Some(listener), peer: peer.clone() },
            );
            self.tell(self.now + LATENCY, me, What::Opened { wire, from: None, peer });
            return;
        }
        let Some(actor) = (self.setting.programs)(argv.get(1..).unwrap_or_default(), &env) else {
            let text = format!("command not found: {}", argv.first().map_or("", String::as_str));
            return self.fail(me, act, Failure::NotFound, &text);
        };
        let child = self.parties.len();
        self.parties.push(Party::new(Slot::Own(actor), self.now));
        self.parties[me].children.push(child);
        self.join((me, wire), (child, WireId::STDIO), LinkKind::Process);
        let args = argv.into_iter().skip(1).collect();
        let given = Given { args, env, ..Given::default() };
        self.tell(self.now, child, What::Start { seed: self.setting.seed + child as u64 - 1, given });
        self.tell(self.now + LATENCY, me, What::Opened { wire, from: None, peer });
    }

    fn fail(&mut self, me: usize, act: ActId, failure: Failure, text: &str) {
        let why = Why { failure, text: text.into() };
        self.tell(self.now + LATENCY, me, What::Failed { act, taken: 0, why });
    }

    /// The link of a wire, and who is at its other end.
    fn other(&self, me: usize, wire: WireId) -> Option<(usize, usize, WireId)> {
        let end = self.parties[me].ends.get(&wire)?;
        let (party, wire) = self.links[end.link].ends[1 - end.side];
        Some((end.link, party, wire))
    }

    fn write(
        &mut self,
        me: usize,
        act: ActId,
        wire: WireId,
        part: Part,
        mut bytes: Vec<u8>,
        pieces: &Pieces,
    ) {
        let Some((link, party, there)) = self.other(me, wire) else {
            return self.fail(me, act, Failure::Own, "there is no such wire");
        };
        let side = self.parties[me].ends[&wire].side;
        if !self.links[link].is_open(1 - side) || !self.parties[party].alive {
            return self.fail(me, act, Failure::Peer, "broken pipe");
        }
        let room = self
            .setting
            .faults
            .cut
            .filter(|_| me != 0)
            .map(|cut| cut.saturating_sub(self.links[link].sent[side]));
        let dies = room.is_some_and(|room| room < bytes.len() as u64);
        if let Some(room) = room.filter(|_| dies) {
            bytes.truncate(room as usize);
        }
        let mut chunks = Vec::new();
        for piece in pieces.cut(&bytes) {
            let mut at = self.links[link].next_time(side, self.now + LATENCY);
            for chunk in self.setting.faults.cut(piece, &mut self.links[link].sent[side]) {
                at = self.links[link].next_time(side, at + self.setting.faults.delay);
                chunks.push((at, chunk));
            }
        }
        match chunks.as_slice() {
            // What arrives as it was written is not copied.
            &[(at, _)] => self.tell_bytes(at, party, there, part, Blob(bytes)),
            chunks => {
                for (at, chunk) in chunks {
                    self.tell_bytes(*at, party, there, part, Blob(chunk.to_vec()));
                }
            }
        }
        if dies {
            return self.die(me, Exit::Signal(9));
        }
        let at = self.links[link].next_time(side, self.now + LATENCY);
        match self.parties[party].ends.get_mut(&there).filter(|end| !end.reading) {
            Some(reader) => reader.owed.push((me, act)),
            None => drop(self.tell(at, me, What::Written { act })),
        }
    }

    /// Schedules bytes; where wires coalesce, behind those that are still under way.
    fn tell_bytes(&mut self, at: Nanos, party: usize, wire: WireId, part: Part, bytes: Blob) {
        if self.setting.faults.coalesce {
            let last = self.queue.iter_mut().rev().find(|(_, (to, what))| {
                *to == party && matches!(what, What::Bytes { wire: other, .. } | What::Ended { wire: other, .. } if *other == wire)
            });
            if let Some((_, (_, What::Bytes { part: other, bytes: under_way, .. }))) = last
                && *other == part
            {
                under_way.0.extend_from_slice(&bytes.0);
                return;
            }
        }
        self.tell(at, party, What::Bytes { wire, part, bytes });
    }

    fn close(&mut self, me: usize, wire: WireId, how: CloseHow) {
        if how == CloseHow::Unlisten {
            self.listeners.retain(|_, owner| *owner != (me, wire));
            return;
        }
        let Some((link, party, there)) = self.other(me, wire) else { return };
        let side = self.parties[me].ends[&wire].side;
        if matches!(how, CloseHow::Both | CloseHow::Reset)
            && let Some(end) = self.parties[me].ends.get_mut(&wire)
        {
            end.released = true;
        }
        let at = self.links[link].next_time(side, self.now + LATENCY);
        match how {
            CloseHow::Write if self.links[link].shut(side) => {
                self.tell(at, party, What::Ended { wire: there, part: Part::Main });
                self.close_when_both_shut(link, at);
            }
            CloseHow::Read | CloseHow::Both | CloseHow::Reset
                if self.links[link].kind == LinkKind::Process =>
            {
                if how != CloseHow::Read && self.links[link].shut(side) {
                    self.tell(at, party, What::Ended { wire: there, part: Part::Main });
                }
                if how != CloseHow::Write {
                    self.links[link].shut(1 - side);
                }
            }
            CloseHow::Both | CloseHow::Reset if !self.links[link].closed => {
                self.links[link].closed = true;
                let how = if how == CloseHow::Reset { ClosedHow::Reset } else { ClosedHow::Fin };
                self.tell(at, party, What::Closed { wire: there, how });
            }
            _ => {}
        }
    }

    /// A socket that both sides have shut is closed.
    fn close_when_both_shut(&mut self, link: usize, at: Nanos) {
        let state = &mut self.links[link];
        if state.kind == LinkKind::Socket && !state.closed && state.is_shut(0) && state.is_shut(1) {
            state.closed = true;
            for (party, wire) in state.ends {
                self.tell(at, party, What::Closed { wire, how: ClosedHow::Fin });
            }
        }
    }

    fn flow(&mut self, me: usize, wire: WireId, reading: bool) {
        let Some(end) = self.parties[me].ends.get_mut(&wire) else { return };
        end.reading = reading;
        if reading {
            let owed = std::mem::take(&mut end.owed);
            for what in std::mem::take(&mut end.held) {
                self.tell(self.now, me, what);
            }
            for (writer, act) in owed {
                self.tell(self.now, writer, What::Written { act });
            }
        }
    }

    fn signal(&mut self, me: usize, wire: WireId, signal: i32) {
        let Some((_, party, there)) = self.other(me, wire) else { return };
        if signal == 9 && there == WireId::STDIO {
            return self.die(party, Exit::Signal(9));
        }
        if signal == 9 {
            return self.end_process(party, there, Exit::Signal(9));
        }
        self.tell(self.now + LATENCY, party, What::Signal { wire: there, signal });
    }

    fn exit(&mut self, me: usize, wire: WireId, status: Exit) {
        if wire == WireId::STDIO {
            return self.die(me, status);
        }
        self.end_process(me, wire, status);
    }

    /// Tells the parent of a process (or of a relay) that it is over, and whoever is behind the relay.
    fn end_process(&mut self, me: usize, wire: WireId, status: Exit) {
        let Some((link, parent, there)) = self.other(me, wire) else { return };
        let side = self.parties[me].ends[&wire].side;
        if self.links[link].closed {
            return;
        }
        self.links[link].closed = true;
        let at = self.links[link].next_time(side, self.now + LATENCY);
        if self.links[link].shut(side) {
            self.tell(at, parent, What::Ended { wire: there, part: Part::Main });
        }
        self.tell(at, parent, What::Ended { wire: there, part: Part::Stderr });
        self.tell(at, parent, What::Exited { wire: there, status });
        if wire != WireId::STDIO {
            let at = self.links[link].next_time(1 - side, self.now + LATENCY);
            if self.links[link].shut(1 - side) {
                self.tell(at, me, What::Ended { wire, part: Part::Main });
            }
            self.tell(at, me, What::Exited { wire, status });
        }
    }

    /// A process ends: its parent is told, its connections are closed, its listeners go.
    fn die(&mut self, me: usize, status: Exit) {
        if !self.parties[me].alive || me == 0 {
            return;
        }
        self.parties[me].alive = false;
        let killed = matches!(status, Exit::Signal(_));
        let left = self.listeners.iter().filter(|(_, (owner, _))| killed && *owner == me);
        self.stale.extend(left.filter_map(|(at, _)| match at {
            Address::Unix(path) => Some(path.clone()),
            _ => None,
        }));
        self.listeners.retain(|_, (owner, _)| *owner != me);
        let wires: Vec<WireId> = self.parties[me].ends.keys().copied().collect();
        for wire in wires {
            let link = self.parties[me].ends[&wire].link;
            match self.links[link].kind {
                LinkKind::Process if self.parties[me].ends[&wire].side == 1 => {
                    self.end_process(me, wire, status)
                }
                LinkKind::Process => self.close(me, wire, CloseHow::Write),
                LinkKind::Socket => self.close(me, wire, CloseHow::Both),
            }
        }
    }

    fn store(&mut self, dir: &str, files: BTreeMap<String, Option<Payload>>) {
        for (path, content) in files {
            if let Some(bytes) = content.and_then(|content| content.to_vec(self.setting.packages).ok()) {
                let base = if dir.is_empty() { "/sim" } else { dir };
                self.files.insert(format!("{base}/{path}"), bytes);
            }
        }
    }
}

/// The address of who listens on all addresses, at the port of this one.
fn everywhere(at: &Address) -> Address {
    match at {
        Address::Tcp(text) => {
            let port = text.rsplit_once(':').map_or("", |(_, port)| port);
            Address::Tcp(format!("0.0.0.0:{port}"))
        }
        other => other.clone(),
    }
}
