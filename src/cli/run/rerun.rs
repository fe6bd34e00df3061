//! `--rerun RUN.jsonl`: the cases that were not good in an earlier run.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::cli::Wrong;

/// The cases to run again.
pub(super) struct Again(BTreeSet<[String; 3]>);

impl Again {
    /// Reads the jsonl report of a run.
    ///
    /// # Errors
    /// A file that cannot be read, is cut off, or is no such report.
    pub(super) fn read(path: &Path) -> Result<Self, Wrong> {
        let shown = path.display();
        let text = std::fs::read_to_string(path).map_err(|error| format!("--rerun {shown}: {error}"))?;
        let mut again = BTreeSet::new();
        let mut ended = false;
        for (nth, line) in text.lines().enumerate() {
            let wrong = |why: String| Wrong::Said(format!("--rerun {shown}:{}: {why}", nth + 1));
            let line: Value = serde_json::from_str(line)
                .map_err(|error| wrong(format!("no line of a jsonl report, or cut off: {error}")))?;
            let word = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
            match line["event"].as_str() {
                None => {
                    return Err(wrong(
                        "not an event of a jsonl report: write it with --report jsonl=PATH".into(),
                    ));
                }
                Some("case-finished") if is_bad(&line) => {
                    again.insert([word("suite"), word("role"), word("case")]);
                }
                Some("run-finished") => ended = true,
                Some(_) => {}
            }
        }
        if !ended {
            return Err(Wrong::Said(format!(
                "--rerun {shown}: the report is cut off: it has no run-finished line"
            )));
        }
        Ok(Self(again))
    }

    /// The ids of one role.
    pub(super) fn of(&self, suite: &str, role: &str) -> BTreeSet<String> {
        let own = self.0.iter().filter(|[s, r, _]| s == suite && r == role);
        own.map(|[_, _, case]| case.clone()).collect()
    }
}

/// Whether a case has to be looked at: not good, or not as the baseline says.
fn is_bad(line: &Value) -> bool {
    matches!(line["verdict"].as_str(), Some("fail" | "warn" | "inconclusive" | "blocked"))
        || matches!(line["baseline"].as_str(), Some("unexpected" | "stale"))
}
