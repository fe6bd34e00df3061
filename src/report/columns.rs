//! Profiles side by side: which broken rule binds where, for people who must serve documents and deployed systems.

use std::collections::{BTreeMap, BTreeSet};

use super::About;
use crate::runner::Counts;

/// The runs of a report, each a column.
#[derive(Default)]
pub(super) struct Columns {
    runs: Vec<Column>,
}

struct Column {
    /// Suite, role, subject and vehicle: what it stands beside.
    group: String,
    profile: String,
    own: bool,
    counts: Counts,
    /// The cases that break a rule, by its id.
    broken: BTreeMap<String, usize>,
}

impl Columns {
    /// Adds a run.
    pub(super) fn add(&mut self, about: About<'_>, counts: &Counts, causes: &BTreeMap<String, Vec<String>>) {
        self.runs.push(Column {
            group: format!(
                "{} {} {}, {}",
                about.suite.name, about.subject.role, about.subject.name, about.vehicle
            ),
            profile: about.profile.into(),
            own: about.decides,
            counts: counts.clone(),
            broken: causes.iter().map(|(id, cases)| (id.clone(), cases.len())).collect(),
        });
    }

    /// A table for every subject that ran in several profiles.
    pub(super) fn tables(&self) -> Vec<String> {
        let groups: BTreeSet<&str> = self.runs.iter().map(|run| run.group.as_str()).collect();
        let of = |group| self.runs.iter().filter(move |run| run.group == group).collect::<Vec<_>>();
        groups.into_iter().map(of).filter(|runs| runs.len() > 1).flat_map(|runs| table(&runs)).collect()
    }
}

fn table(runs: &[&Column]) -> Vec<String> {
    let mut lines = vec![format!("{}: profiles side by side (* sets the exit status)", runs[0].group)];
    let mut row = |name: &str, cell: &dyn Fn(&Column) -> String| {
        let cells: String = runs.iter().map(|run| format!("{:>12}", cell(run))).collect();
        lines.push(format!("  {name:32}{cells}"));
    };
    row("", &|run| format!("{}{}", run.profile, if run.own { "*" } else { "" }));
    row("pass", &|run| run.counts.pass.to_string());
    row("warn", &|run| run.counts.warn.to_string());
    row("fail", &|run| run.counts.fail.to_string());
    row("inconclusive", &|run| run.counts.inconclusive.to_string());
    row("blocked", &|run| run.counts.blocked.to_string());
    row("not-applicable", &|run| run.counts.not_applicable.to_string());
    let broken: BTreeSet<&String> = runs.iter().flat_map(|run| run.broken.keys()).collect();
    for id in broken {
        row(&format!("broken: {id}"), &|run| {
            run.broken.get(id).map_or_else(|| "-".to_owned(), |cases| format!("{cases} cases"))
        });
    }
    lines
}
