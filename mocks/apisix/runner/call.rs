//! Calls: the plugins' turns, questions on the way, the reply.

use super::{BAD_REQUEST, Call, Runner, TOKEN_NOT_FOUND, UNAVAILABLE};
use crate::actor::{Exit, WireId};
use crate::datum::Datum;
use crate::mocks::Acting;
use crate::mocks::apisix::plugin::{Changes, Question, Wish, fill_values, without};

impl Runner {
    pub(super) fn call(&mut self, wire: WireId, message: &Datum, out: &mut Acting<'_>) {
        let length = message.get("src_ip").and_then(Datum::as_bytes).map(|bytes| bytes.len());
        let is_bare = length.is_none() || message.get("path").is_none();
        let method = message.get("method").and_then(Datum::as_text).unwrap_or_default().into_owned();
        if self.is("refuses-long-addresses") && length == Some(16)
            || self.is("refuses-rare-methods") && method == "PROPFIND"
        {
            return self.error(wire, BAD_REQUEST, out);
        }
        if self.is("bare-call-ends-runner") && is_bare {
            return out.exit(Exit::Code(1));
        }
        let plugins = match self.conf(wire, message, out.now) {
            Some(plugins) => plugins,
            None if self.is("unknown-token-runs-nothing") => Vec::new(),
            None if self.is("unknown-token-is-bad-request") => return self.error(wire, BAD_REQUEST, out),
            None => return self.error(wire, TOKEN_NOT_FOUND, out),
        };
        let mut changes = Changes::default();
        if self.is("noop-loses-repeats") {
            changes.flatten(message);
        }
        if self.is("empty-configuration-drops-host") && plugins.is_empty() {
            changes.drop_header("host");
        }
        let mut id = message.get("id").cloned().unwrap_or(Datum::from(0_u64));
        let Some(connection) = self.connections.get_mut(&wire) else { return };
        connection.calls += 1;
        if self.mutant == "third-id-is-the-first" && connection.calls > 2 {
            id = Datum::from(1_u64);
        }
        if self.mutant == "changes-outlive-the-call" {
            changes = connection.kept.clone();
        }
        let questions = Vec::new();
        connection.call = Some(Call { id, plugins, next: 0, changes, questions, until: None, stopped: None });
        self.run(wire, out);
    }

    /// Lets the plugins of a call have their turns until one waits or all had theirs.
    pub(super) fn run(&mut self, wire: WireId, out: &mut Acting<'_>) {
        while let Some(call) = self.connections.get_mut(&wire).and_then(|connection| connection.call.as_mut())
        {
            let Some(plugin) = call.plugins.get(call.next).cloned() else { return self.reply(wire, out) };
            call.next += 1;
            match plugin.run(&mut call.changes) {
                Wish::Next => {}
                Wish::Stop(stop) => {
                    call.stopped = Some(stop);
                    if self.mutant != "runs-on-after-stop" {
                        return self.reply(wire, out);
                    }
                }
                Wish::Ask(mut questions) => {
                    if self.mutant == "body-is-never-asked-for" {
                        questions.retain(|question| *question != Question::Body);
                    }
                    questions.retain(|question| match question {
                        Question::Var(name) => match self.answers.get(name) {
                            Some(value) => {
                                call.changes.set_header(format!("X-Var-{name}"), value.clone());
                                false
                            }
                            None => true,
                        },
                        Question::Body => true,
                    });
                    call.questions = questions;
                    if let Some(question) = call.questions.first().map(Question::message) {
                        return self.send(wire, &question, out);
                    }
                }
                Wish::Wait(millis) => {
                    call.until = Some(out.now + millis * 1_000_000);
                    return self.set_alarm(out);
                }
                Wish::Throw => return self.thrown(wire, out),
            }
        }
    }

    fn thrown(&mut self, wire: WireId, out: &mut Acting<'_>) {
        match self.mutant.as_str() {
            "throw-ends-runner" => out.exit(Exit::Code(1)),
            "throw-is-ignored" => self.reply(wire, out),
            "throw-is-silence" => {}
            _ => {
                self.end_call(wire);
                self.error(wire, UNAVAILABLE, out);
            }
        }
    }

    /// An answer to the question that was asked.
    pub(super) fn answered(&mut self, wire: WireId, kind: &str, message: &Datum, out: &mut Acting<'_>) {
        if kind != "ExtraInfo" && !self.is("any-frame-is-an-answer") {
            self.end_call(wire);
            return self.error(wire, BAD_REQUEST, out);
        }
        let result = message.get("result").and_then(Datum::as_bytes).map(|bytes| bytes.into_owned());
        if result.is_none() && self.is("absent-answer-fails") {
            self.end_call(wire);
            return self.error(wire, UNAVAILABLE, out);
        }
        let Some(call) = self.connections.get_mut(&wire).and_then(|connection| connection.call.as_mut())
        else {
            return;
        };
        let question = call.questions.remove(0);
        let kept = |bytes: &[u8]| {
            if self.mutant == "long-answer-is-cut" { bytes.len().min(1 << 16) } else { bytes.len() }
        };
        match (question, result) {
            _ if self.mutant == "answer-is-ignored" => {}
            (Question::Var(name), Some(value)) => {
                if self.mutant == "answers-are-kept" {
                    self.answers.insert(name.clone(), value.clone());
                }
                call.changes.set_header(format!("X-Var-{name}"), value);
            }
            (Question::Var(_), None) => {}
            (Question::Body, body) => {
                let length = body.map_or(0, |body| kept(&body));
                call.changes.set_header("X-Body-Length".into(), length.to_string().into_bytes());
            }
        }
        match call.questions.first().map(Question::message) {
            Some(question) => self.send(wire, &question, out),
            None => self.run(wire, out),
        }
    }

    fn reply(&mut self, wire: WireId, out: &mut Acting<'_>) {
        let Some(call) = self.end_call(wire) else { return };
        if let Some(connection) = self.connections.get_mut(&wire) {
            connection.kept.clone_from(&call.changes);
        }
        let id = if self.is("id-is-not-repeated") { Datum::from(1_u64) } else { call.id };
        let mut fields = vec![("type", Datum::text("HTTPReqCall")), ("id", id)];
        match (call.stopped, call.changes.action()) {
            (Some(stop), _) => fields.push(("action", Datum::map([("Stop", self.deviated(stop))]))),
            (None, Some(rewrite)) => fields.push(("action", self.deviated(rewrite))),
            (None, None) => {}
        }
        self.send(wire, &Datum::map(fields), out);
        if self.is("calls-are-answered-twice") {
            let again = Datum::map([("type", Datum::text("HTTPReqCall")), ("id", Datum::from(0_u64))]);
            self.send(wire, &again, out);
        }
    }

    /// What mutants do to an action.
    fn deviated(&self, action: Datum) -> Datum {
        let lost = match self.mutant.as_str() {
            "stop-loses-body" => "body",
            "stop-loses-headers" => "headers",
            "stop-loses-status" => "status",
            _ => "",
        };
        let Datum::Map(mut entries, head) = action else { return action };
        entries.retain(|(key, _)| lost.is_empty() || key.as_text().as_deref() != Some(lost));
        for (_, value) in &mut entries {
            match self.mutant.as_str() {
                "dropped-becomes-empty" => fill_values(value),
                "rewrite-loses-arguments" => without(value, "args"),
                "rewrite-loses-path" => without(value, "path"),
                _ => {}
            }
        }
        Datum::Map(entries, head)
    }

    pub(super) fn response_call(&mut self, wire: WireId, message: &Datum, out: &mut Acting<'_>) {
        let Some(plugins) = self.conf(wire, message, out.now) else {
            let is_deviant = self.is("unknown-response-token-is-bad-request");
            return self.error(wire, if is_deviant { BAD_REQUEST } else { TOKEN_NOT_FOUND }, out);
        };
        let id = message.get("id").cloned().unwrap_or(Datum::from(0_u64));
        if self.is("response-has-another-type") {
            let reply = Datum::map([("type", Datum::text("HTTPReqCall")), ("id", id)]);
            return self.send(wire, &reply, out);
        }
        let id = if self.is("response-loses-id") { Datum::from(0_u64) } else { id };
        let mut fields = vec![("type", Datum::text("HTTPRespCall")), ("id", id)];
        for plugin in plugins {
            fields.extend(plugin.respond().into_iter().flatten());
            if plugin.name == "stop" && self.is("stop-changes-responses") {
                fields.push(("status", Datum::from(403_u64)));
            }
        }
        fields.retain(|(name, _)| self.mutant.strip_prefix("response-loses-") != Some(name) || *name == "id");
        self.send(wire, &Datum::map(fields), out);
    }

    pub(super) fn end_call(&mut self, wire: WireId) -> Option<Call> {
        self.connections.get_mut(&wire)?.call.take()
    }
}
