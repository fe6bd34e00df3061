//! A runtime whose answers are the acts of a scenario of the role `daemon`: how it fails is written in a file.
//!
//! Every connection is a play of its own, so that a script serves any number of them. What the script does not answer,
//! the suite's rules do: pings are right, no instance is listed, calls are answered. Steps and rules on lanes of a
//! driver are left out, so that a scenario of the suite is a script as it stands.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::scripts;
use crate::actor::{
    Act, ActId, Actor, Address, CloseHow, Doing, EVERYBODY, Event, Exit, Given, Nanos, Part, SECOND, Value,
    What, WireId,
};
use crate::corpus::Corpus;
use crate::datum::{Datum, Pattern};
use crate::mocks::{Acting, Role, actor};
use crate::play::{Knobs, Play, Script};
use crate::scenario::error::{FileErrors, Problem};
use crate::scenario::{Opening, Rule, Scenario, Step, Suite, Verb, scenario};
use crate::subject::Subject;

/// Our listener.
const LISTENER: WireId = WireId::own(1);
/// A script waits for its client as long as it takes.
const PATIENCE: Nanos = 1_000_000 * SECOND;
/// Exit status of a runtime that was given a script with errors.
const WRONG: i32 = 2;
/// Exit status of a runtime that cannot listen.
const NOT_DONE: i32 = 3;

/// How a scripted runtime is told to serve.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    /// The name of a shipped script, or a file; a row in brackets behind it.
    pub(super) script: String,
    pub(super) port: u16,
    pub(super) key: Option<String>,
}

/// Makes a runtime that follows a script.
pub(super) fn make(settings: Settings) -> Box<dyn Actor> {
    actor(Scripted {
        settings,
        script: None,
        given: Given::default(),
        read: None,
        at: None,
        plays: BTreeMap::new(),
        acts: BTreeMap::new(),
    })
}

struct Scripted {
    settings: Settings,
    script: Option<Arc<Script>>,
    given: Given,
    read: Option<ActId>,
    at: Option<Address>,
    plays: BTreeMap<WireId, Running>,
    /// Whose acts ours are.
    acts: BTreeMap<ActId, (WireId, ActId)>,
}

/// The play of one connection.
struct Running {
    play: Play,
    begun: Nanos,
    seq: u64,
    wake: Option<Nanos>,
    /// Its own name of the connection.
    wire: WireId,
    told: usize,
}

impl Role for Scripted {
    fn take(&mut self, what: &What, out: &mut Acting<'_>) {
        match what {
            What::Start { given, .. } => {
                self.given.clone_from(given);
                let (name, _) = row_of(&self.settings.script);
                match scripts::text(name) {
                    Some(text) => self.begin(&format!("{name}.toml"), text, out),
                    None => self.read = Some(out.act(Act::Read { path: name.into() })),
                }
            }
            What::Got { act, value } if self.read == Some(*act) => match value {
                Value::File(blob) => {
                    let (name, _) = row_of(&self.settings.script);
                    let (name, text) = (name.to_owned(), String::from_utf8_lossy(&blob.0).into_owned());
                    self.begin(&name, &text, out);
                }
                _ => self.refuse(&scripts::unknown(row_of(&self.settings.script).0), out),
            },
            What::Listening { at, .. } => {
                if let (0, Address::Tcp(at)) = (self.settings.port, at) {
                    out.print(format!("http://{at}\n").into_bytes());
                }
                self.at = Some(at.clone());
            }
            What::Failed { why, .. } if self.at.is_none() => {
                out.complain(&why.text);
                out.exit(Exit::Code(NOT_DONE));
            }
            What::Signal { wire: WireId::STDIO, signal: 2 | 15 } => out.exit(Exit::Code(0)),
            What::Opened { wire, from: Some(_), peer } => {
                self.open(*wire, out);
                let (wire, peer) = (*wire, peer.clone());
                self.hand(wire, |id, listener| What::Opened { wire: id, from: Some(listener), peer }, out);
            }
            What::Bytes { wire, bytes, .. } if wire.nth > 0 => {
                let bytes = bytes.clone();
                self.hand(*wire, |wire, _| What::Bytes { wire, part: Part::Main, bytes }, out);
            }
            What::Ended { wire, part } if wire.nth > 0 => {
                let part = *part;
                self.hand(*wire, |wire, _| What::Ended { wire, part }, out);
            }
            What::Closed { wire, how } => {
                let how = *how;
                self.hand(*wire, |wire, _| What::Closed { wire, how }, out);
                self.plays.remove(wire);
            }
            What::Written { act } => self.hand_act(*act, |act| What::Written { act }, out),
            What::Failed { act, taken, why } => {
                let (taken, why) = (*taken, why.clone());
                self.hand_act(*act, |act| What::Failed { act, taken, why }, out);
            }
            What::Time => self.ring(out),
            _ => {}
        }
        self.wake(out);
    }
}

impl Scripted {
    fn begin(&mut self, file: &str, text: &str, out: &mut Acting<'_>) {
        match build(file, text, &self.settings) {
            Ok(script) => {
                self.script = Some(Arc::new(script));
                let at = Address::Tcp(format!("127.0.0.1:{}", self.settings.port));
                out.act(Act::Listen { wire: LISTENER, at, over_stale: false, mode: EVERYBODY });
            }
            Err(why) => self.refuse(&why, out),
        }
    }

    fn refuse(&self, why: &str, out: &mut Acting<'_>) {
        out.complain(why);
        out.exit(Exit::Code(WRONG));
    }

    /// A play for a new connection, which has just begun to listen.
    fn open(&mut self, wire: WireId, out: &mut Acting<'_>) {
        let (Some(script), Some(at)) = (self.script.clone(), self.at.clone()) else { return };
        let play = Play::new(script);
        let running =
            Running { play, begun: out.now, seq: 0, wake: None, wire: WireId { name: 1, nth: 1 }, told: 0 };
        self.plays.insert(wire, running);
        let given = self.given.clone();
        self.hand(wire, |_, _| What::Start { seed: 1, given }, out);
        self.hand(wire, |_, listener| What::Listening { wire: listener, at }, out);
    }

    /// Tells the play of a connection what happened, in its own names of wires.
    fn hand(&mut self, wire: WireId, what: impl FnOnce(WireId, WireId) -> What, out: &mut Acting<'_>) {
        let Some(running) = self.plays.get_mut(&wire) else { return };
        let what = what(running.wire, WireId::own(running.wire.name));
        let mut doings = Vec::new();
        let event = Event { at: out.now - running.begun, seq: running.seq, what };
        running.seq += 1;
        running.play.on(&event, &mut doings);
        let findings = running.play.outcome().findings;
        for finding in findings.iter().skip(running.told) {
            out.complain(&format!("the script: {} {}", finding.step, finding.message));
        }
        running.told = findings.len();
        for Doing { id, act } in doings {
            self.perform(wire, id, act, out);
        }
    }

    fn hand_act(&mut self, act: ActId, what: impl FnOnce(ActId) -> What, out: &mut Acting<'_>) {
        if let Some((wire, own)) = self.acts.remove(&act) {
            self.hand(wire, |_, _| what(own), out);
        }
    }

    /// What a play asks for, done to the true connection.
    fn perform(&mut self, wire: WireId, id: ActId, act: Act, out: &mut Acting<'_>) {
        let Some(running) = self.plays.get_mut(&wire) else { return };
        let act = match act {
            Act::Wake(at) => {
                running.wake = Some(running.begun + at);
                return;
            }
            Act::Listen { wire: listener, .. } => {
                running.wire = WireId { name: listener.name, nth: 1 };
                return;
            }
            Act::Close { how: CloseHow::Unlisten, .. } => return,
            Act::Finish => {
                self.plays.remove(&wire);
                return;
            }
            Act::Write { part, bytes, pieces, .. } => Act::Write { wire, part, bytes, pieces },
            Act::Close { how, .. } => Act::Close { wire, how },
            Act::Flow { reading, .. } => Act::Flow { wire, reading },
            other => other,
        };
        let ours = out.act(act);
        self.acts.insert(ours, (wire, id));
    }

    fn ring(&mut self, out: &mut Acting<'_>) {
        let due = |(wire, running): (&WireId, &Running)| {
            running.wake.is_some_and(|at| at <= out.now).then_some(*wire)
        };
        let due: Vec<WireId> = self.plays.iter().filter_map(due).collect();
        for wire in due {
            if let Some(running) = self.plays.get_mut(&wire) {
                running.wake = None;
            }
            self.hand(wire, |_, _| What::Time, out);
        }
    }

    fn wake(&self, out: &mut Acting<'_>) {
        if let Some(at) = self.plays.values().filter_map(|running| running.wake).min() {
            out.wake(at);
        }
    }
}

/// A script's name and its row: `failed[build]`.
fn row_of(name: &str) -> (&str, &str) {
    let row = name.strip_suffix(']').and_then(|rest| rest.split_once('['));
    row.unwrap_or((name, ""))
}

/// Binds a script, without anything that needs a driver.
fn build(file: &str, text: &str, settings: &Settings) -> Result<Script, String> {
    let shown = |error: FileErrors| error.render(false);
    let suite = Corpus::embedded().frame("dify-sri").map_err(|errors| errors[0].render(false))?;
    let read = scenario("dify-sri", file.trim_end_matches(".toml"), file, text).map_err(shown)?;
    let wrong = |span, message: String| {
        let problems = vec![Problem::new(span, message)];
        shown(FileErrors { file: file.into(), text: text.into(), problems })
    };
    if read.role.text != "daemon" {
        let message = "a script says what a daemon meets: role = \"daemon\"";
        return Err(wrong(read.role.span.clone(), message.into()));
    }
    let (_, row) = row_of(&settings.script);
    let known = || read.rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>().join(", ");
    let row = match row {
        "" => read.rows.first(),
        name => read.rows.iter().find(|row| row.name == name),
    };
    let row =
        row.ok_or_else(|| format!("{} is no row of the script; it has {}", settings.script, known()))?;
    let kept = of_http_alone(&suite, read.clone());
    let subject = Subject { suite: "dify-sri".into(), role: "daemon".into(), ..Subject::default() };
    let mut script = Script::build(&suite, &kept, &subject.into(), row, "", "go-daemon", Knobs::default())
        .map_err(|problems| shown(FileErrors { file: file.into(), text: text.into(), problems }))?;
    match &settings.key {
        Some(key) => script.bindings.set("api_key", Datum::text(key)),
        None => script.rules.retain(|rule| rule.label != "requests-carry-the-key"),
    }
    script.flood = u64::MAX;
    wait_for_clients(&mut script)?;
    Ok(script)
}

/// The scenario without what stands on lanes of a driver.
fn of_http_alone(suite: &Suite, read: Scenario) -> Scenario {
    let role = suite.role("daemon", "go-daemon", "").unwrap_or_default();
    let of_role = role.views.iter().map(|view| view.lane.text.clone());
    let own = read.views.iter().map(|view| view.lane.text.clone());
    let lanes: Vec<String> = of_role.chain(own).chain(["sri".to_owned()]).collect();
    let is_http = |lane: &str| lanes.iter().any(|known| known == lane);
    let mut steps: Vec<Step> =
        read.steps.into_iter().filter(|step| step.on.as_ref().is_none_or(|on| is_http(&on.text))).collect();
    let ids: Vec<String> =
        steps.iter().filter_map(|step| step.id.as_ref()).map(|id| id.text.clone()).collect();
    let is_known = |id: &crate::scenario::table::Text| ids.contains(&id.text);
    for step in &mut steps {
        step.since = step.since.take().filter(is_known);
    }
    let keeps = |rule: &Rule| {
        rule.on.iter().all(|on| is_http(&on.text)) && rule.from.iter().chain(&rule.until).all(is_known)
    };
    let rules = read.rules.into_iter().filter(keeps).collect();
    Scenario { steps, rules, opening: Opening::Omitted, ..read }
}

/// No goodbye, no deadline; what is left open by the last step stays so until the client goes.
fn wait_for_clients(script: &mut Script) -> Result<(), String> {
    script.steps.retain(|line| !line.goodbye);
    for line in &mut script.steps {
        line.within = matches!(line.verb, Verb::Expect(_)).then_some(PATIENCE);
    }
    let Some(last) = script.steps.last().cloned() else {
        return Err("the script has no step that answers a request".into());
    };
    let gone =
        Pattern::parse("$oneof($closed, $reset)").map_err(|mut mistakes| mistakes.swap_remove(0).message)?;
    script.steps.push(crate::play::Line {
        label: "gone".into(),
        since: None,
        after: None,
        floor: None,
        condition: None,
        uses: Vec::new(),
        within: Some(PATIENCE),
        verb: Verb::Expect(gone),
        ..last
    });
    Ok(())
}
