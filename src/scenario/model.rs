//! What a scenario says, after reading and expanding and before it is bound to a subject.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Duration;
use super::table::{Span, Text};
use crate::codec::http1::Format;
use crate::datum::{Datum, Pattern};
use crate::play::StepAct;

/// One scenario file.
#[derive(Clone, Debug, Default)]
pub struct Scenario {
    /// The suite it belongs to.
    pub suite: String,
    /// Its path below the suite, without `.toml`: `messages/unknown-id`.
    pub id: String,
    /// Its file, as messages name it.
    pub file: String,
    /// The text of the file, for transcripts.
    pub text: Arc<str>,
    /// The behaviour wanted, in a sentence.
    pub summary: String,
    /// The role of the subject.
    pub role: Text,
    /// Modes in which it runs; all if empty.
    pub modes: Vec<Text>,
    /// Profiles in which it binds; all if empty.
    pub profiles: Vec<Text>,
    /// What the subject must have declared.
    pub capabilities: Vec<Text>,
    /// What steps and rules without `covers` are charged to.
    pub covers: Option<Text>,
    /// Requirements that must hold, or this case is blocked.
    pub needs: Vec<Text>,
    /// It is the probe of what it covers.
    pub probe: bool,
    /// Runs only with `--slow`.
    pub slow: bool,
    /// Whether it may share a process.
    pub isolation: Option<Isolation>,
    /// Most bytes that the subject may send.
    pub flood: Option<u64>,
    /// Which opening of the role runs first.
    pub opening: Opening,
    /// How the subject is started.
    pub start: Launch,
    /// Overrides of `[timing]`.
    pub timing: BTreeMap<String, Duration>,
    /// Suite rules that are switched off, with the reason.
    pub off: Vec<(Text, String)>,
    /// The nearest valid case that must be accepted.
    pub twin: Option<Twin>,
    /// Views of lanes.
    pub views: Vec<ViewSpec>,
    /// Acts and expectations, in file order.
    pub steps: Vec<Step>,
    /// What holds beside the steps.
    pub rules: Vec<Rule>,
    /// Named rows of `vary`; one nameless row if there are none.
    pub rows: Vec<Row>,
}

/// The nearest valid case of a negative one.
pub type Twin = Text;

/// Whether cases share a process of the subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Each case has its own.
    Process,
    /// Cases share one, each over connections of its own.
    Connection,
}

/// Which opening of the role runs before the steps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Opening {
    /// The role's own.
    #[default]
    Default,
    /// None.
    Omitted,
    /// Another one of the role's, by name.
    Named(Text),
}

/// How a process of the subject is started.
#[derive(Clone, Debug, Default)]
pub struct Launch {
    /// The package in the place of `{package}`.
    pub package: Option<String>,
    /// Whether a process of ours is its parent, which a `signal` goes to.
    pub parent: bool,
    /// What stands in the place of `{mode}`, where it is not the case's.
    pub mode: Option<String>,
    /// Arguments after the command; replace the role's if given.
    pub args: Option<Vec<Text>>,
    /// Additions to the environment.
    pub env: Vec<(String, Text)>,
    /// Files below the case's folder.
    pub files: Vec<(String, Text)>,
}

/// One named row of `vary`.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// Its name; empty for a scenario without rows.
    pub name: String,
    /// What it binds.
    pub values: Vec<(String, Datum)>,
}

/// The messages of a lane that fit a pattern.
#[derive(Clone, Debug)]
pub struct ViewSpec {
    /// Its name as a lane.
    pub lane: Text,
    /// The lane that it is cut out of; the role's first if absent.
    pub of: Option<Text>,
    /// Which messages.
    pub matching: Pattern,
}

/// One act or expectation.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its name, if it has one.
    pub id: Option<Text>,
    /// Where it stands.
    pub span: Span,
    /// Its lane; the role's first (or the verb's own) if absent.
    pub on: Option<Text>,
    /// The step that `within`, `after` and `floor` count from.
    pub since: Option<Text>,
    /// At most so long.
    pub within: Option<Duration>,
    /// Not before.
    pub after: Option<Duration>,
    /// What comes sooner is too early.
    pub floor: Option<Duration>,
    /// The requirement that it is charged to.
    pub covers: Option<Text>,
    /// Only in these rows.
    pub rows: Vec<Text>,
    /// Only after this label was taken.
    pub condition: Option<Text>,
    /// What it does.
    pub verb: Verb,
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum Verb {
    /// The next message or observation without another taker fits.
    Expect(Pattern),
    /// No message for so long.
    Quiet(Duration),
    /// Exchanges with inputs from what the subject announced, by the name of their `protocol::drive`.
    Drive(Text),
    /// An act of ours.
    Act(Arc<dyn StepAct>),
}

/// Something that holds for whatever comes whenever.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name, if it has one.
    pub id: Option<Text>,
    /// Where it stands.
    pub span: Span,
    /// Its lanes; the role's first if empty.
    pub on: Vec<Text>,
    /// After this step.
    pub from: Option<Text>,
    /// Before this step.
    pub until: Option<Text>,
    /// The requirement that it is charged to.
    pub covers: Option<Text>,
    /// Only in these profiles; all if empty.
    pub profiles: Vec<Text>,
    /// Only in these modes; all if empty.
    pub modes: Vec<Text>,
    /// Only for this role (suite rules).
    pub role: Option<Text>,
    /// Only in these rows.
    pub rows: Vec<Text>,
    /// What it says.
    pub kind: RuleKind,
}

/// What a rule says.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the variants say what their fields are")]
pub enum RuleKind {
    /// No message fits.
    Forbid(Pattern),
    /// Every message (or those `of`) fits; fewer than `least` is inconclusive.
    Require { pattern: Pattern, of: Option<Pattern>, least: u64 },
    /// A stateful check in Rust.
    Check(Text),
    /// Messages that may come, at most so many.
    Allow { pattern: Pattern, most: Option<u64> },
    /// Messages that are answered by these acts, at most so many.
    Answer { pattern: Pattern, with: Vec<Step>, most: Option<u64> },
    /// Acts again and again.
    Every { interval: Duration, acts: Vec<Step> },
}

impl Rule {
    /// What `on` says for every connection like those of the role's first lane.
    pub const EACH: &str = "*";

    /// Whether it is for this role; a scenario's rule is for whom its scenario is.
    pub fn concerns(&self, role: &str) -> bool {
        self.role.as_ref().is_none_or(|own| own.text == role)
    }
}

impl RuleKind {
    /// What it does when it holds.
    pub fn acts(&self) -> &[Step] {
        match self {
            RuleKind::Every { acts, .. } => acts,
            RuleKind::Answer { with, .. } => with,
            _ => &[],
        }
    }
}

/// A lane that suite.toml declares.
#[derive(Clone, Debug)]
pub struct LaneSpec {
    /// Its name.
    pub name: Text,
    /// Where its messages come from.
    pub source: Source,
    /// The codec of its bytes.
    pub codec: Text,
    /// The requirement that the unexpected is charged to.
    pub default: Text,
    /// Observations that are findings before the goodbye.
    pub bad: Vec<Pattern>,
    /// The formats of HTTP bodies, by path.
    pub bodies: Vec<Body>,
}

/// The formats of the HTTP bodies of a path; never guessed.
#[derive(Clone, Debug)]
pub struct Body {
    /// The path without its query; a `*` in front stands for any beginning.
    pub path: String,
    /// Of requests.
    pub request: Format,
    /// Of responses with a status of 2xx.
    pub body: Format,
    /// Of all other responses.
    pub error: Format,
}

/// Where the messages of a lane come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// What becomes of the subject's process.
    Process,
    /// Standard input and output of the subject.
    Stdio,
    /// Standard error of the subject.
    Stderr,
    /// The subject's driver.
    Driver,
    /// Connections that we open to a Unix socket of the subject.
    ConnectUnix,
    /// Connections that we open to a port of the subject.
    ConnectTcp,
    /// Connections that the subject opens to a Unix socket of ours.
    AcceptUnix,
    /// Connections that the subject opens to a port of ours.
    AcceptTcp,
    /// Processes that the subject starts, through our relay.
    AcceptRelay,
    /// HTTP requests that we send to the subject.
    ConnectHttp,
    /// HTTP requests that the subject sends to us.
    AcceptHttp,
}
