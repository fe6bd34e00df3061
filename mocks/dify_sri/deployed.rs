//! A package that a runtime really builds and runs: its requirements looked up in the environment of an interpreter,
//! unpacked, its plugin started, and spoken to in session lines.

use std::collections::BTreeMap;

use crate::actor::{Exit, Given, Nanos, Part, SECOND, Target, WireId};
use crate::datum::Datum;
use crate::mocks::Acting;
use crate::mocks::encoded::json_line;
use crate::mocks::plugin::{self, Plugin, Said, text};
use crate::package::{Files, Manifest};

/// How long a plugin may take until its first heartbeat.
const PATIENCE: Nanos = 120 * SECOND;
/// Wires between two deployments: the look at the environment, then the starts of the plugin.
const WIRES: u32 = 1000;
/// Most of what a plugin complained that is told.
const COMPLAINT: usize = 900;

/// A package and what became of it.
pub(super) struct Deployed {
    python: String,
    files: Files,
    plugin: Plugin,
    check: WireId,
    state: State,
    deadline: Nanos,
    complaint: String,
    calls: BTreeMap<u64, Call>,
    next_call: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Building,
    Starting,
    Up,
    Gone,
}

/// An invocation that is answered on this connection.
struct Call {
    wire: WireId,
    session: Datum,
}

/// What a deployment leads to.
#[derive(Debug, PartialEq)]
pub(super) enum Progress {
    /// The requirements are there.
    Built,
    /// The plugin has begun to live.
    Up,
    /// It failed at this stage, with a reason.
    Failed(&'static str, String),
    /// Lines for the caller on this connection; whether they are the last.
    Lines(WireId, Vec<u8>, bool),
}

impl Deployed {
    /// Begins with the look at the environment: nothing is fetched.
    pub(super) fn begin(
        number: u32,
        python: &str,
        files: Files,
        given: &Given,
        now: Nanos,
        out: &mut Acting<'_>,
    ) -> Self {
        let check = WireId::own(WIRES * (number + 1));
        let requirements = files.get("requirements.txt").map(Vec::as_slice).unwrap_or_default();
        let argv = plugin::check(python, &String::from_utf8_lossy(requirements));
        out.act(crate::actor::Act::Open {
            wire: check,
            to: Target::Spawn { argv, env: BTreeMap::new(), dir: None },
        });
        Self {
            python: python.into(),
            plugin: Plugin::new(given, &format!("dify-sri-{number}"), check.name),
            files,
            check,
            state: State::Building,
            deadline: now + PATIENCE,
            complaint: String::new(),
            calls: BTreeMap::new(),
            next_call: 1,
        }
    }

    /// Whether a wire is its own.
    pub(super) fn has(&self, wire: WireId) -> bool {
        wire == self.check || self.plugin.is(wire)
    }

    /// When it gives up, while it is not up yet.
    pub(super) fn deadline(&self) -> Option<Nanos> {
        matches!(self.state, State::Building | State::Starting).then_some(self.deadline)
    }

    pub(super) fn is_up(&self) -> bool {
        self.state == State::Up
    }

    /// A process of it could not be started, or did not come to life in time.
    pub(super) fn fail(&mut self, why: &str) -> Option<Progress> {
        let stage = match self.state {
            State::Building => "build",
            State::Starting => "run",
            State::Up | State::Gone => return None,
        };
        self.state = State::Gone;
        Some(Progress::Failed(stage, why.into()))
    }

    /// What its processes write.
    pub(super) fn bytes(
        &mut self,
        wire: WireId,
        part: Part,
        bytes: &[u8],
        out: &mut Acting<'_>,
    ) -> Vec<Progress> {
        if wire == self.check || part == Part::Stderr {
            self.complaint += &String::from_utf8_lossy(bytes);
            let surplus = self.complaint.len().saturating_sub(COMPLAINT);
            let cut = (surplus..=self.complaint.len()).find(|at| self.complaint.is_char_boundary(*at));
            self.complaint.drain(..cut.unwrap_or(0));
            return Vec::new();
        }
        let said = self.plugin.feed(bytes, out);
        said.into_iter().filter_map(|said| self.said(said, out)).collect()
    }

    /// A process of it has ended.
    pub(super) fn exited(&mut self, wire: WireId, status: Exit, out: &mut Acting<'_>) -> Vec<Progress> {
        let how = match status {
            Exit::Code(code) => format!("the plugin ended with status {code}"),
            Exit::Signal(signal) => format!("the plugin ended by signal {signal}"),
        };
        if wire == self.check && status == Exit::Code(0) {
            self.start(out);
            return vec![Progress::Built];
        }
        if wire == self.check {
            let why = self.complaint.trim().to_owned();
            return self.fail(&why).into_iter().collect();
        }
        if self.state == State::Starting {
            let why = format!("{how}: {}", self.complaint.trim());
            return self.fail(&why).into_iter().collect();
        }
        self.state = State::Gone;
        let calls = std::mem::take(&mut self.calls);
        calls.into_values().map(|call| call.lines(&failure("PluginDied", &how), true)).collect()
    }

    fn start(&mut self, out: &mut Acting<'_>) {
        self.state = State::Starting;
        self.complaint.clear();
        let entrypoint = Manifest::read(&self.files).map(|manifest| manifest.runner.entrypoint);
        self.plugin.unpack(&self.files, out);
        self.plugin.launch(&self.python.clone(), &entrypoint.unwrap_or_default(), out);
    }

    /// Ends its processes and removes what was unpacked.
    pub(super) fn stop(&mut self, out: &mut Acting<'_>) {
        self.state = State::Gone;
        self.plugin.stop(out);
    }

    /// Hands an invocation to the plugin; what it says will be for this connection.
    pub(super) fn invoke(&mut self, wire: WireId, request: &Datum, out: &mut Acting<'_>) {
        let session = request.get("session_id").cloned().unwrap_or(Datum::Null);
        let data = request.get("data").cloned().unwrap_or(Datum::Null);
        let number = self.next_call;
        self.next_call += 1;
        self.calls.insert(number, Call { wire, session });
        self.plugin.request(number, &text(&data, "type"), &text(&data, "action"), &data, out);
    }

    fn said(&mut self, said: Said, out: &mut Acting<'_>) -> Option<Progress> {
        match said {
            Said::Alive if self.state == State::Starting => {
                self.state = State::Up;
                Some(Progress::Up)
            }
            Said::Alive => None,
            Said::Chunk(number, data) => Some(self.calls.get(&number)?.lines(&typed("stream", data), false)),
            Said::Fail(number, data) => Some(self.calls.remove(&number)?.lines(&typed("error", data), true)),
            Said::End(number) => {
                let end = typed("end", Datum::map::<String>([]));
                Some(self.calls.remove(&number)?.lines(&end, true))
            }
            Said::Back(number, request) => {
                self.plugin.refuse_back(number, &request, out);
                None
            }
        }
    }
}

impl Call {
    /// A message for the caller, as a line.
    fn lines(&self, data: &Datum, is_last: bool) -> Progress {
        let event = Datum::map([
            ("session_id", self.session.clone()),
            ("event", Datum::text("session")),
            ("data", data.clone()),
        ]);
        Progress::Lines(self.wire, json_line(&event), is_last)
    }
}

fn typed(kind: &str, data: Datum) -> Datum {
    Datum::map([("type", Datum::text(kind)), ("data", data)])
}

fn failure(kind: &str, why: &str) -> Datum {
    let error = [("error_type", Datum::text(kind)), ("message", Datum::text(why)), ("args", Datum::Null)];
    typed("error", Datum::map(error))
}
