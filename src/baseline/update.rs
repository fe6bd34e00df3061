//! Rewriting a baseline: what did not show leaves, what is new comes in; comments and reasons stay.

use std::collections::BTreeSet;

use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, value};

use super::{Baseline, identity};
use crate::play::Entry;
use crate::requirement::Level;
use crate::runner::CaseResult;

/// What an update did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// The new text of the file.
    pub text: String,
    /// Entries that came in; they have no reason yet.
    pub added: usize,
    /// Entries that left.
    pub removed: usize,
}

impl Baseline {
    /// The file as it should be after a run: entries that do not hold leave, each finding of `results` that nobody
    /// accepted comes in with an empty reason, which a person has to fill before the file counts.
    /// A finding that a repeated run showed twice comes in once.
    pub fn updated(&self, results: &[&CaseResult], whole_suite: bool) -> Update {
        let mut seen = self.clone();
        results.iter().for_each(|result| seen.see(result));
        let mut document: DocumentMut = self.text.parse().unwrap_or_default();
        let list = document.entry("accept").or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
        let mut empty = ArrayOfTables::new();
        let list = list.as_array_of_tables_mut().unwrap_or(&mut empty);
        let stale: Vec<usize> =
            (0..seen.entries.len()).filter(|nth| seen.entries[*nth].stale(whole_suite).is_some()).collect();
        for nth in stale.iter().rev() {
            list.remove(*nth);
        }
        let mut added = BTreeSet::new();
        for result in results {
            let open = result.findings.iter().filter(|judged| judged.level > Level::May && !judged.accepted);
            for judged in open.filter(|judged| !judged.finding.requirement.is_empty()) {
                let key =
                    [&result.id, &judged.finding.requirement, &identity(&judged.finding)].map(String::clone);
                if !added.insert(key) {
                    continue;
                }
                let mut table = Table::new();
                table.decor_mut().set_prefix(if list.is_empty() && self.text.is_empty() { "" } else { "\n" });
                let finding = &judged.finding;
                let capture =
                    if finding.got.is_empty() { last_bytes(&result.chart) } else { finding.got.clone() };
                for (key, text) in [
                    ("case", result.id.as_str()),
                    ("requirement", &finding.requirement),
                    ("finding", &identity(finding)),
                    ("reason", ""),
                    ("source", ""),
                    ("capture", &capture),
                ] {
                    table.insert(key, value(text));
                }
                list.push(table);
            }
        }
        Update { text: document.to_string(), added: added.len(), removed: stale.len() }
    }
}

/// The last thing that the subject sent.
fn last_bytes(chart: &[Entry]) -> String {
    let last = chart.iter().rev().find(|entry| entry.way == '<' && !entry.hex.is_empty());
    last.map_or_else(|| "nothing came".to_owned(), |entry| entry.text.clone())
}
