//! The reference runtime: ping, instances, launches in stages, and the functions that they make.

mod listing;
mod really;

use std::collections::BTreeMap;

use super::deployed::Deployed;
use super::function::invoke;
use super::launch::{Order, Stage, stages};
use super::mutants::is_mutant;
use super::scripted::Settings;
use super::web::{answer, formats, header, query, refusal, stream_head, text};
use crate::actor::{
    Act, Actor, Address, CloseHow, EVERYBODY, Exit, Failure, Given, Nanos, Payload, SECOND, What, WireId,
};
use crate::codec::Codec;
use crate::codec::http1::{Http1, last_chunk};
use crate::datum::{Datum, Kind};
use crate::mocks::{Acting, Role, actor, option};

/// Our listener.
const LISTENER: WireId = WireId::own(1);

/// Makes a runtime from its command line.
///
/// # Errors
/// A command line that is none.
pub(super) fn make(args: &[String]) -> Result<Box<dyn Actor>, String> {
    let mut args = args.to_vec();
    let mutant = option(&mut args, "--mutant").unwrap_or_default();
    if !mutant.is_empty() && !is_mutant("runtime", &mutant) {
        return Err(format!("the dify-sri runtime has no mutant `{mutant}`"));
    }
    let port = option(&mut args, "--port").unwrap_or_else(|| "0".into());
    let port: u16 = port.parse().map_err(|_| format!("--port takes a port, not {port:?}"))?;
    let pace = option(&mut args, "--pace").unwrap_or_else(|| "3".into());
    let pace: u64 = pace.parse().map_err(|_| format!("--pace takes milliseconds, not {pace:?}"))?;
    let key = option(&mut args, "--api-key");
    let base = option(&mut args, "--base").unwrap_or_default();
    if !base.is_empty() && (!base.starts_with('/') || base.ends_with('/')) {
        return Err(format!("--base takes a path like /sri, not {base:?}"));
    }
    let python = option(&mut args, "--python");
    let script = option(&mut args, "--script");
    if let Some(unknown) = args.first() {
        return Err(format!("unknown option {unknown}"));
    }
    let pace = pace * 1_000_000;
    if let Some(script) = script {
        return Ok(super::scripted::make(Settings { script, port, key }));
    }

    Ok(actor(Runtime { mutant, port, base, key, pace, python, ..Runtime::default() }))
}

/// The runtime.
#[derive(Default)]
struct Runtime {
    mutant: String,
    port: u16,
    /// The path below which everything lies.
    base: String,
    key: Option<String>,
    pace: Nanos,
    /// The interpreter that plugins are really started with.
    python: Option<String>,
    given: Given,
    /// What is really deployed, by its name.
    deployed: BTreeMap<String, Deployed>,
    at: String,
    conns: BTreeMap<WireId, Conn>,
    launches: Vec<Launch>,
    /// By filename: name and endpoint.
    instances: BTreeMap<String, (String, String)>,
    launched: u32,
}

/// A connection and the request that is being read.
struct Conn {
    codec: Http1,
    head: Option<Datum>,
    body: Option<Datum>,
    is_refused: bool,
}

/// A launch under way.
struct Launch {
    wire: WireId,
    filename: String,
    name: String,
    endpoint: String,
    stages: Vec<Stage>,
    due: Nanos,
    /// How long the plugin takes to start, where none is really started.
    takes: Nanos,
    /// The text of run/success, while further stages wait for a real build and start.
    waits: Option<String>,
}

impl Role for Runtime {
    fn take(&mut self, what: &What, out: &mut Acting<'_>) {
        match what {
            What::Start { given, .. } => {
                self.given.clone_from(given);
                let at = Address::Tcp(format!("127.0.0.1:{}", self.port));
                out.act(Act::Listen { wire: LISTENER, at, over_stale: false, mode: EVERYBODY });
            }
            What::Listening { at: Address::Tcp(at), .. } => {
                self.at.clone_from(at);
                if self.port == 0 {
                    out.print(format!("http://{at}{}\n", self.base).into_bytes());
                }
            }
            What::Failed { why, .. } if self.at.is_empty() => {
                out.complain(&why.text);
                out.exit(Exit::Code(3));
            }
            What::Opened { wire, from: Some(_), .. } => {
                let codec = Http1::server(formats());
                self.conns.insert(*wire, Conn { codec, head: None, body: None, is_refused: false });
            }
            What::Failed { why, .. } if why.failure != Failure::Peer => self.not_started(&why.text, out),
            What::Bytes { wire, part, bytes } => match self.deployed_on(*wire) {
                Some(name) => {
                    let deployed = self.deployed.get_mut(&name);
                    let progress = deployed.map(|deployed| deployed.bytes(*wire, *part, &bytes.0, out));
                    self.progress(&name, progress.unwrap_or_default(), out);
                }
                None => self.bytes(*wire, &bytes.0, out),
            },
            What::Exited { wire, status } => {
                let Some(name) = self.deployed_on(*wire) else { return };
                let deployed = self.deployed.get_mut(&name);
                let progress = deployed.map(|deployed| deployed.exited(*wire, *status, out));
                self.progress(&name, progress.unwrap_or_default(), out);
                self.instances.retain(|_, (known, _)| *known != name);
            }
            What::Ended { wire, .. } if wire.nth > 0 => self.leave(*wire, out),
            What::Closed { wire, .. } => self.leave(*wire, out),
            What::Signal { wire: WireId::STDIO, signal: 2 | 15 } => {
                self.deployed.values_mut().for_each(|deployed| deployed.stop(out));
                out.exit(Exit::Code(0));
            }
            What::Time => self.time(out),
            _ => {}
        }
    }
}

impl Runtime {
    fn is(&self, mutant: &str) -> bool {
        self.mutant == mutant
    }

    fn leave(&mut self, wire: WireId, out: &mut Acting<'_>) {
        if self.conns.remove(&wire).is_some() {
            out.close(wire, CloseHow::Both);
        }
        if self.launches.iter().any(|launch| launch.wire == wire) && self.is("client-gone-ends-runtime") {
            return out.exit(Exit::Code(1));
        }
        for launch in self.launches.iter().filter(|launch| launch.wire == wire) {
            if let Some(deployed) = self.deployed.get_mut(&launch.name).filter(|deployed| !deployed.is_up()) {
                deployed.stop(out);
            }
        }
        self.launches.retain(|launch| launch.wire != wire);
    }

    fn bytes(&mut self, wire: WireId, bytes: &[u8], out: &mut Acting<'_>) {
        let Some(conn) = self.conns.get_mut(&wire) else { return };
        conn.codec.feed(bytes);
        while let Some(next) = self.conns.get_mut(&wire).and_then(|conn| conn.codec.next()) {
            let Some(conn) = self.conns.get_mut(&wire) else { return };
            match next {
                Ok(message) if message.kind == Kind::Head => {
                    conn.head = Some(message.datum.clone());
                    conn.body = None;
                    self.head(wire, &message.datum, out);
                }
                Ok(message) if message.kind == Kind::Message => conn.body = Some(message.datum),
                Ok(_) => self.request(wire, out),
                Err(malformed) if malformed.fatal => {
                    out.complain(&malformed.reason);
                    out.write(wire, refusal(400, &malformed.reason));
                    return self.leave(wire, out);
                }
                Err(_) => {}
            }
        }
    }

    /// What a request asks for, below the base.
    fn target(&self, head: &Datum) -> String {
        text(head, "path").strip_prefix(&self.base).unwrap_or_default().to_owned()
    }

    /// Refuses before the body has come, so that nobody uploads for nothing.
    fn head(&mut self, wire: WireId, head: &Datum, out: &mut Acting<'_>) {
        let target = self.target(head);
        let key = header(head, "authorization").unwrap_or_default();
        let is_function = target.starts_with("/fn/");
        let is_right = match &self.key {
            None => true,
            _ if self.is("key-not-checked") => true,
            _ if self.is("large-upload-passes") && length(head) > 1 << 20 => true,
            _ if self.is("ping-without-key") && target == "/ping" => true,
            Some(_) if self.is("missing-key-passes") && key.is_empty() => true,
            Some(_) if self.is("wrong-key-passes") && !key.is_empty() => true,
            Some(known) if self.is("cut-key-passes") => !key.is_empty() && known.starts_with(&key),
            Some(known) if self.is("longer-key-passes") => key.starts_with(known),
            Some(known) if self.is("key-in-capitals-passes") => key.eq_ignore_ascii_case(known),
            Some(known) if self.is("empty-key-passes") => {
                key == *known || header(head, "authorization").is_some_and(|key| key.is_empty())
            }
            Some(known) if self.is("bearer-wanted") => key == format!("Bearer {known}"),
            Some(known) => key == *known,
        };
        let Some(conn) = self.conns.get_mut(&wire) else { return };
        conn.is_refused = !is_right && (!is_function || self.mutant == "function-wants-key");
        if conn.is_refused {
            let why = if self.mutant == "key-in-error" {
                format!("the key is not {key} but {}", self.key.clone().unwrap_or_default())
            } else {
                "the key is missing or wrong".into()
            };
            let refusal = match self.mutant.as_str() {
                "refusal-is-text" => answer(401, "text/plain", why),
                "upload-in-chunks-hangs" if header(head, "transfer-encoding").is_some() => return,
                _ => refusal(401, &why),
            };
            out.write(wire, refusal);
        }
    }

    /// A request has come whole.
    fn request(&mut self, wire: WireId, out: &mut Acting<'_>) {
        let Some(conn) = self.conns.get_mut(&wire) else { return };
        conn.codec.answered();
        let (Some(head), body) = (conn.head.take(), conn.body.take()) else { return };
        if conn.is_refused {
            return;
        }
        let target = self.target(&head);
        let path = target.split('?').next().unwrap_or_default();
        match (text(&head, "method").as_str(), path) {
            ("GET", "/ping") if self.is("get-ping-is-405") => out.write(wire, refusal(405, "POST is wanted")),
            ("POST", "/ping") if self.is("post-ping-is-405") => {
                out.write(wire, refusal(405, "GET is wanted"))
            }
            ("GET" | "POST", "/ping") => self.ping(wire, out),
            ("GET", "/v1/runner/instances") => {
                let instances = self.instances(query(&target, "filename").as_deref());
                out.write(wire, instances);
                if self.is("list-closes-unsaid") {
                    self.leave(wire, out);
                }
            }
            ("POST", "/v1/launch") if self.is("accept-wanted") && header(&head, "accept").is_none() => {
                out.write(wire, refusal(406, "`Accept` is missing"));
            }
            ("POST", "/v1/launch") if self.is("huge-upload-hangs") && length(&head) > 32 << 20 => {}
            ("POST", "/v1/launch") if self.is("launch-redirects") => {
                out.write(wire, answer(307, "text/plain", "elsewhere"));
            }
            ("POST", "/v1/launch") => self.launch(wire, body, out),
            ("POST", path) if path.starts_with("/fn/") && self.python.is_some() => {
                self.invoke_really(wire, path, body, out);
            }
            ("POST", path) if path.starts_with("/fn/") && path.ends_with("/invoke") => {
                let lines = body.filter(|_| !self.is("function-says-nothing"));
                let lines = lines.map(|body| invoke(&body)).unwrap_or_default();
                let lines = if self.is("function-speaks-sse") {
                    [b"data: ".as_slice(), &lines].concat()
                } else {
                    lines
                };
                out.write(wire, answer(200, "application/x-ndjson", lines));
            }
            ("GET", path) if path.starts_with("/fn/") => out.write(wire, answer(200, "text/plain", "OK")),
            _ => out.write(wire, refusal(404, "there is no such thing here")),
        }
    }

    fn ping(&mut self, wire: WireId, out: &mut Acting<'_>) {
        let body = match self.mutant.as_str() {
            "ping-is-ok" => "OK",
            "ping-in-capitals" => "\"PONG\"",
            "ping-without-quotes" => "pong",
            _ => "\"pong\"",
        };
        let status = if self.is("ping-status-204") { 202 } else { 200 };
        let kind = if self.is("ping-is-html") { "text/html" } else { "text/plain" };
        out.write(wire, answer(status, kind, body));
    }

    fn launch(&mut self, wire: WireId, form: Option<Datum>, out: &mut Acting<'_>) {
        if self.is("launch-needs-metadata") && form.as_ref().is_none_or(|form| form.get("metadata").is_none())
        {
            return out.write(wire, refusal(400, "`metadata` is missing"));
        }
        if self.is("launch-refuses-metadata")
            && form.as_ref().is_some_and(|form| form.get("metadata").is_some())
        {
            return out.write(wire, refusal(400, "`metadata` is unknown"));
        }
        let first = form.as_ref().and_then(Datum::as_map).and_then(<[_]>::first);
        if self.is("file-wanted-first")
            && first.is_some_and(|(name, _)| name.as_text().as_deref() != Some("context"))
        {
            return out.write(wire, refusal(400, "`context` comes first"));
        }
        if self.is("launch-needs-verified")
            && form.as_ref().is_some_and(|form| form.get("verified").is_none())
        {
            return out.write(wire, refusal(400, "`verified` is missing"));
        }
        let order = form.ok_or("the body is no form".to_owned()).and_then(|form| Order::read(&form));
        let checked = order.and_then(|order| {
            let checks_hash = !self.is("hash-not-checked");
            let fault = match &self.python {
                Some(_) => order.unpacking(checks_hash),
                None => order.fault(checks_hash),
            };
            let fault = match fault {
                Err(_) if self.is("builds-anything") => None,
                fault => fault?,
            };
            Ok((order, fault))
        });
        match checked {
            Ok((order, fault)) => self.begin(wire, order, fault, out),
            Err(why) if self.is("refusal-in-status-200") => out.write(wire, refusal(200, &why)),
            Err(_) if self.is("bad-form-launches") => {
                let order = Order { filename: "x".into(), bytes: Vec::new() };
                self.begin(wire, order, None, out);
            }
            Err(why) => out.write(wire, refusal(400, &why)),
        }
    }

    fn begin(
        &mut self,
        wire: WireId,
        order: Order,
        fault: Option<(&'static str, String)>,
        out: &mut Acting<'_>,
    ) {
        let fault = if self.is("builds-anything") { None } else { fault };
        let number = if self.is("second-launch-reuses-nothing") { 0 } else { self.launched };
        self.launched += 1;
        let name = format!("conformance-{number}");
        let endpoint = format!("http://{}{}/fn/{name}", self.at, self.base);
        let told = match self.mutant.as_str() {
            "endpoint-has-query" => format!("endpoint={endpoint}?a=b,name={name},id={name}"),
            "told-ends-with-comma" => format!("endpoint={endpoint},name={name},id={name},"),
            "endpoint-is-relative" => format!("endpoint=/fn/{name},name={name},id={name}"),
            "name-of-128-bytes" => format!("endpoint={endpoint},name={},id={name}", "n".repeat(128)),
            "told-without-name" => format!("endpoint={endpoint},id={name}"),
            _ => format!("endpoint={endpoint},name={name},id={name}"),
        };
        let really = self.python.clone().filter(|_| fault.is_none());
        let mut stages = self.altered(stages(fault, told.clone()));
        if self.is("second-launch-ends-twice") && number > 0 {
            stages.extend(stages.last().cloned());
        }
        let kind = if self.is("stream-is-json") { "application/json" } else { "text/event-stream" };
        let status: i64 = if self.is("launch-is-202") { 202 } else { 200 };
        match self.is("head-late") {
            true => stages.insert(0, Stage(HEAD, "", String::new())),
            false => out.write(wire, stream_head(status, kind)),
        }
        if self.is("listed-before-ready") {
            self.instances.insert(order.filename.clone(), (name.clone(), endpoint.clone()));
        }
        let waits = really.map(|python| {
            let files = order.files().unwrap_or_default();
            let deployed = Deployed::begin(number, &python, files, &self.given, out.now, out);
            self.deployed.insert(name.clone(), deployed);
            stages.retain(|Stage(stage, state, _)| {
                ["healthz", "start"].contains(stage) || (*stage == "build" && *state == "running")
            });
            told
        });
        let takes = if waits.is_none() { order.takes() } else { 0 };
        let filename = order.filename;
        let due = if self.is("head-late") { out.now + 4 * SECOND } else { out.now };
        self.launches.push(Launch { wire, filename, name, endpoint, stages, due, takes, waits });
        self.time(out);
    }

    /// What mutants make of the events of a launch.
    fn altered(&self, mut stages: Vec<Stage>) -> Vec<Stage> {
        let last = stages.len() - 1;
        let failed = stages.iter().position(|Stage(_, state, _)| *state == "failed");
        match (self.mutant.as_str(), failed) {
            ("closes-late", None) => stages.push(Stage(PAUSE, "", String::new())),
            ("burst-of-events", None) => {
                let step = |n: usize| Stage("build", "running", format!("step {n}"));
                stages.splice(3..3, (0..10).map(step));
            }
            ("line-of-64k", None) => stages[0].2 = "a".repeat(70_000),
            ("line-of-31-MiB", None) => stages[0].2 = "a".repeat(31 << 20),
            ("end-twice", None) => stages.push(stages[last].clone()),
            ("no-end", _) => stages.truncate(last),
            ("end-before-run", None) => stages.swap(last, last - 1),
            ("stages-go-back", None) => stages.swap(1, 3),
            ("stage-in-capitals", _) => stages[1].0 = "START",
            ("success-after-failure", Some(at)) => {
                stages.insert(
                    at + 1,
                    Stage("run", "success", "endpoint=http://127.0.0.1:1,name=x,id=x".into()),
                );
            }
            ("failure-without-message", Some(at)) => stages[at].2.clear(),
            ("failure-of-1025-bytes", Some(at)) => stages[at].2 = "a".repeat(1023) + "\u{e9}",
            ("failure-ends-in-success", Some(_)) => stages[last].1 = "success",
            ("failure-without-end", Some(_)) => stages.truncate(last),
            _ => {}
        }
        stages
    }

    /// Sends the events that are due.
    fn time(&mut self, out: &mut Acting<'_>) {
        self.give_up(out);
        let mut index = 0;
        while index < self.launches.len() {
            let Launch { due, stages, waits, .. } = &self.launches[index];
            if *due > out.now || (stages.is_empty() && waits.is_some()) {
                index += 1;
                continue;
            }
            self.next_event(index, out);
            if self.launches[index].stages.is_empty() && self.launches[index].waits.is_none() {
                let launch = self.launches.remove(index);
                if !self.is("stream-stays-open") && !self.is("stream-never-ends") {
                    out.write(launch.wire, last_chunk(&[]));
                }
            }
        }
        let events = self.launches.iter().filter(|launch| !launch.stages.is_empty());
        let events = events.map(|launch| launch.due);
        if let Some(due) = events.chain(self.deployed.values().filter_map(Deployed::deadline)).min() {
            out.wake(due);
        }
    }

    fn next_event(&mut self, index: usize, out: &mut Acting<'_>) {
        let broken = self.is("event-over-two-lines");
        let launch = &mut self.launches[index];
        let stage = launch.stages.remove(0);
        let pause = match self.mutant.as_str() {
            "closes-late" if stage.0 == "end" => SECOND,
            "burst-of-events" | "collects-events" => 0,
            _ if stage.0 == "run" && stage.1 == "running" => self.pace.max(launch.takes),
            _ => self.pace,
        };
        launch.due = out.now + pause;
        match stage.0 {
            PAUSE => return,
            HEAD => return out.write(launch.wire, stream_head(200, "text/event-stream")),
            _ => {}
        }
        if stage.0 == "run" && stage.1 == "success" {
            let listed = (launch.name.clone(), launch.endpoint.clone());
            self.instances.insert(launch.filename.clone(), listed);
        }
        if self.mutant == "comments-in-stream" {
            let comment = Payload::from(b": still here\n\n".to_vec());
            out.write(launch.wire, crate::codec::http1::chunk(comment, &|_| None).unwrap_or_default());
        }
        let bytes = if broken { split_event(&stage) } else { stage.bytes() };
        out.write(launch.wire, bytes);
    }
}

/// Mutants: what stands in the place of an event.
const PAUSE: &str = "pause";
const HEAD: &str = "head";
/// The length that a head announces.
fn length(head: &Datum) -> usize {
    header(head, "content-length").and_then(|length| length.parse().ok()).unwrap_or_default()
}

/// A mutant: the object over two lines of data.
fn split_event(stage: &Stage) -> Payload {
    let bytes = stage.bytes().to_vec(&|_| None).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().nth(1).unwrap_or_default().replacen(", \"State\"", ",\ndata: \"State\"", 1);
    crate::codec::http1::chunk(Payload::from(format!("{line}\n\n").into_bytes()), &|_| None)
        .unwrap_or_default()
}
