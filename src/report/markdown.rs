//! Markdown, for a job summary: a table of verdicts, then each broken rule with its cases.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use super::{About, Reporter, closing_line};
use crate::runner::{CaseResult, Counts, RunEvent};

/// The reporter; it writes when all runs are over.
pub struct Markdown<W: Write> {
    out: W,
    table: String,
    notes: BTreeSet<String>,
    broken: BTreeMap<String, Broken>,
    counts: Counts,
}

/// A broken rule.
struct Broken {
    rule: String,
    source: String,
    cases: Vec<String>,
}

impl<W: Write> Markdown<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self {
            out,
            table: String::new(),
            notes: BTreeSet::new(),
            broken: BTreeMap::new(),
            counts: Counts::default(),
        }
    }

    fn case(&mut self, about: About<'_>, result: &CaseResult) {
        for judged in
            result.findings.iter().filter(|judged| !judged.accepted && !judged.finding.requirement.is_empty())
        {
            let id = format!("{} {}", judged.level, judged.finding.requirement);
            let requirement = about.suite.registry.get(&judged.finding.requirement);
            let broken = self.broken.entry(id).or_insert_with(|| Broken {
                rule: requirement.map_or(String::new(), |requirement| requirement.rule.clone()),
                source: requirement
                    .and_then(|requirement| requirement.source.first().cloned())
                    .unwrap_or_default(),
                cases: Vec::new(),
            });
            broken.cases.push(format!("`{}`: {}", cell(&result.id), cell(&judged.finding.message)));
        }
    }
}

/// Text that cannot end a cell, begin a tag or break a line.
fn cell(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('|', "\\|").replace('`', "'");
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

impl<W: Write + Send> Reporter for Markdown<W> {
    fn on(&mut self, about: About<'_>, event: &RunEvent) {
        match event {
            RunEvent::Finished(result) if result.selected => self.case(about, result),
            RunEvent::Ended { counts, .. } => {
                self.table += &format!(
                    "| {} {} | {} | {} | {} | {} | {} | {} |\n",
                    about.suite.name,
                    about.subject.role,
                    about.profile,
                    cell(&about.subject.name),
                    counts.pass,
                    counts.warn,
                    counts.fail,
                    counts.inconclusive
                );
                if let Some(note) = about.note() {
                    self.notes.insert(format!("Profile `{}`: {}", about.profile, cell(note)));
                }
                self.counts.merge(counts);
            }
            _ => {}
        }
    }

    fn finish(&mut self, _: i32) -> std::io::Result<()> {
        writeln!(self.out, "# plugfest {}\n", env!("CARGO_PKG_VERSION"))?;
        writeln!(self.out, "| role | profile | subject | passed | warned | failed | inconclusive |")?;
        writeln!(self.out, "|---|---|---|---|---|---|---|\n{}", self.table)?;
        for note in &self.notes {
            writeln!(self.out, "{note}\n")?;
        }
        for (id, broken) in &self.broken {
            writeln!(self.out, "## {id}\n\n{}\n\nSource: {}\n", cell(&broken.rule), cell(&broken.source))?;
            for case in &broken.cases {
                writeln!(self.out, "- {case}")?;
            }
            writeln!(self.out)?;
        }
        writeln!(self.out, "{}", closing_line(&self.counts))?;
        self.out.flush()
    }
}
