//! Requests: what clients send.

use super::{Call, Server, State};
use crate::actor::WireId;
use crate::datum::Datum;
use crate::mocks::Acting;
use crate::mocks::dify_json::builtin::{self, Yield};
use crate::mocks::dify_json::message::{self, Fault, FaultKind};

/// The longest request, as of the deployed tool (run.go, line 64).
const LONGEST: usize = 15 << 20;

impl Server {
    pub(super) fn read_lines(&mut self, wire: WireId, out: &mut Acting<'_>) {
        let over_tcp = self.settings.over_tcp && wire == WireId::STDIO;
        let most = self.longest();
        while self.state == State::Serving && !over_tcp {
            let Some(client) = self.clients.get_mut(&wire).filter(|client| !client.deaf) else { return };
            let Some((_, line)) = client.lines.next_line() else { return self.limit(wire, out) };
            let request = (line.len() <= most).then(|| message::request(line));
            match (std::mem::take(&mut client.skips), request) {
                (true, _) => {}
                (false, None) => self.refuse_long(wire, out),
                (false, Some(request)) => self.line(wire, request, out),
            }
        }
    }

    /// Of a line that is too long nothing is kept.
    fn limit(&mut self, wire: WireId, out: &mut Acting<'_>) {
        let most = self.longest();
        let Some(client) = self.clients.get_mut(&wire) else { return };
        if !client.skips && client.lines.unfinished() <= most {
            return;
        }
        client.lines.rest();
        if !std::mem::replace(&mut client.skips, true) {
            self.refuse_long(wire, out);
        }
    }

    fn longest(&self) -> usize {
        if self.is("four-mebibytes-at-most") { 4 << 20 } else { LONGEST }
    }

    fn refuse_long(&mut self, wire: WireId, out: &mut Acting<'_>) {
        if self.is("deaf-after-a-long-line") {
            return self.be_deaf_if("deaf-after-a-long-line", wire);
        }
        self.tell(wire, "info", "", "received request", out);
        let text = format!("unmarshal json failed: a request has at most {} bytes", self.longest());
        out.write(wire, message::error("", &text));
    }

    /// What a line says was read.
    pub(super) fn line(&mut self, wire: WireId, request: Option<Result<Datum, Fault>>, out: &mut Acting<'_>) {
        let Some(request) = request else { return self.be_deaf_if("blank-line-ends", wire) };
        let id = match &request {
            Ok(request) => message::text(request, "invoke_id"),
            Err(fault) => fault.id.clone(),
        };
        if !self.is("info-not-told") && !self.is("info-late") {
            let id = if self.is("info-with-id") { id.as_str() } else { "" };
            let first =
                self.clients.keys().find(|client| **client != WireId::STDIO || !self.settings.over_tcp);
            if first == Some(&wire) || !self.is("first-client-confirmed-only") {
                self.tell(wire, "info", id, "received request", out);
            }
            if self.is("info-twice") {
                self.tell(wire, "info", id, "received request", out);
            }
        }
        match request {
            Ok(request) => self.invoke(wire, request, out),
            Err(fault) => self.bad_line(wire, &fault, out),
        }
        if self.is("info-late") {
            self.tell(wire, "info", "", "received request", out);
        }
    }

    fn be_deaf_if(&mut self, mutant: &str, wire: WireId) {
        let deaf = self.is(mutant);
        if let Some(client) = self.clients.get_mut(&wire) {
            client.deaf |= deaf;
        }
    }

    fn bad_line(&mut self, wire: WireId, fault: &Fault, out: &mut Acting<'_>) {
        match fault.kind {
            FaultKind::NoJson => self.be_deaf_if("malformed-line-ends", wire),
            FaultKind::NoText => self.be_deaf_if("bad-utf8-ends", wire),
            FaultKind::NoObject => self.be_deaf_if("other-json-ends", wire),
            FaultKind::Field(field) => {
                if self.is("wrong-field-ends-server") {
                    return self.leave(1, out);
                }
                let passes = match field {
                    "invoke_id" => self.is("id-may-be-missing"),
                    "request" => self.is("request-may-be-missing") && fault.is_missing,
                    "request-kind" => self.is("request-may-be-a-list"),
                    _ => self.is("action-may-be-missing"),
                };
                if passes {
                    return out.write(wire, message::end(&fault.id));
                }
            }
        }
        let text = match fault.kind {
            FaultKind::Field(_) => fault.why.clone(),
            _ if self.is("own-words-for-no-json") => fault.why.clone(),
            _ => format!("unmarshal json failed: {}", fault.why),
        };
        out.write(wire, message::error(&fault.id, &text));
    }

    pub(super) fn invoke(&mut self, wire: WireId, mut request: Datum, out: &mut Acting<'_>) {
        let text = |key| message::text(&request, key);
        let (id, kind, action) = (text("invoke_id"), text("type"), text("action"));
        let id = if self.is("id-in-lower-case") { id.to_lowercase() } else { id };
        if let Err(why) = self.known(&kind, &action) {
            return match self.is("unknown-type-just-ends") {
                true => out.write(wire, message::end(&id)),
                false => out.write(wire, message::error(&id, &why)),
            };
        }
        if self.is("same-id-lost") && self.calls.values().any(|call| call.id == id && call.client == wire) {
            return;
        }
        if self.is("one-at-a-time") && !self.calls.is_empty() {
            return self.held.push_back((wire, request));
        }
        self.next_session += 1;
        let session = self.next_session;
        self.calls.insert(session, Call { client: wire, id });
        let body = request.take("request").unwrap_or(Datum::Null);
        let body = if self.is("missing-fields-filled-in") { self.filled(&kind, &action, body) } else { body };
        if self.settings.python.is_some() {
            return self.plugin.request(session, &kind, &action, &body, out);
        }
        let (kind, action) = self.overridden(kind, action, &body);
        let items = match self.catalogue.as_slice() {
            [] => builtin::run(&kind, &action, body),
            table => builtin::look_up(table, &kind, &action, &body),
        };
        for item in items {
            self.next_item += 1;
            self.schedule.insert((out.now + item.after * 1_000_000, self.next_item), (session, item.what));
        }
        if self.is("chunks-at-end") {
            self.all_at_the_end(session);
        }
        if self.is("chunks-reversed") {
            self.reversed(session);
        }
        self.time(out);
    }

    /// Whether there is such an action; mutants know fewer.
    fn known(&self, kind: &str, action: &str) -> Result<(), String> {
        match (kind, action) {
            ("agent_strategy", _) if self.is("agent-strategy-is-agent") => Err("unknown type".into()),
            (_, "invoke_multimodal_embedding" | "invoke_multimodal_rerank")
                if self.is("multimodal-actions-forgotten") =>
            {
                Err("unknown action".into())
            }
            _ => crate::protocol::dify_json::known(kind, action),
        }
    }

    /// The mutant that gives an action what it lacks.
    fn filled(&self, kind: &str, action: &str, body: Datum) -> Datum {
        let Some((_, names)) = builtin::required(&self.catalogue, kind, action) else { return body };
        let names = names.into_iter().filter(|name| body.get(name).is_none());
        let added = names.map(|name| (Datum::text(name), Datum::text("")));
        let fields = body.as_map().unwrap_or_default().iter().cloned().chain(added);
        Datum::Map(fields.collect(), crate::datum::Head::Preferred)
    }

    /// The mutant whose `request` wins over the envelope.
    fn overridden(&self, kind: String, action: String, body: &Datum) -> (String, String) {
        let inner = |key: &str| body.get(key).and_then(Datum::as_text).map(|text| text.into_owned());
        match self.is("request-wins") {
            true => (inner("type").unwrap_or(kind), inner("action").unwrap_or(action)),
            false => (kind, action),
        }
    }

    fn all_at_the_end(&mut self, session: u64) {
        let (mine, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.schedule).into_iter().partition(|(_, (other, _))| *other == session);
        let last = mine.iter().map(|((at, _), _)| *at).max().unwrap_or_default();
        self.schedule = others.into_iter().collect();
        self.schedule.extend(mine.into_iter().map(|((_, n), item)| ((last, n), item)));
    }

    fn reversed(&mut self, session: u64) {
        let mut places = Vec::new();
        let mut chunks = Vec::new();
        for (place, (other, what)) in &self.schedule {
            if *other == session && matches!(what, Yield::Chunk(_)) {
                places.push(*place);
                chunks.push(what.clone());
            }
        }
        self.schedule.extend(
            places.into_iter().zip(chunks.into_iter().rev()).map(|(place, what)| (place, (session, what))),
        );
    }
}
