//! How a session ends: client done, the end of input, signals of the system.

use super::{Dialect, Plugin};
use crate::actor::{Act, CloseHow, Exit, WireId};
use crate::codec::Codec;
use crate::mocks::Acting;

impl Plugin {
    pub(super) fn client_done(&mut self, out: &mut Acting<'_>) {
        match self.mutant.as_str() {
            "client-done-ignored" => {}
            "client-done-drops-runs" => out.exit(Exit::Code(0)),
            "client-done-status-one" => self.leaving = Some(1),
            _ => self.leaving = Some(0),
        }
    }

    pub(super) fn input_ended(&mut self, out: &mut Acting<'_>) {
        let ignored = self.is("end-of-input-ignored") || self.is("end-of-input-awaited");
        if self.leaving.is_some() || ignored {
            return;
        }
        if self.dialect != Dialect::V3 && self.is_done {
            return self.leaving = Some(0);
        }
        if self.codec.finish().is_some() && self.greeted {
            if self.is("claimed-length-is-awaited") {
                return;
            }
            return self.malformed("the stream ends inside a message", out);
        }
        self.leaving = Some(if self.is("end-of-input-status-zero") { 0 } else { 1 });
    }

    pub(super) fn signal(&mut self, signal: i32, out: &mut Acting<'_>) {
        match signal {
            15 if self.dialect != Dialect::V3 => self.terminated(out),
            15 => self.end(0, out),
            2 if self.is("interrupt-ends-plugin") => self.end(130, out),
            2 if self.is("interrupt-at-work-ends-plugin") && !self.waiting.is_empty() => self.end(130, out),
            _ => {}
        }
    }

    /// Ends once nothing runs any more.
    pub(super) fn leave_if_idle(&mut self, out: &mut Acting<'_>) {
        if let Some(status) = self.leaving
            && self.waiting.is_empty()
        {
            self.end(status, out);
        }
    }

    /// Ends now; no child is left behind.
    pub(super) fn end(&mut self, status: i32, out: &mut Acting<'_>) {
        for payload in std::mem::take(&mut self.last.results) {
            out.print(payload);
        }
        for child in 1..=self.children {
            out.act(Act::Signal { wire: WireId::own(child), signal: 15 });
        }
        out.close(WireId::STDIO, CloseHow::Write);
        out.exit(Exit::Code(status));
    }
}
