//! What the acts of scenarios can do.

use super::wire::Wire;
use super::{Asked, LaneSource, Play, Redial};
use crate::actor::{Act, ActId, Address, CloseHow, EVERYBODY, Part, Payload, Pieces, Target, WireId};
use crate::codec::Layout;
use crate::codec::http1::Http1;
use crate::datum::{Bindings, Datum, Kind};
use crate::scenario::Source;

/// The play, seen from one act of one lane.
pub struct Stage<'a> {
    pub(super) play: &'a mut Play,
    pub(super) lane: usize,
    /// The connection of the message that is answered.
    wire: Option<WireId>,
    bindings: Option<&'a Bindings>,
}

impl<'a> Stage<'a> {
    pub(super) fn new(
        play: &'a mut Play,
        lane: usize,
        wire: Option<WireId>,
        bindings: Option<&'a Bindings>,
    ) -> Self {
        Self { play, lane, wire, bindings }
    }

    /// The names that are bound here.
    pub fn bindings(&self) -> &Bindings {
        self.bindings.unwrap_or(&self.play.bindings)
    }

    /// The headers that every request to the subject has.
    pub(super) fn usual_headers(&self) -> Vec<(String, String)> {
        let headers = &self.play.script.subject.headers;
        headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// The connection of the message that this lane took last, else the one opened last.
    pub fn connection(&self) -> Option<WireId> {
        let lanes =
            std::iter::successors(Some(self.lane), |lane| match self.play.script.lanes[*lane].source {
                LaneSource::View { of, .. } => Some(of),
                _ => None,
            });
        let stdio = self.play.subject.filter(|_| self.play.script.is_stdio(self.lane));
        let current =
            self.wire.or_else(|| lanes.into_iter().find_map(|lane| self.play.lanes[lane].current)).or(stdio);
        current.filter(|id| self.play.wires.get(id).is_some_and(|wire| wire.opened))
    }

    /// The process of this lane: the subject's, unless the lane has its own.
    pub fn process(&self) -> Option<WireId> {
        let own = self.play.lanes[self.lane].current;
        let own = own.filter(|id| self.play.wires.get(id).is_some_and(|wire| wire.is_process));
        own.or(self.play.subject)
    }

    /// The relay of this lane: what the subject takes for the process that it started.
    pub fn relay(&self) -> Option<WireId> {
        let root = self.play.root(self.lane);
        let relays = matches!(self.play.script.lanes[root].source, LaneSource::Declared(Source::AcceptRelay));
        self.connection().filter(|_| relays)
    }

    /// Asks the world for an act.
    pub fn act(&mut self, act: Act) -> ActId {
        self.play.act(act)
    }

    /// The answer to this act is a message of the act's lane.
    pub fn expect_answer(&mut self, act: ActId) {
        self.play.asked.insert(act, Asked::Question(self.lane));
    }

    /// Encodes a message for a wire.
    ///
    /// # Errors
    /// Why the format cannot say it.
    pub fn encode(
        &mut self,
        wire: WireId,
        kind: Kind,
        datum: &Datum,
        out: &mut Payload,
    ) -> Result<(), String> {
        match self.play.wires.get_mut(&wire) {
            Some(wire) => wire.codec.encode(kind, datum, out),
            None => Err(format!("there is no wire {wire}")),
        }
    }

    /// Encodes a message in an odd layout.
    ///
    /// # Errors
    /// Why the format cannot say it so.
    pub fn encode_odd(
        &mut self,
        wire: WireId,
        datum: &Datum,
        layout: &Layout,
        out: &mut Payload,
    ) -> Result<(), String> {
        match self.play.wires.get_mut(&wire) {
            Some(wire) => wire.codec.encode_odd(datum, layout, out),
            None => Err(format!("there is no wire {wire}")),
        }
    }

    /// Queues bytes.
    pub fn write(&mut self, wire: WireId, part: Part, bytes: Payload, pieces: Pieces) {
        if bytes.is_empty() {
            return;
        }
        self.play.chart.wrote(&self.play.script.lanes[self.lane].name, &bytes);
        let act = self.act(Act::Write { wire, part, bytes, pieces });
        if let Some(wire) = self.play.wires.get_mut(&wire) {
            wire.acts.push(act);
        }
    }

    /// Puts a value that we send into the chart.
    pub fn note_sent(&mut self, value: &Datum) {
        let lane = self.play.script.lanes[self.lane].name.clone();
        self.play.chart.sent(lane, value);
    }

    /// Remembers that we closed a wire.
    pub fn closed(&mut self, wire: WireId, how: CloseHow) {
        let lane = self.play.script.lanes[self.lane].name.clone();
        self.play.chart.did(lane, &format!("close {how:?}").to_lowercase());
        if let Some(wire) = self.play.wires.get_mut(&wire) {
            wire.we_closed = true;
        }
    }

    /// Remembers that what becomes of the subject from here on is our doing.
    pub fn ends_subject(&mut self, wire: WireId) {
        self.play.ending |= self.play.subject == Some(wire);
    }

    pub(super) fn new_wire(&mut self, lane: usize, is_process: bool) -> WireId {
        let id = WireId::own(self.play.next_wire);
        self.play.next_wire += 1;
        let wire = Wire::new(self.play, lane, is_process, false);
        self.play.wires.insert(id, wire);
        id
    }

    /// Opens a connection to the subject, as a lane of this name.
    ///
    /// # Errors
    /// An address that is none.
    pub fn open(&mut self, name: &str, to: Option<&str>) -> Result<ActId, String> {
        let lane = self.play.script.lane(name).ok_or_else(|| format!("there is no lane `{name}`"))?;
        let addr = match to {
            Some(to) => {
                let to = self.bindings().insert_into(to).map_err(|name| format!("`{name}` is not bound"))?;
                match to.strip_prefix("unix:") {
                    Some(path) => Address::Unix(path.into()),
                    None => Address::Tcp(to),
                }
            }
            None => self.subject_address(lane)?,
        };
        let wire = self.new_wire(lane, false);
        self.play.chart.did(name.into(), "open");
        Ok(self.connect(wire, addr, false))
    }

    /// Connects; where the subject is still starting, again until it listens.
    pub(super) fn connect(&mut self, wire: WireId, addr: Address, tls: bool) -> ActId {
        let act = self.act(Act::Open { wire, to: Target::Connect { addr: addr.clone(), tls } });
        if let Some(wire) = self.play.wires.get_mut(&wire) {
            wire.acts = vec![act];
        }
        if !self.play.reached {
            self.play.redials.retain(|redial| redial.wire != wire);
            self.play.redials.push(Redial { wire, addr, tls, due: None });
        }
        act
    }

    /// The connection of this lane to a host, if a request can go out on it.
    pub(super) fn open_exchange(&self, host: &str) -> Option<WireId> {
        let lane = &self.play.lanes[self.lane];
        let fits = |id: &&WireId| {
            self.play.wires.get(id).is_some_and(|wire| wire.takes_requests() && wire.host == host)
        };
        lane.wires.iter().rev().find(fits).copied()
    }

    /// A new wire for requests of this lane.
    pub(super) fn new_exchange(&mut self, host: &str) -> WireId {
        let id = self.new_wire(self.lane, false);
        if let Some(wire) = self.play.wires.get_mut(&id) {
            wire.host = host.into();
            wire.open_exchanges = 1;
        }
        id
    }

    /// Counts a request that goes out on an open connection.
    pub(super) fn begin_exchange(&mut self, wire: WireId) {
        if let Some(wire) = self.play.wires.get_mut(&wire) {
            wire.open_exchanges += 1;
        }
        self.play.lanes[self.lane].current = Some(wire);
    }

    /// Connects, and writes this first.
    pub(super) fn connect_first(
        &mut self,
        wire: WireId,
        addr: Address,
        tls: bool,
        bytes: Payload,
        pieces: Pieces,
    ) -> ActId {
        if let Some(wire) = self.play.wires.get_mut(&wire) {
            wire.first = Some((bytes, pieces));
        }
        self.connect(wire, addr, tls)
    }

    /// The HTTP codec of a wire.
    pub(super) fn http(&mut self, wire: WireId) -> Result<&mut Http1, String> {
        let wire = self.play.wires.get_mut(&wire).and_then(Wire::http_mut);
        wire.ok_or_else(|| "this lane does not speak HTTP".into())
    }

    fn subject_address(&self, lane: usize) -> Result<Address, String> {
        let text = |name: &str| {
            self.bindings().get(name).and_then(Datum::as_inserted).ok_or(format!("`{name}` is not bound"))
        };
        if let Some(attach) = &self.play.script.subject.attach {
            return attach.address();
        }
        match self.play.script.lanes[lane].source {
            LaneSource::Declared(Source::ConnectUnix) => text("socket").map(Address::Unix),
            LaneSource::Declared(_) => text("port").map(|port| Address::Tcp(format!("127.0.0.1:{port}"))),
            LaneSource::Made { like } => self.subject_address(like),
            LaneSource::View { of, .. } => self.subject_address(of),
        }
    }

    /// Listens for connections of the subject, as a lane of this name.
    ///
    /// # Errors
    /// A lane that cannot listen.
    pub fn listen(&mut self, name: &str, at: Option<&str>) -> Result<ActId, String> {
        let lane = self.play.script.lane(name).ok_or_else(|| format!("there is no lane `{name}`"))?;
        let before = self.play.lanes[lane].listener.take();
        let id = WireId::own(self.play.next_wire);
        self.play.next_wire += 1;
        let address = match (at, before.and_then(|(_, address)| address)) {
            (Some(at), _) => {
                let at = self.bindings().insert_into(at).map_err(|name| format!("`{name}` is not bound"))?;
                match at.strip_prefix("unix:") {
                    Some(path) => Address::Unix(path.into()),
                    None => Address::Tcp(at),
                }
            }
            (None, Some(address)) => address,
            (None, None) => self.own_address(lane, name)?,
        };
        self.play.lanes[lane].listener = Some((id, None));
        Ok(self.act(Act::Listen { wire: id, at: address, over_stale: true, mode: EVERYBODY }))
    }

    fn own_address(&self, lane: usize, name: &str) -> Result<Address, String> {
        let dir = self.bindings().get("dir").and_then(Datum::as_inserted).unwrap_or_default();
        let path = format!("{dir}/{name}.sock");
        match self.play.script.lanes[lane].source {
            LaneSource::Declared(Source::AcceptRelay) => Ok(Address::Relay(path)),
            LaneSource::Declared(Source::AcceptUnix) => Ok(Address::Unix(path)),
            LaneSource::Declared(
                Source::AcceptTcp | Source::ConnectTcp | Source::AcceptHttp | Source::ConnectHttp,
            ) => Ok(Address::Tcp("127.0.0.1:0".into())),
            LaneSource::Declared(Source::ConnectUnix) => Ok(Address::Unix(path)),
            LaneSource::Made { like } => self.own_address(like, name),
            _ => Err(format!("the lane `{name}` cannot listen")),
        }
    }

    /// Stops listening; connections that were accepted stay.
    ///
    /// # Errors
    /// A lane that does not listen.
    pub fn unlisten(&mut self, name: &str) -> Result<(), String> {
        let lane = self.play.script.lane(name).ok_or_else(|| format!("there is no lane `{name}`"))?;
        let Some((wire, _)) = self.play.lanes[lane].listener.clone() else {
            return Err(format!("`{name}` does not listen"));
        };
        self.act(Act::Close { wire, how: CloseHow::Unlisten });
        Ok(())
    }
}
