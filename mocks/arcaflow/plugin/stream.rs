//! Bytes to messages and back, and what is no message.

use super::{Dialect, Plugin};
use crate::actor::{Exit, Payload};
use crate::codec::Codec;
use crate::codec::cbor::{self, Cbor};
use crate::datum::{Datum, Head, Width};
use crate::mocks::Acting;

impl Plugin {
    pub(super) fn bytes(&mut self, bytes: &[u8], out: &mut Acting<'_>) {
        if self.is("loses-second-of-read") {
            return self.first_message_of(bytes, out);
        }
        if self.is("cut-read-is-lost") && self.codec_is_inside() && self.greeted {
            self.codec = Cbor::default();
        }
        self.last.buffered.extend_from_slice(&bytes[..bytes.len().min(16)]);
        self.codec.feed(bytes);
        self.drain(out);
    }

    pub(super) fn codec_is_inside(&self) -> bool {
        let mut copy = Cbor::default();
        copy.feed(&self.last.buffered);
        copy.finish().is_some()
    }

    /// A mutant: treats a read as a message.
    pub(super) fn first_message_of(&mut self, bytes: &[u8], out: &mut Acting<'_>) {
        self.codec.feed(bytes);
        if let Some(Ok(message)) = self.codec.next() {
            self.last.buffered.clear();
            self.message(message, out);
            while self.codec.next().is_some() {}
        }
    }

    pub(super) fn drain(&mut self, out: &mut Acting<'_>) {
        while self.leaving.is_none() {
            match self.codec.next() {
                None => return,
                Some(Ok(message)) => {
                    self.last.buffered.clear();
                    self.message(message, out);
                }
                Some(Err(malformed)) => return self.malformed(&malformed.reason, out),
            }
        }
    }

    pub(super) fn malformed(&mut self, reason: &str, out: &mut Acting<'_>) {
        if self.is("ill-formed-hangs") {
            return;
        }
        if self.is("ill-formed-silently-ends") {
            return out.exit(Exit::Code(0));
        }
        if self.is("deep-nesting-aborts") && reason.contains("levels") {
            return out.exit(Exit::Signal(6));
        }
        if self.is("bad-utf8-passes") && reason.contains("UTF-8") {
            return;
        }
        if self.dialect != Dialect::V3 {
            return self.crash(reason, out);
        }
        let server_fatal = !self.is("ill-formed-not-fatal");
        self.error("", reason, false, server_fatal, out);
        self.leaving = Some(1);
    }

    /// Mutants that take fewer messages than there are.
    pub(super) fn dislikes(&self, datum: &Datum) -> Option<&'static str> {
        match self.mutant.as_str() {
            "indefinite-length-refused" => has_indefinite(datum).then_some("a length is missing"),
            "nesting-refused" => (depth(datum) > 16).then_some("too deep"),
            "half-float-refused" => holds(datum, &|value| matches!(value, Datum::Float(_, Width::Half)))
                .then_some("a float of 16 bits"),
            "tags-refused" => holds(datum, &|value| matches!(value, Datum::Tag(..))).then_some("a tag"),
            "joined-text-refused" => {
                holds(datum, &|value| matches!(value, Datum::Chunks(..))).then_some("a text in pieces")
            }
            "long-list-refused" => {
                let long = |value: &Datum| value.as_array().is_some_and(|items| items.len() > 65_536);
                holds(datum, &long).then_some("a list too long")
            }
            "unknown-keys-refused" => {
                let known = ["id", "run_id", "data"].map(Datum::text);
                let entries = datum.as_map().unwrap_or_default();
                entries.iter().any(|(key, _)| !known.contains(key)).then_some("an unknown key")
            }
            "bare-client-done-refused" => {
                let is_bare = datum.as_map().is_some_and(|entries| entries.len() < 3);
                (is_bare && datum.get("id").and_then(Datum::as_int) == Some(4)).then_some("a key is missing")
            }
            _ => None,
        }
    }

    /// Mutants that read a spelling as another value.
    pub(super) fn misread(&self, datum: Datum) -> Datum {
        match datum {
            Datum::Float(value, Width::Half) if value.abs() < 6.1e-5 && self.is("small-halves-are-zero") => {
                Datum::Float(0.0, Width::Half)
            }
            Datum::Array(mut items, head) => {
                if head == Head::Indefinite && self.is("open-lists-lose-their-last") {
                    items.pop();
                }
                Datum::Array(items, head)
            }
            Datum::Map(entries, head) => {
                let entries = entries.into_iter().map(|(key, value)| (key, self.misread(value)));
                Datum::Map(entries.collect(), head)
            }
            other => other,
        }
    }

    /// A mutant: fills what a message lacks from the message before it.
    pub(super) fn completed(&mut self, datum: Datum) -> Datum {
        let lacks = datum.as_map().is_none_or(|entries| entries.len() < 3);
        match (lacks, self.last.start.clone()) {
            (true, Some(last)) if datum.get("id").is_none_or(|id| id.as_int() == Some(1)) => last,
            _ => datum,
        }
    }

    pub(super) fn send(&mut self, message: &Datum, out: &mut Acting<'_>) {
        let mut payload = Payload::default();
        match message {
            Datum::Map(entries, head) if self.is("key-twice") && entries.len() > 2 => {
                let twice = entries.iter().chain(entries.first()).cloned().collect();
                cbor::encode(&Datum::Map(twice, *head), &mut payload);
            }
            _ => cbor::encode(message, &mut payload),
        }
        if self.is("buffer-of-one-MiB") {
            self.last.written += payload.to_vec(&|_| None).map_or(0, |bytes| bytes.len());
            if self.last.written > 1 << 20 {
                return;
            }
        }
        out.print(payload);
        if self.is("line-end-after-message") {
            out.print(b"\n".to_vec());
        }
    }
}

/// Whether a map or list in it says its end instead of its length.
fn has_indefinite(datum: &Datum) -> bool {
    let open =
        |value: &Datum| matches!(value, Datum::Map(_, Head::Indefinite) | Datum::Array(_, Head::Indefinite));
    holds(datum, &open)
}

/// Whether anything in it is so.
fn holds(datum: &Datum, so: &dyn Fn(&Datum) -> bool) -> bool {
    so(datum)
        || match datum {
            Datum::Map(entries, _) => entries.iter().any(|(_, value)| holds(value, so)),
            Datum::Array(items, _) => items.iter().any(|item| holds(item, so)),
            Datum::Tag(_, _, inner) => holds(inner, so),
            _ => false,
        }
}

fn depth(datum: &Datum) -> usize {
    let inner = match datum {
        Datum::Map(entries, _) => entries.iter().map(|(_, value)| depth(value)).max(),
        Datum::Array(items, _) => items.iter().map(depth).max(),
        _ => return 0,
    };
    1 + inner.unwrap_or_default()
}
