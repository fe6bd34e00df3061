//! What comes back, and what it means for installations and calls.

use super::{Daemon, Purpose};
use crate::actor::{CloseHow, Exit, Nanos, WireId};
use crate::codec::{Codec, Message};
use crate::datum::{Datum, Kind};
use crate::mocks::Acting;
use crate::mocks::dify_sri::web::header;
use crate::mocks::encoded::json_line;

/// Longest line of a stream; what is behind it is not read.
const LONGEST_LINE: usize = 30 << 20;

impl Daemon {
    pub(super) fn bytes(&mut self, wire: WireId, bytes: &[u8], out: &mut Acting<'_>) {
        let Some(exchange) = self.exchanges.get_mut(&wire) else { return };
        exchange.codec.feed(bytes);
        // The head may come with the first of the stream.
        let is_stream = matches!(exchange.purpose, Purpose::Launch(_)) && [0, 200].contains(&exchange.status);
        let disturbed = match self.mutant.as_str() {
            "chunk-is-an-event" => !bytes.ends_with(b"\n"),
            "comments-disturb" => bytes.windows(3).any(|window| window == b"\n: "),
            _ => false,
        };
        let mut longest = 0;
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            exchange.line += part.len();
            longest = longest.max(exchange.line);
            if part.ends_with(b"\n") {
                exchange.line = 0;
            }
        }
        // The ends of chunks are line ends too: so many bytes without an event are an endless line as well.
        exchange.unread += bytes.len();
        if is_stream
            && longest.max(exchange.unread) > LONGEST_LINE
            && self.mutant != "endless-line-is-skipped"
        {
            return self.over(wire, "a line of the stream is longer than 30 MiB", out);
        }
        if is_stream && disturbed {
            return self.over(wire, "the stream cannot be read", out);
        }
        self.drain(wire, out);
    }

    pub(super) fn drain(&mut self, wire: WireId, out: &mut Acting<'_>) {
        while let Some(next) = self.exchanges.get_mut(&wire).and_then(|exchange| exchange.codec.next()) {
            match next {
                Ok(message) => self.message(wire, message, out),
                Err(malformed) if malformed.fatal => return self.over(wire, &malformed.reason, out),
                Err(malformed) if self.call_on(wire).is_some() => {
                    let number = self.call_on(wire).unwrap_or_default();
                    self.calls[number].malformed(&malformed.reason);
                    self.close(wire, out);
                    self.called(number, out);
                }
                Err(_) if self.is("malformed-event-hangs") => {
                    self.exchanges.remove(&wire);
                }
                Err(_) => {}
            }
        }
    }

    pub(super) fn message(&mut self, wire: WireId, message: Message, out: &mut Acting<'_>) {
        let Some(exchange) = self.exchanges.get_mut(&wire) else { return };
        exchange.unread = 0;
        match (message.kind, exchange.purpose) {
            (Kind::Head, _) => {
                let status = message.datum.get("status").and_then(Datum::as_int);
                exchange.status = status.and_then(|status| i64::try_from(status).ok()).unwrap_or_default();
                if exchange.status != 200 && self.mutant == "refusal-is-read-for-ever" {
                    exchange.deadline = Nanos::MAX / 4;
                }
                let _ = header(&message.datum, "content-type");
            }
            (Kind::Message, Purpose::Launch(number)) if exchange.status == 200 => {
                if self.is("long-message-hangs") && message.datum.to_string().len() > 50_000 {
                    self.exchanges.remove(&wire);
                    return;
                }
                if self.tasks[number].event(&message.datum, &self.mutant) {
                    self.close(wire, out);
                    self.tell(number, out);
                } else if self.package.is_some() {
                    self.show(&message.datum, out);
                }
            }
            (Kind::Message, Purpose::Call(number)) if (200..300).contains(&exchange.status) => {
                let is_over = self.calls[number].line(&message.datum, &self.mutant);
                if is_over {
                    self.close(wire, out);
                    self.called(number, out);
                }
            }
            (Kind::Message, _) => {
                exchange.body.extend_from_slice(&message.datum.as_bytes().unwrap_or_default());
            }
            (Kind::End, purpose) => {
                let (status, body) = (exchange.status, std::mem::take(&mut exchange.body));
                self.close(wire, out);
                self.conclude(purpose, status, body, out);
            }
            _ => {}
        }
    }

    /// The call that is answered on this wire.
    pub(super) fn call_on(&self, wire: WireId) -> Option<usize> {
        match self.exchanges.get(&wire)?.purpose {
            Purpose::Call(number) => Some(number),
            _ => None,
        }
    }

    /// A call is over.
    pub(super) fn called(&mut self, number: usize, out: &mut Acting<'_>) {
        if self.answered(number, out) {
            return;
        }
        let call = &self.calls[number];
        let (key, value) = call.answer();
        if self.package.is_none() {
            return self.reply(call.operation, vec![(key, value)], out);
        }
        match &call.outcome {
            Some(Err(why)) => {
                out.complain(&format!("the call failed: {why}"));
                out.exit(Exit::Code(1));
            }
            _ => {
                for chunk in &call.chunks {
                    out.print(json_line(chunk));
                }
                out.exit(Exit::Code(0));
            }
        }
    }

    pub(super) fn close(&mut self, wire: WireId, out: &mut Acting<'_>) {
        let exchange = self.exchanges.remove(&wire);
        out.close(wire, CloseHow::Both);
        if exchange.is_some_and(|exchange| matches!(exchange.purpose, Purpose::Launch(_))) {
            self.launch_next(out);
        }
    }

    /// A connection is over, or was given up, before its response was.
    pub(super) fn over(&mut self, wire: WireId, why: &str, out: &mut Acting<'_>) {
        if let Some(exchange) = self.exchanges.get_mut(&wire) {
            let _ = exchange.codec.finish();
            self.drain(wire, out);
        }
        let Some(exchange) = self.exchanges.remove(&wire) else { return };
        out.close(wire, CloseHow::Both);
        match exchange.purpose {
            Purpose::Ping(id) if self.is("ready-without-runtime") => self.ready(id, Ok(()), out),
            Purpose::Ping(id) => self.ready(id, Err(format!("ping: {why}")), out),
            Purpose::Call(number) if exchange.sent && !self.is("reset-tried-again") => {
                self.calls[number].over(Err(why.into()));
                self.called(number, out);
            }
            Purpose::Call(number) => self.conclude(Purpose::Call(number), 502, why.as_bytes().to_vec(), out),
            Purpose::Launch(_) if self.is("broken-stream-hangs") => {}
            Purpose::Instances(number) | Purpose::Launch(number) => {
                self.tasks[number].fail(why);
                self.tell(number, out);
                self.launch_next(out);
            }
        }
    }

    /// A response has come whole.
    pub(super) fn conclude(&mut self, purpose: Purpose, status: i64, body: Vec<u8>, out: &mut Acting<'_>) {
        let text = String::from_utf8_lossy(&body).into_owned();
        match purpose {
            Purpose::Ping(id) => {
                let taken: &[&str] = match self.mutant.as_str() {
                    "only-quoted-pong" => &["\"pong\""],
                    "only-bare-pong" => &["pong"],
                    _ => &["pong", "\"pong\""],
                };
                let pong = taken.contains(&text.trim())
                    || match self.mutant.as_str() {
                        "any-pong" => true,
                        "pong-within" => text.contains("pong"),
                        _ => false,
                    };
                let is_good = match self.mutant.as_str() {
                    "any-ping-status" => true,
                    "any-good-ping-status" => (200..300).contains(&status),
                    _ => status == 200,
                };
                let ready = match (is_good, pong) {
                    (true, true) => Ok(()),
                    (false, _) => Err(format!("ping was answered with status {status}: {text}")),
                    _ => Err(format!("ping was answered with {text:?}")),
                };
                self.ready(id, ready, out);
            }
            Purpose::Instances(number) => {
                let launches = self.tasks[number].listed(status, &body, &self.mutant);
                if launches { self.launch(number, out) } else { self.tell(number, out) }
            }
            Purpose::Launch(number) => {
                self.tasks[number].stream_ended(status, &text, &self.mutant);
                self.tell(number, out);
            }
            Purpose::Call(number) => {
                match self.calls[number].next_try(status, self.timeouts.retries, &self.mutant) {
                    Some(wait) => {
                        self.retries.push((out.now + wait, number));
                        self.wake(out);
                    }
                    None => {
                        self.calls[number].ended(status, &body, &self.mutant);
                        self.called(number, out);
                    }
                }
            }
        }
    }
}
