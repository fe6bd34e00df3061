//! What a case found out about its subject.

use serde::{Deserialize, Serialize};

use crate::actor::Nanos;
use crate::datum::MismatchKind;

/// One broken rule, with what is needed to recognise it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The id of the requirement that is charged.
    pub requirement: String,
    /// How it is broken.
    pub outcome: Breach,
    /// For people; no part of the identity.
    pub message: String,
    /// The step or rule: its id, or `expect#n` of its lane.
    pub step: String,
    /// Where in the message.
    pub path: String,
    /// The kind of the mismatch.
    pub kind: String,
    /// What was wanted, in the notation; empty if nothing in particular.
    pub wanted: String,
    /// What came, in the notation; empty if nothing did.
    pub got: String,
    /// The file and byte range of the step or rule.
    pub span: (usize, usize),
    /// The number of the event that brought it.
    pub seq: u64,
}

/// How a rule is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Breach {
    /// A message that does not fit, or fits what is forbidden.
    Broken,
    /// A message that nobody expected.
    Unexpected,
    /// Nothing came in time.
    Late,
    /// More bytes than the case allows.
    Flood,
    /// The subject ended where it should have gone on.
    Ended,
    /// We could not tell.
    Inconclusive,
}

impl Breach {
    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Breach::Broken => "broken",
            Breach::Unexpected => "unexpected",
            Breach::Late => "late",
            Breach::Flood => "flood",
            Breach::Ended => "ended",
            Breach::Inconclusive => "inconclusive",
        }
    }
}

/// The `kind` of findings that are no mismatch of values.
pub fn kind_name(kind: Option<MismatchKind>) -> String {
    kind.map_or(String::new(), |kind| kind.name().to_owned())
}

/// A time for people.
pub(super) fn millis(nanos: Nanos) -> String {
    match nanos / 1_000_000 {
        millis @ 0..=9_999 => format!("{millis} ms"),
        millis => format!("{:.1} s", millis as f64 / 1000.0),
    }
}
