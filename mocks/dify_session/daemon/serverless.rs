//! The daemon in the serverless runtime: a plugin is a URL, each invocation a request to it, and each call back a
//! request to us.
//!
//! Sources: langgenius/dify-plugin-daemon bdb5642, internal/core/serverless_runtime/io.go and
//! internal/core/io_tunnel/backwards_invocation/transaction/serverless_handler.go.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::transaction::Delayed;
use super::{Daemon, data_of};
use crate::actor::{Act, ActId, Address, CloseHow, EVERYBODY, Nanos, Payload, SECOND, Target, What, WireId};
use crate::codec::Codec;
use crate::codec::http1::{Asked, Format, Http1};
use crate::datum::{Datum, Kind};
use crate::mocks::Acting;
use crate::mocks::encoded::json_bytes;
use crate::mocks::web::{Outgoing, Requests, header};
use crate::protocol::dify_session::message::{bytes, to_plugin};

/// The listener for calls back, and one that only finds a free port for a plugin of ours.
const LISTENER: WireId = WireId::own(u32::MAX);
const PROBE: WireId = WireId::own(u32::MAX - 1);
/// Our requests have the wires after it.
const POSTS: u32 = 1 << 20;
/// How often it is looked whether a plugin of ours listens.
const LOOK: Nanos = SECOND / 50;
/// Most bytes of a refusal that the caller is told (io.go).
const TOLD: usize = 4096;
/// Most requests of one invocation (io.go 177-288).
const TRIES: u32 = 3;

/// What is told of times and sizes.
#[derive(Clone, Copy)]
pub(in crate::mocks::dify_session) struct Settings {
    /// Until the second try; then twice the time before.
    pub(super) retry_delay: Nanos,
    /// Most bytes of a request (default.go 27).
    pub(super) max_request: u64,
    /// Between two blank lines while a call back takes long (serverless_handler.go 204).
    pub(super) keep_alive: Nanos,
    /// How long a call back takes.
    pub(super) back_delay: Nanos,
}

impl Settings {
    pub(super) fn of(settings: &Value) -> Self {
        let seconds = |name: &str, usual: f64| {
            (settings[name].as_f64().unwrap_or(usual).clamp(0.0, 1e6) * SECOND as f64) as Nanos
        };
        Self {
            retry_delay: seconds("retry_delay", 0.5),
            max_request: settings["max_request"].as_u64().unwrap_or(5 << 20),
            keep_alive: seconds("keep_alive", 25.0).max(SECOND / 1000),
            back_delay: seconds("back_delay", 0.0),
        }
    }
}

/// A plugin that is reached by HTTP.
pub(super) struct Remote {
    url: String,
    pub(super) settings: Settings,
    /// Where calls back are taken, once it is known.
    at: String,
    /// The operation that waits for that.
    starts: Option<Value>,
    posts: BTreeMap<WireId, Post>,
    posted: u32,
    /// Sessions whose request is sent again, when, and how often it was.
    retries: Vec<(Nanos, String, u32)>,
    pub(super) conns: BTreeMap<WireId, Requests>,
    pub(super) delayed: Vec<Delayed>,
    /// When it is looked again whether the plugin of ours listens.
    look: Option<Nanos>,
}

/// A request under way: of an invocation, or (without a session) the look whether anybody listens.
struct Post {
    session: Option<String>,
    tries: u32,
    codec: Http1,
    request: Payload,
    opening: ActId,
    status: i128,
    /// Whether a message of the session came.
    answered: bool,
    refusal: Vec<u8>,
}

/// A request that is to be sent.
struct Request<'a> {
    method: &'a str,
    path: &'a str,
    headers: &'a [(&'a str, &'a str)],
    body: Option<Vec<u8>>,
    session: Option<&'a str>,
    tries: u32,
}

impl Daemon {
    /// Takes a plugin at a URL; none yet if it is to be launched.
    pub(super) fn reach(
        &mut self,
        url: &str,
        settings: Settings,
        listen: &str,
        starts: Value,
        out: &mut Acting<'_>,
    ) {
        self.remote = Some(Remote {
            url: url.to_owned(),
            settings,
            at: String::new(),
            starts: Some(starts),
            posts: BTreeMap::new(),
            posted: 0,
            retries: Vec::new(),
            conns: BTreeMap::new(),
            delayed: Vec::new(),
            look: None,
        });
        let at = Address::Tcp(format!("127.0.0.1:{listen}"));
        out.act(Act::Listen { wire: LISTENER, at, over_stale: false, mode: EVERYBODY });
    }

    /// Nothing of the plugin at a URL is wanted any more.
    pub(super) fn unreach(&mut self, out: &mut Acting<'_>) {
        let Some(remote) = self.remote.take() else { return };
        out.close(LISTENER, CloseHow::Unlisten);
        remote.posts.keys().chain(remote.conns.keys()).for_each(|wire| out.close(*wire, CloseHow::Both));
        self.calls.clear();
    }

    /// What happens on the web; whether it was ours.
    pub(super) fn on_web(&mut self, what: &What, out: &mut Acting<'_>) -> bool {
        let Some(remote) = &mut self.remote else { return false };
        match what {
            What::Listening { wire, at: Address::Tcp(at) } => self.listening(*wire, at, out),
            What::Opened { wire, from: Some(LISTENER), .. } => {
                let formats = |_: &Asked, _: &Datum| Format::Bytes;
                remote.conns.insert(*wire, Requests::new(Box::new(formats)));
            }
            What::Opened { wire, .. } if remote.posts.contains_key(wire) => {
                if let Some(post) = remote.posts.get_mut(wire) {
                    out.write(*wire, std::mem::take(&mut post.request));
                }
            }
            What::Bytes { wire, bytes, .. } if remote.posts.contains_key(wire) => {
                self.post_bytes(*wire, &bytes.0, out);
            }
            What::Ended { wire, .. } | What::Closed { wire, .. } if remote.posts.contains_key(wire) => {
                self.post_broke(*wire, "the connection was closed", out);
            }
            What::Failed { act, why, .. } => {
                let own = remote.posts.iter().find(|(_, post)| post.opening == *act).map(|(wire, _)| *wire);
                match own {
                    Some(wire) => self.post_broke(wire, &why.text, out),
                    None if self.plugin.as_ref().is_some_and(|plugin| plugin.spawned == *act) => {
                        return false;
                    }
                    None => match remote.starts.take() {
                        Some(starts) => self.fail(&starts, &why.text, out),
                        None => return false,
                    },
                }
            }
            What::Bytes { wire, bytes, .. } if remote.conns.contains_key(wire) => {
                self.transaction_bytes(*wire, &bytes.0, out);
            }
            What::Ended { wire, .. } | What::Closed { wire, .. } if remote.conns.contains_key(wire) => {
                self.transaction_left(*wire, out);
            }
            _ => return false,
        }
        true
    }

    fn listening(&mut self, wire: WireId, at: &str, out: &mut Acting<'_>) {
        let Some(remote) = &mut self.remote else { return };
        if wire == PROBE {
            out.close(PROBE, CloseHow::Unlisten);
            remote.url = format!("http://{at}");
            remote.look = Some(out.now + LOOK);
            return out.wake(out.now + LOOK);
        }
        remote.at = format!("http://{at}");
        if remote.url.is_empty() {
            let at = Address::Tcp("127.0.0.1:0".into());
            out.act(Act::Listen { wire: PROBE, at, over_stale: false, mode: EVERYBODY });
            return;
        }
        let (Some(starts), told) = (remote.starts.take(), json!({"ready": true, "url": remote.at})) else {
            return;
        };
        match &self.once {
            None => self.reply(&starts, told, out),
            Some(_) => self.invoke_once(out),
        }
    }

    fn invoke_once(&mut self, out: &mut Acting<'_>) {
        let Some(once) = &self.once else { return };
        let data = data_of("tool".into(), "invoke_tool".into(), &once.request);
        self.invoke(Value::Null, data, out);
    }

    /// Starts the plugin where nobody listens any more, or looks whether it listens already.
    fn look(&mut self, out: &mut Acting<'_>) {
        let Some(remote) = &mut self.remote else { return };
        if self.plugin.is_some() {
            let (method, path) = ("GET", "/health");
            let request = Request { method, path, headers: &[], body: None, session: None, tries: 1 };
            return self.request(request, out);
        }
        let port = remote.url.rsplit(':').next().unwrap_or_default();
        let env = [
            ("INSTALL_METHOD", "serverless"),
            ("SERVERLESS_HOST", "127.0.0.1"),
            ("SERVERLESS_PORT", port),
            ("DIFY_PLUGIN_DAEMON_URL", &remote.at),
        ];
        let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
        remote.look = Some(out.now + LOOK);
        self.launch_with(BTreeMap::from(env), Some(Value::Null), out);
    }

    /// Sends the request of a session, as its `tries`th.
    pub(super) fn post(&mut self, session: &str, tries: u32, out: &mut Acting<'_>) {
        let Some(at) = self.call_of(session) else { return };
        if self.is("invokes-nobody") {
            let call = self.calls.remove(at);
            let chunks = json!([{"type": "text", "message": {"text": "hi"}, "meta": null}]);
            return self.reply(&call.operation, json!({"chunks": chunks}), out);
        }
        let call = &self.calls[at];
        let action = call.data["action"].as_str().unwrap_or_default().to_owned();
        let body = bytes(&to_plugin(session, "request", call.data.clone()));
        let most = self.remote.as_ref().map_or(0, |remote| remote.settings.max_request);
        if body.len() as u64 > most && !self.is("large-request-is-sent") {
            let size = body.len();
            let why = format!(
                "ServerlessPayloadTooLarge: action={action} payload_bytes={size} max_request_bytes={most}"
            );
            return self.fail_call(at, &why, out);
        }
        let mut headers = vec![
            ("Content-Type", "application/json"),
            ("Accept", "text/event-stream"),
            ("Dify-Plugin-Session-ID", session),
        ];
        let path = match self.mutant.as_str() {
            "action-is-not-in-query" => "/invoke".to_owned(),
            _ => format!("/invoke?action={action}"),
        };
        match self.mutant.as_str() {
            "accept-is-missing" => drop(headers.remove(1)),
            "session-is-not-in-header" => drop(headers.pop()),
            _ => {}
        }
        let (method, session, body) = ("POST", Some(session), Some(body));
        self.request(Request { method, path: &path, headers: &headers, body, session, tries }, out);
    }

    fn request(&mut self, request: Request<'_>, out: &mut Acting<'_>) {
        let Request { method, path, headers, body, session, tries } = request;
        let Some(remote) = &mut self.remote else { return };
        let formats = |asked: &Asked, head: &Datum| match head.get("status").and_then(Datum::as_int) {
            Some(200..=299) if !asked.path.ends_with("/health") => Format::Lines,
            _ => Format::Bytes,
        };
        let headers = headers.iter().copied();
        let outgoing = Outgoing::new(&remote.url, (method, path), headers, body, Box::new(formats));
        let Outgoing { addr, bytes: request, codec } = match outgoing {
            Ok(outgoing) => outgoing,
            Err(why) => return self.fail_all(&why, out),
        };
        remote.posted += 1;
        let wire = WireId::own(POSTS + remote.posted);
        let opening = out.act(Act::Open { wire, to: Target::Connect { addr, tls: false } });
        let (session, refusal) = (session.map(str::to_owned), Vec::new());
        let post = Post { session, tries, codec, request, opening, status: 0, answered: false, refusal };
        remote.posts.insert(wire, post);
    }

    fn post_bytes(&mut self, wire: WireId, bytes: &[u8], out: &mut Acting<'_>) {
        if let Some(post) = self.post_on(wire) {
            post.codec.feed(bytes);
        }
        while let Some(next) = self.post_on(wire).and_then(|post| post.codec.next()) {
            let Some(post) = self.post_on(wire) else { return };
            match next {
                Ok(message) if message.kind == Kind::Head => {
                    post.status = message.datum.get("status").and_then(Datum::as_int).unwrap_or_default();
                    if header(&message.datum, "x-amzn-errortype").is_some()
                        && !self.is("error-header-is-ignored")
                    {
                        self.post_fails(wire, "PluginRuntimeError: the function failed", out);
                    }
                }
                Ok(message)
                    if message.kind == Kind::Message
                        && post.session.is_some()
                        && (200..300).contains(&post.status) =>
                {
                    let value = serde_json::from_slice(&json_bytes(&message.datum)).unwrap_or(Value::Null);
                    self.post_line(wire, value, out);
                }
                Ok(message) if message.kind == Kind::Message => {
                    post.refusal.extend_from_slice(&message.datum.as_bytes().unwrap_or_default());
                }
                Ok(_) => self.post_ended(wire, out),
                Err(malformed) if malformed.fatal => {
                    self.post_broke(wire, &malformed.reason, out);
                }
                Err(malformed) => {
                    let why = format!("PluginDaemonInnerError: a line cannot be read: {}", malformed.reason);
                    self.post_fails(wire, &why, out);
                }
            }
        }
    }

    fn post_on(&mut self, wire: WireId) -> Option<&mut Post> {
        self.remote.as_mut()?.posts.get_mut(&wire)
    }

    /// A request is over.
    fn post_done(&mut self, wire: WireId, out: &mut Acting<'_>) -> Option<Post> {
        let post = self.remote.as_mut()?.posts.remove(&wire)?;
        out.close(wire, CloseHow::Both);
        Some(post)
    }

    fn post_fails(&mut self, wire: WireId, why: &str, out: &mut Acting<'_>) {
        let session = self.post_done(wire, out).and_then(|post| post.session);
        if let Some(at) = session.and_then(|session| self.call_of(&session)) {
            self.fail_call(at, why, out);
        }
    }

    /// A line of the answer. Its session is that of the request, whatever it says (io.go 453).
    fn post_line(&mut self, wire: WireId, mut value: Value, out: &mut Acting<'_>) {
        let Some(session) = self.post_on(wire).and_then(|post| post.session.clone()) else { return };
        let is_error = |name: &String| name.eq_ignore_ascii_case("errortype");
        if value.as_object().is_some_and(|map| map.keys().any(is_error)) && !self.is("error-line-is-ignored")
        {
            let why = format!("PluginRuntimeError: {value}");
            return self.post_fails(wire, &why, out);
        }
        match value["event"].as_str() {
            Some("error") => {
                let why = format!("PluginDaemonInnerError: {}", value["data"]);
                self.post_fails(wire, &why, out);
            }
            Some("session") if value["data"]["type"] == "invoke" => {
                self.post_fails(wire, "serverless_event_not_supported: a call back is a request", out);
            }
            Some("session") => {
                if let Some(post) = self.post_on(wire) {
                    post.answered = true;
                }
                value["session_id"] = session.as_str().into();
                self.session(value, out);
                if self.call_of(&session).is_none() {
                    self.post_done(wire, out);
                }
            }
            _ => {}
        }
    }

    /// The response has come whole.
    fn post_ended(&mut self, wire: WireId, out: &mut Acting<'_>) {
        let Some(post) = self.post_done(wire, out) else { return };
        let Some(session) = post.session else {
            return self.looked(post.status, out);
        };
        let Some(at) = self.call_of(&session) else { return };
        let passes = |call: &super::Call| json!({"chunks": call.chunks});
        match post.status {
            200..=299
                if post.answered && self.is("answer-without-end-passes")
                    || !post.answered && self.is("empty-answer-passes") =>
            {
                let call = self.calls.remove(at);
                self.reply(&call.operation, passes(&call), out);
            }
            200..=299 if post.answered => {
                self.fail_call(at, "PluginDaemonInnerError: the answer stopped before its end", out);
            }
            200..=299 => self.fail_call(at, "PluginRuntimeError: no valid session response", out),
            status => {
                let again = match self.mutant.as_str() {
                    "bad-gateway-is-final" => false,
                    "errors-are-tried-again" => status >= 500,
                    _ => status == 502,
                };
                let refusal = String::from_utf8_lossy(&post.refusal[..post.refusal.len().min(TOLD)]);
                let why = format!("PluginRuntimeError: status {status}: {refusal}");
                self.post_again(&session, post.tries, again, &why, out);
            }
        }
    }

    /// The connection is over before the response was.
    fn post_broke(&mut self, wire: WireId, why: &str, out: &mut Acting<'_>) {
        if let Some(post) = self.post_on(wire)
            && post.status != 0
            && post.codec.finish().is_none()
        {
            return self.post_ended(wire, out);
        }
        let Some(post) = self.post_done(wire, out) else { return };
        let Some(session) = post.session else {
            return self.looked(0, out);
        };
        let Some(at) = self.call_of(&session) else { return };
        if post.status == 0 {
            let again = !self.is("refused-is-final");
            return self.post_again(&session, post.tries, again, &format!("PluginRuntimeError: {why}"), out);
        }
        if self.is("broken-answer-passes") {
            let call = self.calls.remove(at);
            return self.reply(&call.operation, json!({"chunks": call.chunks}), out);
        }
        self.fail_call(at, &format!("PluginDaemonInnerError: failed to read response body: {why}"), out);
    }

    /// Tries a request again after a pause, or gives up.
    fn post_again(&mut self, session: &str, tries: u32, again: bool, why: &str, out: &mut Acting<'_>) {
        let most = if self.is("tries-for-ever") { 100 } else { TRIES };
        let at_once = self.is("tries-at-once");
        let call = self.call_of(session);
        match (&mut self.remote, call) {
            (Some(remote), Some(_)) if again && tries < most => {
                let pause = (remote.settings.retry_delay << (tries - 1).min(6)).min(30 * SECOND);
                let pause = if at_once { 0 } else { pause };
                remote.retries.push((out.now + pause, session.to_owned(), tries + 1));
            }
            (_, Some(at)) => self.fail_call(at, why, out),
            _ => {}
        }
    }

    /// The plugin that we launched listens, or not yet.
    fn looked(&mut self, status: i128, out: &mut Acting<'_>) {
        if self.plugin.as_ref().is_none_or(|plugin| plugin.ready) {
            return;
        }
        if let (200, Some(plugin)) = (status, &mut self.plugin) {
            (plugin.ready, plugin.last_line) = (true, Nanos::MAX / 2);
            return self.invoke_once(out);
        }
        if let Some(remote) = &mut self.remote {
            remote.look = Some(out.now + LOOK);
        }
    }

    /// What the web does when its time has come.
    pub(super) fn web_time(&mut self, out: &mut Acting<'_>) {
        let Some(remote) = &mut self.remote else { return };
        if remote.look.take_if(|at| *at <= out.now).is_some() {
            self.look(out);
        }
        let Some(remote) = &mut self.remote else { return };
        let retries = std::mem::take(&mut remote.retries);
        let (due, later): (Vec<_>, Vec<_>) = retries.into_iter().partition(|(at, ..)| *at <= out.now);
        remote.retries = later;
        for (_, session, tries) in due {
            self.post(&session, tries, out);
        }
        self.transaction_time(out);
    }

    /// When the web has something to do.
    pub(super) fn web_alarm(&self) -> Option<Nanos> {
        let remote = self.remote.as_ref()?;
        let retries = remote.retries.iter().map(|(at, ..)| *at);
        let delayed = remote.delayed.iter().map(Delayed::next);
        retries.chain(delayed).chain(remote.look).min()
    }
}
