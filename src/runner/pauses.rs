//! How often a write in pieces pauses: the simulator does not, the shell does, and so the case takes long there.

use crate::actor::{Act, Doing, Event};
use crate::transcript::Record;

/// A record that counts pauses by the way.
pub(super) struct Pausing<'a, R> {
    record: &'a mut R,
    /// How many there were so far, at most.
    pub(super) pauses: u64,
}

impl<'a, R> Pausing<'a, R> {
    pub(super) fn new(record: &'a mut R) -> Self {
        Self { record, pauses: 0 }
    }
}

impl<R: Record> Record for Pausing<'_, R> {
    fn event(&mut self, event: Event) {
        self.record.event(event);
    }

    fn doing(&mut self, doing: &Doing) {
        if let Act::Write { bytes, pieces, .. } = &doing.act {
            self.pauses += pieces.cuts(bytes.len());
        }
        self.record.doing(doing);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actor::{ActId, Part, Payload, Pieces, WireId};
    use crate::codec::Sink;

    #[test]
    fn only_what_is_cut_pauses() {
        let mut payload = Payload::default();
        payload.bytes(b"seven b");
        let mut none = ();
        let mut pausing = Pausing::new(&mut none);
        for (pieces, pauses) in [(Pieces::Whole, 0), (Pieces::Each(1), 7), (Pieces::Sizes(vec![1, 2]), 9)] {
            let (wire, bytes) = (WireId::STDIO, payload.clone());
            let act = Act::Write { wire, part: Part::Main, bytes, pieces };
            pausing.doing(&Doing { id: ActId(1), act });
            assert_eq!(pausing.pauses, pauses);
        }
    }
}
