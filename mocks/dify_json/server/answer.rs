//! What the plugin says, and how its calls end.

use super::{Call, Server, State};
use crate::actor::{Act, CloseHow, Part, Pieces, WireId};
use crate::datum::Datum;
use crate::mocks::Acting;
use crate::mocks::dify_json::builtin::Yield;
use crate::mocks::dify_json::message;
use crate::mocks::encoded::json_text;
use crate::mocks::plugin::Said;
use crate::package::Manifest;

impl Server {
    pub(super) fn said(&mut self, said: Said, out: &mut Acting<'_>) {
        match said {
            Said::Alive if self.state == State::Launching => self.serve(out),
            Said::Alive => {}
            Said::Chunk(session, chunk) => self.yielded(session, Yield::Chunk(chunk), out),
            Said::Fail(session, data) => self.fail(session, &data, out),
            Said::End(session) => self.yielded(session, Yield::End, out),
            Said::Back(session, request) => self.plugin.refuse_back(session, &request, out),
        }
    }

    pub(super) fn yielded(&mut self, session: u64, what: Yield, out: &mut Acting<'_>) {
        let Some(call) = self.calls.get(&session).cloned() else { return };
        match what {
            Yield::Chunk(chunk) => self.chunk(session, &call, chunk, out),
            Yield::Fail { kind, message } => {
                let data = Datum::map([
                    ("args", Datum::map::<String>([])),
                    ("error_type", Datum::text(kind)),
                    ("message", Datum::text(message)),
                ]);
                self.fail(session, &data, out);
            }
            Yield::End => self.end(session, &call, out),
            Yield::Die => self.plugin_died("as it was asked to", out),
        }
    }

    fn chunk(&mut self, session: u64, call: &Call, chunk: Datum, out: &mut Acting<'_>) {
        self.answered.insert(session);
        if self.is("text-before-the-answer") {
            out.write(call.client, b"[1]\n".to_vec());
        }
        if self.is("noise-in-stream")
            && chunk.get("message").and_then(|m| m.get("text")).and_then(Datum::as_text).as_deref()
                == Some("done")
        {
            out.write(call.client, b"printed by the tool\n".to_vec());
        }
        let other =
            self.calls.iter().find(|(other, call_b)| **other != session && call_b.client == call.client);
        let id = match other {
            Some((_, other)) if self.is("streams-mixed") => other.id.clone(),
            _ if self.is("response-without-id") => String::new(),
            _ => call.id.clone(),
        };
        let chunk = match self.mutant.as_str() {
            "empty-values-left-out" => message::without_empty(&chunk),
            "numbers-are-text" => message::each_value(&chunk, &|value| {
                value.as_int().map(|number| Datum::text(number.to_string()))
            }),
            "texts-trimmed" => {
                message::each_value(&chunk, &|value| value.as_text().map(|text| Datum::text(text.trim())))
            }
            _ => chunk,
        };
        let mut line = message::line(
            &id,
            if self.is("type-misspelled") { "response" } else { "plugin_response" },
            chunk,
        );
        if self.is("cut-at-64k") {
            line = message::cut(&line, 65_536);
        }
        if self.is("line-ends-unescaped") {
            line = message::unescaped(&line);
        }
        if self.is("large-chunk-is-silence") && line.len() > 5 << 20 {
            self.calls.remove(&session);
            return;
        }
        if self.is("slow-reader-loses-chunks") {
            if self.unread.len() >= 50 {
                return;
            }
            let bytes = line.clone().into();
            let pieces = Pieces::Whole;
            let act = out.act(Act::Write { wire: call.client, part: Part::Main, bytes, pieces });
            self.unread.insert(act);
            return;
        }
        out.write(call.client, line.clone());
        if self.is("answers-to-all") {
            let others = self.clients.keys().filter(|wire| **wire != call.client && **wire != WireId::STDIO);
            others.for_each(|wire| out.write(*wire, line.clone()));
        }
    }

    fn fail(&mut self, session: u64, data: &Datum, out: &mut Acting<'_>) {
        let Some(call) = self.calls.get(&session).cloned() else { return };
        let id = if self.is("error-without-id") { "" } else { call.id.as_str() };
        let text =
            if self.is("error-is-plain-text") { message::text(data, "message") } else { json_text(data) };
        out.write(call.client, message::error(id, &text));
        if self.is("failure-ends-all") {
            self.calls.clear();
        }
        if self.is("error-without-end") {
            self.calls.remove(&session);
        }
    }

    fn end(&mut self, session: u64, call: &Call, out: &mut Acting<'_>) {
        self.calls.remove(&session);
        let response = match self.is("end-without-info") {
            true => Datum::map::<String>([]),
            false => message::info("plugin invoke end"),
        };
        let is_empty = self.is("empty-call-is-silent") && !self.answered.remove(&session);
        let is_doubled = self.is("same-id-ends-once")
            && self.calls.values().any(|other| other.id == call.id && other.client == call.client);
        if !self.is("end-not-told") && !is_empty && !is_doubled {
            out.write(call.client, message::line(&call.id, "plugin_invoke_end", response));
        }
        if self.is("end-twice") {
            out.write(call.client, message::end(&call.id));
        }
        if let Some((wire, request)) = self.held.pop_front() {
            self.invoke(wire, request, out);
        }
        self.part_if_idle(call.client, out);
    }

    /// Every call fails, and the plugin is started anew.
    pub(super) fn plugin_died(&mut self, how: &str, out: &mut Acting<'_>) {
        self.schedule.clear();
        for call in
            std::mem::take(&mut self.calls).into_values().filter(|_| self.mutant != "death-is-silence")
        {
            out.write(call.client, message::error(&call.id, &format!("the plugin ended {how}")));
            out.write(call.client, message::end(&call.id));
        }
        if self.is("no-new-plugin") {
            self.clients.values_mut().for_each(|client| client.deaf = true);
        }
        if let Some(python) = self.settings.python.clone() {
            let entrypoint = Manifest::read(&self.files).map(|manifest| manifest.runner.entrypoint);
            self.plugin.launch(&python, &entrypoint.unwrap_or_default(), out);
        }
    }

    /// A client that sends nothing more and waits for nothing is done.
    pub(super) fn part_if_idle(&mut self, wire: WireId, out: &mut Acting<'_>) {
        let ended = self.clients.get(&wire).is_some_and(|client| client.ended);
        let busy = self.calls.values().any(|call| call.client == wire) || self.state != State::Serving;
        if !ended || busy || self.is("end-of-input-ignored") {
            return;
        }
        match wire {
            WireId::STDIO if self.settings.over_tcp => {}
            WireId::STDIO => self.leave(0, out),
            _ if self.is("connections-kept") => {}
            _ => out.close(wire, CloseHow::Both),
        }
    }

    pub(super) fn tell(&self, client: WireId, kind: &str, id: &str, text: &str, out: &mut Acting<'_>) {
        out.write(client, message::line(id, kind, message::info(text)));
    }
}
