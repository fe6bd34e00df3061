//! What is known of lanes, and how what comes on wires gets to them.

use std::collections::VecDeque;
use std::ops::Range;

use super::said::Said;
use super::wire::{STDERR_READ, Wire};
use super::{LaneSource, Play, Stage, part_of};
use crate::actor::{Act, Address, CloseHow, ClosedHow, Nanos, Part, Peer, WireId};
use crate::datum::{Compare, Datum, Kind};
use crate::play::Asked;
use crate::scenario::Source;

/// Most messages of a lane that a finding can name.
const RECENT: usize = 32;

/// What is known of a lane.
#[derive(Default)]
pub(super) struct LaneState {
    /// Its steps in file order, and how many of them are met.
    pub(super) steps: Vec<usize>,
    pub(super) head: usize,
    /// Its wires in the order in which they opened.
    pub(super) wires: Vec<WireId>,
    /// The wire of the message that was taken last, else the one opened last.
    pub(super) current: Option<WireId>,
    /// When the step before the head was met.
    pub(super) last_met: Nanos,
    /// The last messages.
    pub(super) recent: VecDeque<Recent>,
    /// The listener behind it, and its address.
    pub(super) listener: Option<(WireId, Option<Address>)>,
    /// How its values are compared: as its codec says.
    pub(super) compare: Compare,
}

impl LaneState {
    /// Remembers a message and who took it.
    pub(super) fn remember(&mut self, said: Said, taker: Option<String>) {
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(Recent { said, taker });
    }
}

/// A message or observation that came, for the explanation of a later finding.
pub(super) struct Recent {
    pub(super) said: Said,
    /// The step or rule that took it, if one did.
    pub(super) taker: Option<String>,
}

impl super::Script {
    /// Whether messages of a lane come from the standard output of the subject.
    pub(super) fn is_stdio(&self, lane: usize) -> bool {
        match self.lanes[lane].source {
            LaneSource::Declared(source) => source == Source::Stdio || source == Source::Process,
            LaneSource::View { of, .. } => self.is_stdio(of),
            LaneSource::Made { like } => self.is_stdio(like),
        }
    }

    /// The lane of the subject's standard output, or `process` where it has none.
    pub(super) fn stdio_lane(&self) -> usize {
        let declared = |wanted: Source| {
            self.lanes
                .iter()
                .position(|lane| matches!(lane.source, LaneSource::Declared(source) if source == wanted))
        };
        declared(Source::Stdio).or_else(|| declared(Source::Process)).unwrap_or(0)
    }
}

impl Play {
    pub(super) fn listening(&mut self, id: WireId, at: &Address) {
        let Some(lane) =
            self.lanes.iter().position(|lane| lane.listener.as_ref().is_some_and(|(wire, _)| *wire == id))
        else {
            return;
        };
        self.lanes[lane].listener = Some((id, Some(at.clone())));
        let name = self.script.lanes[lane].name.clone();
        let (url, port) = match at {
            Address::Tcp(at) => {
                (format!("http://{at}"), at.rsplit_once(':').and_then(|(_, port)| port.parse::<i64>().ok()))
            }
            Address::Unix(path) => (format!("unix:{path}"), None),
            Address::Relay(path) => {
                let program = self.bindings.get("self").and_then(Datum::as_inserted).unwrap_or_default();
                self.bindings
                    .set("peer", Datum::array([program.into(), "relay".into(), path.clone().into()]));
                (path.clone(), None)
            }
        };
        self.bindings.set(format!("{name}.url"), url.clone());
        if let Some(port) = port {
            self.bindings.set(format!("{name}.port"), port);
        }
        if name == "upstream" {
            self.bindings.set(name, url);
        } else if lane == 0 || matches!(self.script.lanes[lane].source, LaneSource::Declared(_)) {
            if let Some(port) = port {
                self.bindings.set("port", port);
                self.bindings.set("url", url);
            } else if let Address::Unix(path) = at {
                self.bindings.set("socket", path.clone());
            }
        }
        self.answered(|asked| matches!(asked, Asked::Listener | Asked::Step(_)), id);
    }

    /// The act on this wire that the world has answered, if a step waits for it.
    fn answered(&mut self, wanted: impl Fn(&Asked) -> bool, id: WireId) {
        let act = self.wires.get(&id).and_then(|wire| wire.acts.first().copied());
        let act = act.or_else(|| self.asked.iter().find(|(_, asked)| wanted(asked)).map(|(act, _)| *act));
        let Some(act) = act else { return };
        match self.asked.remove(&act) {
            Some(Asked::Step(step)) => self.meet(step),
            Some(Asked::Drive(step)) => self.drive_has_started(step),
            _ => {}
        }
    }

    pub(super) fn opened(&mut self, id: WireId, from: Option<WireId>, peer: &Peer) {
        if let Some(listener) = from {
            let owner = |lane: &super::lane::LaneState| {
                lane.listener.as_ref().is_some_and(|(wire, _)| *wire == listener)
            };
            let Some(lane) = self.lanes.iter().position(owner) else { return };
            let wire = Wire::new(self, lane, matches!(peer, Peer::Process { .. }), true);
            self.wires.insert(id, wire);
        }
        let Some(wire) = self.wires.get_mut(&id) else { return };
        wire.opened = true;
        self.reached |= !wire.is_process && from.is_none();
        let first = wire.first.take();
        let (lane, is_subject) = (wire.lane, self.subject == Some(id));
        self.lanes[lane].wires.push(id);
        self.lanes[lane].current = Some(id);
        let datum = match peer {
            Peer::Socket { addr } => Datum::map([("addr", Datum::text(addr))]),
            Peer::Process { argv, env, pid } => Datum::map([
                ("argv", Datum::array(argv.iter().map(Datum::text))),
                ("env", Datum::map(env.iter().map(|(key, value)| (key.clone(), Datum::text(value))))),
                ("pid", Datum::from(u64::from(*pid))),
            ]),
        };
        self.answered(|_| false, id);
        if let Some((bytes, pieces)) = first {
            self.stage(lane).write(id, Part::Main, bytes, pieces);
        }
        if is_subject {
            let lane = self.script.lane("process").unwrap_or(0);
            self.deliver(lane, Some(id), Kind::Opened, datum, 0..0);
        } else {
            self.observe(id, Kind::Opened, datum);
        }
    }

    pub(super) fn bytes(&mut self, id: WireId, part: Part, bytes: &[u8]) {
        self.received += bytes.len() as u64;
        if self.received > self.script.flood && !self.is_killing() {
            let lane = self.wires.get(&id).map_or(0, |wire| wire.lane);
            self.flood(lane);
            return;
        }
        let Some(wire) = self.wires.get_mut(&id) else { return };
        wire.feed(part, bytes);
        self.drain(id, part);
    }

    /// Delivers every message that is complete; what each makes due happens before the next, so that it does not
    /// matter in which chunks they came.
    fn drain(&mut self, id: WireId, part: Part) {
        while let Some(wire) = self.wires.get_mut(&id) {
            let Some((lane, result)) = wire.next(part) else { return };
            if part == Part::Stderr && wire.stderr_read == STDERR_READ {
                self.notes.push(format!("lines of standard error after the {STDERR_READ}th are not read"));
            }
            match result {
                Ok(message) => self.deliver(lane, Some(id), message.kind, message.datum, message.wire),
                Err(malformed) => {
                    let datum = Datum::text(&malformed.reason);
                    self.deliver(lane, Some(id), Kind::Malformed, datum, malformed.at..malformed.at + 48);
                }
            }
            self.advance(false);
        }
    }

    pub(super) fn ended(&mut self, id: WireId, part: Part) {
        let Some(wire) = self.wires.get_mut(&id) else { return };
        let cut = wire.finish(part);
        self.drain(id, part);
        if part == Part::Stderr {
            return;
        }
        // Whom we make to end after a failure we may cut off amid what it says.
        let is_cut_by_us = self.is_aborted() && self.is_made_to_end();
        if let Some(malformed) = cut.filter(|_| !is_cut_by_us) {
            let lane = self.wires.get(&id).map_or(0, |wire| match wire.http() {
                Some(_) => wire.view,
                None => wire.lane,
            });
            let range = malformed.at.saturating_sub(16)..malformed.at;
            self.deliver(lane, Some(id), Kind::Malformed, Datum::text(&malformed.reason), range);
        }
        if self.wires.get(&id).is_some_and(|wire| wire.http().is_some()) {
            self.http_ended(id);
        } else {
            self.observe(id, Kind::End, Datum::Null);
        }
        self.let_relay_go(id);
        self.fail_hopeless();
    }

    /// The other side of an HTTP connection has closed its writing side, and with it the connection: `$end` is
    /// the end of a body.
    fn http_ended(&mut self, id: WireId) {
        let Some(wire) = self.wires.get_mut(&id) else { return };
        wire.open_exchanges = 0;
        if wire.is_client && !wire.we_closed {
            wire.we_closed = true;
            self.act(Act::Close { wire: id, how: CloseHow::Both });
        }
        self.observe(id, Kind::Closed, Datum::Null);
    }

    pub(super) fn closed(&mut self, id: WireId, how: ClosedHow) {
        if self.wires.get(&id).is_some_and(|wire| !wire.ended && !wire.closed) && how == ClosedHow::Fin {
            self.ended(id, Part::Main);
        }
        let Some(wire) = self.wires.get_mut(&id) else { return };
        wire.closed = true;
        wire.open_exchanges = 0;
        if wire.ended && wire.http().is_some() && how == ClosedHow::Fin {
            return;
        }
        let kind = if how == ClosedHow::Fin { Kind::Closed } else { Kind::Reset };
        self.observe(id, kind, Datum::Null);
        self.fail_hopeless();
    }

    /// Delivers what happened to a wire to the view that took its last message, else to its lane.
    pub(super) fn observe(&mut self, id: WireId, kind: Kind, datum: Datum) {
        let Some(wire) = self.wires.get(&id) else { return };
        let lane = wire.view;
        self.deliver(lane, Some(id), kind, datum, 0..0);
    }

    /// Delivers what became of a process: to `process`, and where nobody takes it there, to its output's lane.
    pub(super) fn observe_process(&mut self, id: WireId, kind: Kind, datum: Datum) {
        let lane = if self.subject == Some(id) { self.script.lane("process") } else { None };
        match lane {
            Some(lane) => self.deliver(lane, Some(id), kind, datum, 0..0),
            None => self.observe(id, kind, datum),
        }
    }

    /// Remembers which view took the last message of a wire; what it writes to its standard error is none.
    pub(super) fn viewed(&mut self, id: WireId, lane: usize) {
        let is_stderr = part_of(&self.script.lanes[self.root(lane)].source) == Part::Stderr;
        if let Some(wire) = self.wires.get_mut(&id).filter(|_| !is_stderr) {
            wire.view = lane;
        }
    }

    /// The bytes of a message, as far as they are kept.
    pub(super) fn bytes_of(&self, id: Option<WireId>, range: &Range<u64>) -> &[u8] {
        id.and_then(|id| self.wires.get(&id)).map_or(&[], |wire| wire.slice(range))
    }

    /// Whether anything can still come on a lane.
    pub(super) fn is_alive(&self, lane: usize) -> bool {
        let root = self.root(lane);
        match self.script.lanes[root].source {
            LaneSource::Declared(Source::Stdio | Source::Process | Source::Stderr) => {
                self.subject.is_none_or(|id| self.wires.get(&id).is_none_or(|wire| !wire.is_spent()))
            }
            LaneSource::Declared(
                Source::AcceptRelay | Source::AcceptTcp | Source::AcceptUnix | Source::AcceptHttp,
            ) => true,
            LaneSource::Declared(Source::Driver) if self.driver.is_some() => true,
            _ => {
                let wires = &self.lanes[root].wires;
                (wires.is_empty() && !self.subject_is_gone())
                    || wires.iter().any(|id| self.wires.get(id).is_some_and(|wire| !wire.is_spent()))
            }
        }
    }

    /// Whether the subject that we started has ended.
    pub(super) fn subject_is_gone(&self) -> bool {
        self.subject.and_then(|id| self.wires.get(&id)).is_some_and(|wire| wire.exited.is_some())
    }

    /// Whether every connection of a lane to the subject has come to its end, so that no message can come.
    pub(super) fn has_ended(&self, lane: usize) -> bool {
        let root = self.root(lane);
        let connects = matches!(
            self.script.lanes[root].source,
            LaneSource::Declared(Source::ConnectUnix | Source::ConnectTcp) | LaneSource::Made { .. }
        );
        let wires = &self.lanes[root].wires;
        let over = |id: &WireId| {
            self.wires.get(id).is_some_and(|wire| !wire.is_process && (wire.ended || wire.closed))
        };
        connects && !wires.is_empty() && wires.iter().all(over)
    }

    /// The lane that a view is cut out of, itself if it is none.
    pub(super) fn root(&self, lane: usize) -> usize {
        match self.script.lanes[lane].source {
            LaneSource::View { of, .. } => self.root(of),
            _ => lane,
        }
    }

    /// A stage for an act of a lane.
    pub(super) fn stage(&mut self, lane: usize) -> Stage<'_> {
        Stage::new(self, lane, None, None)
    }
}
