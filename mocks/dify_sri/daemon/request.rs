//! What the daemon asks of a runtime and of functions.

use super::{CALL, Daemon, Exchange, Purpose, Request};
use crate::actor::{Act, Nanos, SECOND, Target, WireId};
use crate::codec::http1::{Asked, Format};
use crate::datum::Datum;
use crate::mocks::Acting;
use crate::mocks::dify_sri::call::{Call, target};
use crate::mocks::dify_sri::install::Task;
use crate::mocks::web::Outgoing;

impl Daemon {
    pub(super) fn ping(&mut self, id: i128, out: &mut Acting<'_>) {
        let method = if self.posts_ping { "POST" } else { "GET" };
        let method = match self.mutant.as_str() {
            "ping-other-method-post" => "GET",
            "ping-other-method" => "POST",
            _ => method,
        };
        let deadline = out.now + self.timeouts.ping * SECOND;
        let path = if self.is("ping-elsewhere") { "/v1/ping" } else { "/ping" };
        let key = if self.is("pings-with-other-key") { "other".into() } else { self.shown_key() };
        let headers = vec![("Authorization", key)];
        let url = match self.url.splitn(4, '/').collect::<Vec<_>>()[..] {
            [scheme, _, host, _] if self.is("path-of-base-dropped") => format!("{scheme}//{host}"),
            _ => self.url.clone(),
        };
        let request = Request { url: &url, method, path: path.into(), headers, body: None, deadline };
        self.send(Purpose::Ping(id), request, out);
    }

    /// Begins an installation; gives the number of its task.
    pub(super) fn install(&mut self, package: &str, asks: bool, out: &mut Acting<'_>) -> usize {
        let number = self.tasks.len();
        self.tasks.push(Task { asks, ..Task::default() });
        let read = out.act(Act::Read { path: package.into() });
        self.reads.insert(read, number);
        number
    }

    pub(super) fn instances(&mut self, number: usize, out: &mut Acting<'_>) {
        let name = self.tasks[number].filename.replace('@', "%40");
        let path = format!("/v1/runner/instances?filename={name}");
        let deadline = out.now + self.timeouts.read * SECOND;
        let headers = vec![("Authorization", self.shown_key())];
        let url = self.url.clone();
        let request = Request { url: &url, method: "GET", path, headers, body: None, deadline };
        self.send(Purpose::Instances(number), request, out);
    }

    /// One launch of a package at a time; another waits for its end.
    pub(super) fn launch(&mut self, number: usize, out: &mut Acting<'_>) {
        let same = |other: usize| self.tasks[other].filename == self.tasks[number].filename;
        let is_launched =
            |exchange: &Exchange| matches!(exchange.purpose, Purpose::Launch(other) if same(other));
        let locked = self.is("lock-stays") && (0..number).any(same);
        if locked || (self.exchanges.values().any(is_launched) && !self.is("launches-at-once")) {
            return self.queue.push(number);
        }
        self.launch_now(number, out);
        if self.is("launches-twice") {
            self.launch_now(number, out);
        }
    }

    /// A launch is over: what waited for it goes on.
    pub(super) fn launch_next(&mut self, out: &mut Acting<'_>) {
        if self.is("lock-stays") {
            return;
        }
        std::mem::take(&mut self.queue).into_iter().for_each(|number| self.launch(number, out));
    }

    fn launch_now(&mut self, number: usize, out: &mut Acting<'_>) {
        let (kind, body) = self.tasks[number].form(&self.mutant);
        let headers = vec![("Authorization", self.shown_key()), ("Content-Type", kind)];
        let deadline = out.now + self.timeouts.launch * SECOND;
        let url = self.url.clone();
        let path = "/v1/launch".to_owned();
        let request = Request { url: &url, method: "POST", path, headers, body: Some(body), deadline };
        self.send(Purpose::Launch(number), request, out);
    }

    /// The value of `Authorization`.
    pub(super) fn shown_key(&self) -> String {
        if self.is("key-with-bearer") { format!("Bearer {}", self.key) } else { self.key.clone() }
    }

    /// Calls the function of the latest installation.
    pub(super) fn dispatch(
        &mut self,
        id: i128,
        kind: String,
        action: String,
        request: Datum,
        out: &mut Acting<'_>,
    ) -> usize {
        let number = self.calls.len();
        self.calls.push(Call::new(id, number as u64, kind, action, request));
        self.try_call(number, out);
        number
    }

    pub(super) fn try_call(&mut self, number: usize, out: &mut Acting<'_>) {
        let told = self.tasks.iter().rev().find(|task| task.is_success()).and_then(|task| task.told.clone());
        let body = self.calls[number].body(&self.mutant);
        let call = &mut self.calls[number];
        let why = match &told {
            None => Some("no plugin is installed".to_owned()),
            Some(_) if body.len() as u64 > self.timeouts.max_request && self.mutant != "any-size-is-sent" => {
                Some(format!("ServerlessPayloadTooLarge: the request has {} bytes", body.len()))
            }
            Some(_) => None,
        };
        if let Some(why) = why {
            call.over(Err(why));
            return self.called(number, out);
        }
        call.tries += 1;
        let mut headers = vec![
            ("Content-Type", "application/json".to_owned()),
            ("Accept", "text/event-stream".to_owned()),
            ("Dify-Plugin-Session-Id", call.session.clone()),
        ];
        let path = target("", &call.action);
        if self.is("key-sent-to-function") {
            headers.push(("Authorization", self.key.clone()));
        }
        if self.is("key-in-other-header") {
            headers.push(("X-Runtime-Key", self.key.clone()));
        }
        let path = if self.is("action-not-in-query") { "/invoke".to_owned() } else { path };
        let (url, _) = told.unwrap_or_default();
        let deadline = out.now + CALL;
        let request = Request { url: &url, method: "POST", path, headers, body: Some(body), deadline };
        self.send(Purpose::Call(number), request, out);
    }

    pub(super) fn send(&mut self, purpose: Purpose, request: Request<'_>, out: &mut Acting<'_>) {
        let Request { url, method, path, mut headers, body, deadline } = request;
        let deadline = match (purpose, self.mutant.as_str()) {
            (Purpose::Ping(_), "ping-waits-for-ever")
            | (Purpose::Instances(_), "list-waits-for-ever")
            | (Purpose::Launch(_), "launch-waits-for-ever") => Nanos::MAX / 4,
            _ => deadline,
        };
        if method == "POST" && body.is_none() {
            headers.push(("Content-Length", "0".into()));
        }
        let headers = headers.iter().map(|(name, value)| (*name, value.as_str()));
        let outgoing = Outgoing::new(url, (method, &path), headers, body, Box::new(format));
        let Outgoing { addr, bytes, codec } = match outgoing {
            Ok(outgoing) => outgoing,
            Err(why) => return self.conclude(purpose, 0, why.into_bytes(), out),
        };
        self.next_wire += 1;
        let wire = WireId::own(self.next_wire);
        let opening = out.act(Act::Open { wire, to: Target::Connect { addr, tls: false } });
        let exchange = Exchange {
            codec,
            purpose,
            request: bytes,
            status: 0,
            body: Vec::new(),
            deadline,
            line: 0,
            unread: 0,
            sent: false,
            opening,
        };
        self.exchanges.insert(wire, exchange);
        self.wake(out);
    }
}

/// How the body of a response is read.
fn format(asked: &Asked, head: &Datum) -> Format {
    let is_stream = asked.path.ends_with("/v1/launch");
    let is_call = asked.path.split('?').next().is_some_and(|path| path.ends_with("/invoke"));
    match head.get("status").and_then(Datum::as_int) {
        Some(200) if is_stream => Format::Sse,
        Some(200..=299) if is_call => Format::Lines,
        _ => Format::Bytes,
    }
}
