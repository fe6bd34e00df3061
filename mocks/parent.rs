//! A parent between the harness and a subject: it starts the subject and passes everything on, both ways, so that a
//! case can take it away and see what the subject does about it.

use std::collections::BTreeMap;

use crate::actor::{Act, Actor, CloseHow, Exit, Part, Payload, Pieces, Target, What, WireId};
use crate::mocks::{Acting, Role, actor};

/// The word after `plugfest mock` that stands for it.
pub const NAME: &str = "parent";
const CHILD: WireId = WireId::own(1);
/// Exit status of a command that cannot be started, as of shells.
const NOT_FOUND: i32 = 127;

/// The parent of a command.
pub fn of(command: &[String]) -> Box<dyn Actor> {
    actor(Parent { command: command.to_vec() })
}

struct Parent {
    command: Vec<String>,
}

impl Role for Parent {
    fn take(&mut self, what: &What, out: &mut Acting<'_>) {
        match what {
            What::Start { given, .. } => self.start(&given.env, out),
            What::Bytes { wire: WireId::STDIO, bytes, .. } => out.write(CHILD, bytes.0.clone()),
            What::Bytes { part, bytes, .. } => pass_on(*part, bytes.0.clone().into(), out),
            What::Ended { wire: WireId::STDIO, .. } => out.close(CHILD, CloseHow::Write),
            What::Signal { wire: WireId::STDIO, signal } => {
                out.act(Act::Signal { wire: CHILD, signal: *signal });
            }
            What::Exited { wire: CHILD, status } => out.exit(*status),
            What::Failed { why, .. } => {
                out.complain(&why.text);
                out.exit(Exit::Code(NOT_FOUND));
            }
            _ => {}
        }
    }
}

impl Parent {
    fn start(&self, env: &BTreeMap<String, String>, out: &mut Acting<'_>) {
        let to = Target::Spawn { argv: self.command.clone(), env: env.clone(), dir: None };
        out.act(Act::Open { wire: CHILD, to });
    }
}

fn pass_on(part: Part, bytes: Payload, out: &mut Acting<'_>) {
    out.act(Act::Write { wire: WireId::STDIO, part, bytes, pieces: Pieces::Whole });
}
