//! The border between logic and world: an actor gets [`Event`]s and answers with [`Doing`]s, and does no I/O.
//!
//! The harness side of a case (`play`) and every reference implementation (`mocks`) are actors. The shell
//! connects one to the real world, the simulator connects several to each other.

mod act;
mod event;
mod payload;

pub use act::{Act, ActId, Address, CloseHow, Doing, EVERYBODY, Inspect, Target};
pub use event::{
    ClosedHow, Event, Exit, Failure, Given, Nanos, Part, Peer, SECOND, Value, What, Why, WireId,
};
pub use payload::{Blob, Payload, Piece, Pieces};

/// Whoever takes part in an exchange. Never waits, reads no clock, touches no file.
pub trait Actor: Send {
    /// Takes one event and appends what is to be done about it.
    fn on(&mut self, event: &Event, doings: &mut Vec<Doing>);
}

/// Numbers an actor's doings. Most actors keep one and push through it.
#[derive(Debug, Default)]
pub struct Doings {
    next: u64,
}

impl Doings {
    /// Appends an act under the next number and tells the number.
    pub fn push(&mut self, doings: &mut Vec<Doing>, act: Act) -> ActId {
        let id = ActId(self.next);
        self.next += 1;
        doings.push(Doing { id, act });
        id
    }
}
