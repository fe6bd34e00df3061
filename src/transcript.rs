//! What happened in a case, byte for byte: a header, then every event and doing, as JSON Lines.
//!
//! Judging is replaying: [`judge`] feeds a stored run to a fresh [`Play`], which must do and find the same.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::actor::{Act, Actor, Doing, Event, What};
use crate::play::{CaseName, Knobs, Outcome, Play, Script};
use crate::requirement::{Level, Registry};
use crate::scenario::{Suite, read_rules, scenario};
use crate::secret::Secrets;
use crate::subject::Subject;

/// The version of the format; it changes when older files cannot be judged any more.
pub const FORMAT: u32 = 1;

/// Takes what happens to an actor.
pub trait Record {
    /// An event that was delivered.
    fn event(&mut self, event: Event);
    /// What the actor did about it.
    fn doing(&mut self, doing: &Doing);
}

/// Keeps nothing.
impl Record for () {
    fn event(&mut self, _: Event) {}
    fn doing(&mut self, _: &Doing) {}
}

/// Everything that a stored run needs to be judged without the corpus that it came from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// [`FORMAT`]
    pub format: u32,
    /// The version of plugfest that wrote it.
    pub plugfest: String,
    /// Which case this is.
    pub case: CaseName,
    /// The file of the scenario, as messages name it.
    pub file: String,
    /// The scenario as text.
    pub scenario: String,
    /// suite.toml as text.
    pub suite: String,
    /// rules.toml as text.
    pub rules: String,
    /// The level of each requirement under the profile.
    pub levels: BTreeMap<String, Level>,
    /// The subject's commands.
    pub command: Vec<String>,
    /// Its driver.
    pub driver: Option<Vec<String>>,
    /// Operations that are commands.
    pub ops: BTreeMap<String, Vec<String>>,
    /// What it declares.
    pub capabilities: Vec<String>,
    /// Additions to its environment.
    pub env: BTreeMap<String, String>,
    /// Where it was attached.
    #[serde(default)]
    pub attach: Option<String>,
    /// Headers that every request to it had.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Its secrets: what stands for them.
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
    /// Its values of `[timing]`, in nanoseconds.
    pub timing: BTreeMap<String, u64>,
    /// Seed and scale.
    pub knobs: Knobs,
}

/// One line after the header.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Line {
    /// What happened.
    Event(Event),
    /// What was done about it.
    Doing(Doing),
}

impl Line {
    /// How much it holds, in bytes: those that came or are to be sent.
    pub(crate) fn size(&self) -> usize {
        match self {
            Line::Event(Event { what: What::Bytes { bytes, .. }, .. }) => bytes.0.len(),
            Line::Doing(Doing { act: Act::Write { bytes, .. }, .. }) => bytes.held(),
            _ => 0,
        }
    }
}

impl Header {
    /// The header of a case.
    pub fn new(suite: &Suite, script: &Script) -> Self {
        let scenario = suite.scenario(&script.name.scenario);
        let subject = &script.subject;
        let told = subject.timing.keys().map(|name| (name.clone(), script.time(name)));
        Self {
            format: FORMAT,
            plugfest: env!("CARGO_PKG_VERSION").into(),
            case: script.name.clone(),
            file: scenario.map_or(String::new(), |scenario| scenario.file.clone()),
            scenario: scenario.map_or(String::new(), |scenario| scenario.text.to_string()),
            suite: suite.text.to_string(),
            rules: suite.rules_text.to_string(),
            levels: script.registry.levels(&script.name.profile),
            command: subject.command.clone(),
            driver: subject.driver.clone(),
            ops: subject.ops.clone(),
            capabilities: subject.capabilities.iter().cloned().collect(),
            env: subject.env.clone(),
            attach: subject.attach.as_ref().map(ToString::to_string),
            headers: subject.headers.clone(),
            secrets: subject.secrets.holders().clone(),
            timing: told.collect(),
            knobs: script.knobs,
        }
    }

    /// The first line of a transcript.
    ///
    /// # Errors
    /// What keeps it from being JSON.
    pub fn line(&self) -> Result<Vec<u8>, std::io::Error> {
        let mut line = Vec::new();
        write_line(&mut line, self).map(|()| line)
    }

    /// The script that was played.
    ///
    /// # Errors
    /// What keeps the texts in the header from being a scenario.
    pub fn script(&self) -> Result<Script, String> {
        let text = |errors: crate::scenario::error::FileErrors| errors.render(false);
        let mut suite = Suite::parse(&self.case.suite, "suite.toml", &self.suite).map_err(text)?;
        suite.registry = Arc::new(Registry::of_levels(&self.levels, &self.case.profile));
        suite.rules = read_rules("rules.toml", &self.rules).map_err(text)?;
        let scenario =
            scenario(&self.case.suite, &self.case.scenario, &self.file, &self.scenario).map_err(text)?;
        let row = scenario.rows.iter().find(|row| row.name == self.case.row);
        let row = row.ok_or_else(|| format!("the scenario has no row `{}`", self.case.row))?;
        let fixed = |nanos: &u64| crate::scenario::Duration::Fixed(*nanos);
        let subject = Arc::new(Subject {
            suite: self.case.suite.clone(),
            role: self.case.role.clone(),
            command: self.command.clone(),
            driver: self.driver.clone(),
            ops: self.ops.clone(),
            capabilities: self.capabilities.iter().cloned().collect(),
            env: self.env.clone(),
            attach: self.attach.as_deref().map(crate::subject::Attach::parse).transpose()?,
            headers: self.headers.clone(),
            secrets: Secrets::of_holders(self.secrets.clone()),
            timing: self.timing.iter().map(|(name, nanos)| (name.clone(), fixed(nanos))).collect(),
            ..Subject::default()
        });
        Script::build(&suite, &scenario, &subject, row, &self.case.mode, &self.case.profile, self.knobs)
            .map_err(|problems| problems.first().map_or(String::new(), |problem| problem.message.clone()))
    }
}

/// A run in memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    /// Events and doings in order.
    pub lines: Vec<Line>,
}

impl Record for Memory {
    fn event(&mut self, event: Event) {
        self.lines.push(Line::Event(event));
    }

    fn doing(&mut self, doing: &Doing) {
        self.lines.push(Line::Doing(doing.clone()));
    }
}

/// Writes a line of a transcript.
pub(crate) fn write_line(mut out: impl Write, value: &impl Serialize) -> Result<(), std::io::Error> {
    serde_json::to_writer(&mut out, value)?;
    out.write_all(b"\n")
}

/// Reads a stored run.
///
/// # Errors
/// A line that is none of this format, with its number.
pub fn read(input: impl BufRead) -> Result<(Header, Vec<Line>), String> {
    let mut lines = input.lines().enumerate();
    let first = lines.next().ok_or("the file is empty: a stored run begins with a header")?;
    let first = first.1.map_err(|error| format!("line 1: {error}"))?;
    let version = serde_json::from_str::<serde_json::Value>(&first).ok();
    let version = version.and_then(|header| header.get("format").and_then(serde_json::Value::as_u64));
    match version {
        None => return Err("line 1 is no header of a stored run".into()),
        Some(version) if version != u64::from(FORMAT) => {
            return Err(format!(
                "this run has format version {version}; this plugfest reads version {FORMAT}"
            ));
        }
        Some(_) => {}
    }
    let header = serde_json::from_str(&first).map_err(|error| format!("line 1: {error}"))?;
    let mut read = Vec::new();
    for (number, line) in lines {
        let line = line.map_err(|error| format!("line {}: {error}", number + 1))?;
        let parsed = serde_json::from_str(&line);
        read.push(parsed.map_err(|error| format!("line {} is cut or damaged: {error}", number + 1))?);
    }
    Ok((header, read))
}

/// What a second look at a stored run found.
pub struct Judgement {
    /// What the fresh play found out.
    pub outcome: Outcome,
    /// The first doing that differs: its number among the doings, what was stored, what is done now.
    pub diverged: Option<(usize, String, String)>,
    /// Whether the stored run goes on to the end of its case.
    pub complete: bool,
    /// The exchange as people read it.
    pub play: Play,
}

/// Feeds a run to a fresh play.
pub fn judge(script: Arc<Script>, lines: &[Line]) -> Judgement {
    let mut play = Play::new(script);
    let mut expected = Vec::new();
    let mut stored = Vec::new();
    for line in lines {
        match line {
            Line::Event(event) => play.on(event, &mut expected),
            Line::Doing(doing) => stored.push(doing),
        }
    }
    let show = |doing: Option<&Doing>| doing.map_or("nothing".to_owned(), |doing| format!("{doing:?}"));
    let differs =
        (0..expected.len().max(stored.len())).find(|at| expected.get(*at) != stored.get(*at).copied());
    let diverged = differs.map(|at| (at, show(stored.get(at).copied()), show(expected.get(at))));
    Judgement { outcome: play.outcome(), diverged, complete: play.is_done(), play }
}
