//! The management API of the deployed daemon, as far as requirements speak of it: upload, installation, calls.
//!
//! Source: langgenius/dify-plugin-daemon bdb5642, internal/server.

use std::collections::BTreeMap;

use super::{Daemon, Purpose};
use crate::actor::{Act, Address, CloseHow, EVERYBODY, Payload, WireId};
use crate::codec::http1::{Asked, Format};
use crate::codec::json;
use crate::datum::Datum;
use crate::mocks::Acting;
use crate::mocks::dify_sri::call::Call;
use crate::mocks::dify_sri::install::Task;
use crate::mocks::dify_sri::web::{Requests, answer, header, json as respond, text};
use crate::mocks::encoded::{json_bytes, json_text};
use crate::package::{Archive, Manifest, checksum};

/// The listener of the API.
const LISTENER: WireId = WireId::own(u32::MAX);
/// The key that it wants.
const KEY: &str = "plugfest-server-key";

/// What the API has heard.
#[derive(Default)]
pub(super) struct Management {
    at: String,
    /// Driver operations that wait to be told where it listens.
    asked: Vec<i128>,
    conns: BTreeMap<WireId, Requests>,
    /// What was uploaded, by its unique identifier.
    uploads: BTreeMap<String, Vec<u8>>,
    /// The task that installed a plugin for a tenant.
    installed: BTreeMap<(String, String), usize>,
    /// Who waits for a call.
    callers: BTreeMap<usize, WireId>,
}

impl Management {
    /// Whether a wire is one of its connections.
    pub(super) fn has(&self, wire: WireId) -> bool {
        self.conns.contains_key(&wire)
    }

    /// Whether it opened this wire.
    pub(super) fn accepts(from: Option<WireId>) -> bool {
        from == Some(LISTENER)
    }
}

impl Daemon {
    /// A driver asks where the API is.
    pub(super) fn management(&mut self, id: i128, out: &mut Acting<'_>) {
        self.api.asked.push(id);
        match self.api.at.is_empty() {
            true => {
                let at = Address::Tcp("127.0.0.1:0".into());
                out.act(Act::Listen { wire: LISTENER, at, over_stale: false, mode: EVERYBODY });
            }
            false => self.tell_where(out),
        }
    }

    pub(super) fn listening(&mut self, at: &str, out: &mut Acting<'_>) {
        self.api.at = format!("http://{at}");
        self.tell_where(out);
    }

    fn tell_where(&mut self, out: &mut Acting<'_>) {
        for id in std::mem::take(&mut self.api.asked) {
            let told = vec![("url", Datum::text(&self.api.at)), ("key", Datum::text(KEY))];
            self.reply(id, told, out);
        }
    }

    pub(super) fn accepted(&mut self, wire: WireId) {
        let formats = |asked: &Asked, _: &Datum| {
            let path = asked.path.split('?').next().unwrap_or_default();
            if path.ends_with("/upload/package") { Format::Multipart } else { Format::Bytes }
        };
        self.api.conns.insert(wire, Requests::new(Box::new(formats)));
    }

    pub(super) fn asked(&mut self, wire: WireId, bytes: &[u8], out: &mut Acting<'_>) {
        if let Some(conn) = self.api.conns.get_mut(&wire) {
            conn.feed(bytes);
        }
        while let Some(next) = self.api.conns.get_mut(&wire).and_then(Requests::next) {
            match next {
                Ok((head, body)) => self.request(wire, &head, body, out),
                Err(why) => {
                    out.write(wire, self.failure(400, -400, "BadRequest", &why));
                    return self.left(wire, out);
                }
            }
        }
    }

    /// Whoever asked is gone: nobody wants its calls any more.
    pub(super) fn left(&mut self, wire: WireId, out: &mut Acting<'_>) {
        self.api.conns.remove(&wire);
        out.close(wire, CloseHow::Both);
        let calls = self.api.callers.iter().filter(|(_, caller)| **caller == wire);
        let calls: Vec<usize> = calls.map(|(number, _)| *number).collect();
        for number in calls.into_iter().filter(|_| self.mutant != "call-outlives-caller") {
            self.retries.retain(|(_, retried)| *retried != number);
            let own = self.exchanges.iter().find(|(_, exchange)| exchange.purpose == Purpose::Call(number));
            if let Some(wire) = own.map(|(wire, _)| *wire) {
                self.exchanges.remove(&wire);
                out.close(wire, CloseHow::Both);
            }
        }
    }

    fn request(&mut self, wire: WireId, head: &Datum, body: Option<Datum>, out: &mut Acting<'_>) {
        let (method, target) = (text(head, "method"), text(head, "path"));
        let path = target.split('?').next().unwrap_or_default().trim_start_matches('/');
        let parts: Vec<&str> = path.split('/').collect();
        let has_key = header(head, "x-api-key").as_deref() == Some(KEY) || self.is("api-key-not-checked");
        let told = match (method.as_str(), parts.as_slice()) {
            (_, ["plugin", ..]) if !has_key => {
                self.failure(401, -401, "UnauthorizedError", "the key is missing or wrong")
            }
            ("POST", ["plugin", _, "management", "install", "upload", "package"]) => self.upload(body),
            ("POST", ["plugin", tenant, "management", "install", "identifiers"]) => {
                self.install_for(tenant, body, out)
            }
            ("GET", ["plugin", _, "management", "install", "tasks", task]) => self.task(task),
            ("POST", ["plugin", tenant, "dispatch", kind, "invoke"]) => {
                let plugin = header(head, "x-plugin-id").unwrap_or_default();
                match self.api.installed.get(&((*tenant).to_owned(), plugin)) {
                    Some(_) => return self.call_for(wire, kind, body, out),
                    None if self.is("unknown-plugin-is-500") => {
                        self.failure(500, -500, "PluginDaemonInternalServerError", "no such plugin")
                    }
                    None => self.failure(404, -404, "PluginNotFoundError", "no such plugin is installed"),
                }
            }
            ("POST", ["backwards-invocation", "transaction"]) if self.is("back-call-hangs") => return,
            ("POST", ["backwards-invocation", "transaction"]) => {
                self.failure(400, -400, "BadRequest", "no session is known that could call back so")
            }
            _ => self.failure(404, -404, "NotFound", "there is no such thing here"),
        };
        out.write(wire, told);
    }

    fn upload(&mut self, form: Option<Datum>) -> Payload {
        if self.forces_signature && !self.is("unsigned-passes") {
            return self.failure(200, -400, "BadRequest", "the package has no signature that is trusted");
        }
        let body = form.as_ref().and_then(|form| form.get("dify_pkg")?.get("body")?.as_bytes());
        let bytes = body.unwrap_or_default().into_owned();
        let files = Archive::open(&bytes).and_then(|mut archive| archive.files());
        let files = match files {
            Ok(files) => files,
            Err(why) => return self.failure(200, -400, "BadRequest", &why.to_string()),
        };
        match Manifest::read(&files) {
            Ok(Manifest { author, name, version, .. }) => {
                let identifier = format!("{author}/{name}:{version}@{}", checksum(&files));
                self.api.uploads.insert(identifier.clone(), bytes);
                success(Datum::map([("unique_identifier", Datum::text(identifier))]))
            }
            Err(why) => self.failure(200, -400, "BadRequest", &why),
        }
    }

    fn install_for(&mut self, tenant: &str, body: Option<Datum>, out: &mut Acting<'_>) -> Payload {
        let body = parsed(body);
        let listed = body.get("plugin_unique_identifiers").and_then(Datum::as_array);
        let identifier = listed.and_then(<[Datum]>::first).and_then(Datum::as_inserted).unwrap_or_default();
        let Some(bytes) = self.api.uploads.get(&identifier).cloned() else {
            return self.failure(200, -400, "BadRequest", "no such package was uploaded");
        };
        let plugin = identifier.split(':').next().unwrap_or_default().to_owned();
        let owner = (tenant.to_owned(), plugin);
        let is_there = self.api.installed.contains_key(&owner) && !self.is("installs-again");
        let mut task = String::new();
        if !is_there {
            let number = self.tasks.len();
            self.tasks.push(Task { asks: true, ..Task::default() });
            self.api.installed.insert(owner, number);
            self.begin(number, &bytes, out);
            task = format!("t{number}");
        }
        success(Datum::map([("all_installed", Datum::from(is_there)), ("task_id", Datum::text(task))]))
    }

    fn task(&self, name: &str) -> Payload {
        let number = name.trim_start_matches('t').parse().ok();
        let Some(task) = number.and_then(|number: usize| self.tasks.get(number)) else {
            return self.failure(200, -500, "PluginDaemonInternalServerError", "record not found");
        };
        let state = Datum::text(task.state.name());
        let plugin = Datum::map([("status", state.clone()), ("message", Datum::text(&task.message))]);
        success(Datum::map([("status", state), ("plugins", Datum::array([plugin]))]))
    }

    fn call_for(&mut self, wire: WireId, kind: &str, body: Option<Datum>, out: &mut Acting<'_>) {
        let request = parsed(body).get("data").cloned().unwrap_or(Datum::Null);
        self.api.callers.insert(self.calls.len(), wire);
        self.dispatch(0, kind.to_owned(), format!("invoke_{kind}"), request, out);
    }

    /// Tells who asked over the API what became of a call; whether somebody did.
    pub(super) fn answered(&mut self, number: usize, out: &mut Acting<'_>) -> bool {
        let Some(wire) = self.api.callers.remove(&number) else { return false };
        let Call { chunks, outcome, .. } = &self.calls[number];
        let items = chunks.iter().map(|chunk| envelope(0, "success", chunk.clone()));
        let failed = outcome.iter().filter_map(|outcome| outcome.as_ref().err());
        let failed = failed.map(|why| envelope(-500, &error("PluginInvokeError", why), Datum::Null));
        let mut body = Vec::new();
        for item in items.chain(failed) {
            let start: &[u8] = if self.is("items-without-data") { b"" } else { b"data: " };
            body.extend([start, &json_bytes(&item), b"\n\n"].concat());
        }
        if self.api.has(wire) {
            out.write(wire, answer(200, "text/event-stream", body));
        }
        true
    }

    fn failure(&self, status: i64, code: i64, kind: &str, why: &str) -> Payload {
        let message = if self.is("error-is-plain-text") { why.to_owned() } else { error(kind, why) };
        respond(status, &envelope(code, &message, Datum::Null))
    }
}

/// The body of a request as JSON; null if it is none.
fn parsed(body: Option<Datum>) -> Datum {
    let bytes = body.as_ref().and_then(Datum::as_bytes).unwrap_or_default();
    json::parse(&bytes).unwrap_or(Datum::Null)
}

fn success(data: Datum) -> Payload {
    respond(200, &envelope(0, "success", data))
}

fn envelope(code: i64, message: &str, data: Datum) -> Datum {
    Datum::map([("code", Datum::from(code)), ("message", Datum::text(message)), ("data", data)])
}

/// The message of an error: JSON as text.
fn error(kind: &str, why: &str) -> String {
    let told = [("message", Datum::text(why)), ("error_type", Datum::text(kind)), ("args", Datum::Null)];
    json_text(&Datum::map(told))
}
