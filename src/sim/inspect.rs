//! What `inspect` sees: processes as their actors are, and the folder of the case.

use super::World;
use super::link::{End, LinkKind};
use crate::actor::{ActId, Address, EVERYBODY, Inspect, Value, What, WireId};
use crate::datum::Datum;

impl World<'_> {
    pub(super) fn inspect(&mut self, me: usize, act: ActId, wire: WireId, what: Inspect) {
        let datum = match what {
            Inspect::Files => self.tree(),
            Inspect::Process => self.process(me, wire),
        };
        self.tell(self.now + super::LATENCY, me, What::Got { act, value: Value::Datum(datum) });
    }

    /// What lies in the folder of the case: files with their lengths, sockets with their modes.
    fn tree(&self) -> Datum {
        let below = |path: &str| path.strip_prefix("/sim/").unwrap_or(path).to_owned();
        let files = self.files.iter().map(|(path, bytes)| (below(path), Datum::from(bytes.len() as u64)));
        let listening = self.listeners.iter().filter_map(|(at, (owner, _))| match at {
            Address::Unix(path) if *owner != 0 => Some(path),
            _ => None,
        });
        let socket = |path: &String| {
            let mode = self.modes.get(path).copied().unwrap_or(EVERYBODY);
            (below(path), Datum::map([("mode", Datum::text(format!("{mode:04o}")))]))
        };
        Datum::map(files.chain(listening.chain(&self.stale).map(socket)))
    }

    /// The process at the other end of a wire, as its actor is: it takes no memory and no time, but an event costs it a
    /// millisecond.
    fn process(&mut self, me: usize, wire: WireId) -> Datum {
        let party = self.other(me, wire).map(|(_, party, _)| party);
        let busy = party.map_or(0, |party| {
            let party = &mut self.parties[party];
            let seq = party.seq;
            seq - std::mem::replace(&mut party.looked, seq)
        });
        let played = self.parties[me].ends.get(&wire).filter(|end| end.side == 1);
        let played = played.map(|end| &self.links[end.link]);
        let alive = match played.filter(|link| link.kind == LinkKind::Process) {
            Some(relay) => !relay.closed,
            None => party.is_some_and(|party| self.parties[party].alive),
        };
        let children = party.map(|party| self.parties[party].children.clone()).unwrap_or_default();
        let children = children.into_iter().filter(|child| self.parties[*child].alive);
        let children = children.map(|child| Datum::map([("pid", Datum::from(child as u64))]));
        let listening = self.listeners.iter().filter(|(_, (owner, _))| Some(*owner) == party);
        let zero = || Datum::from(0_u64);
        Datum::map([
            ("alive", Datum::from(alive)),
            ("zombie", Datum::from(false)),
            ("rss", zero()),
            ("peak", zero()),
            ("cpu_ms", zero()),
            ("busy_ms", Datum::from(busy)),
            ("fds", Datum::from(party.map_or(0, |party| self.descriptors(party)))),
            ("children", Datum::array(children)),
            ("listening", Datum::array(listening.map(|(at, _)| Datum::text(listed(at))))),
        ])
    }

    /// What a party holds open: its standard streams, its listeners, and connections that it has not closed.
    fn descriptors(&self, party: usize) -> u64 {
        let listeners = self.listeners.values().filter(|(owner, _)| *owner == party).count();
        let open = |end: &&End| self.links[end.link].kind == LinkKind::Socket && !end.released;
        3 + (listeners + self.parties[party].ends.values().filter(open).count()) as u64
    }
}

/// An address as `inspect` names it.
fn listed(at: &Address) -> String {
    match at {
        Address::Tcp(text) => format!("tcp:{text}"),
        Address::Unix(path) | Address::Relay(path) => format!("unix:{path}"),
    }
}
