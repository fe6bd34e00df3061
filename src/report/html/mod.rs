//! One file for people, without network: a matrix of sections and profiles, what to mend first, and each case with
//! its rule, its source, expected beside got, and the exchange as a sequence chart.
//!
//! Cases are written to a temporary file as they end; only their places and the sums are kept.

mod case;
mod exchange;
mod page;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};

use super::{About, Reporter};
use crate::requirement::Level;
use crate::runner::{CaseResult, Counts, RunEvent, Verdict};

/// The reporter; it writes when all runs are over.
pub struct Html<W: Write> {
    out: W,
    spool: Option<BufWriter<File>>,
    written: u64,
    runs: Vec<Run>,
    places: Vec<Place>,
    causes: BTreeMap<(String, String), Cause>,
    stale: Vec<String>,
    error: Option<io::Error>,
}

/// A run: a column of the matrix.
struct Run {
    suite: String,
    role: String,
    subject: String,
    profile: String,
    vehicle: String,
    /// What a reader must know about the profile.
    note: Option<String>,
    /// A short hash of what the suite says.
    hash: String,
    counts: Counts,
    millis: u64,
    sections: BTreeMap<String, BTreeMap<Verdict, usize>>,
}

impl Run {
    /// What stands side by side in one table.
    fn group(&self) -> (&str, &str, &str) {
        (&self.suite, &self.role, &self.subject)
    }
}

/// Where the markup of a case lies in the temporary file.
struct Place {
    run: usize,
    section: String,
    id: String,
    at: u64,
    len: u64,
}

/// A broken requirement.
struct Cause {
    level: Level,
    rule: String,
    source: Vec<String>,
    cases: Vec<String>,
}

impl<W: Write> Html<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self {
            out,
            spool: None,
            written: 0,
            runs: Vec::new(),
            places: Vec::new(),
            causes: BTreeMap::new(),
            stale: Vec::new(),
            error: None,
        }
    }

    fn case(&mut self, about: About<'_>, result: &CaseResult) {
        let Some(nth) = self.runs.len().checked_sub(1) else { return };
        let section = result.scenario.split('/').next().unwrap_or_default().to_owned();
        let tally = self.runs[nth].sections.entry(section.clone()).or_default();
        *tally.entry(result.verdict).or_default() += 1;
        self.note_causes(about, result);
        let markup = case::markup(about, result, nth, self.places.len(), &section).into_string();
        let written = self.spool().and_then(|spool| spool.write_all(markup.as_bytes()));
        self.error = self.error.take().or(written.err());
        let (at, len) = (self.written, markup.len() as u64);
        self.places.push(Place { run: nth, section, id: result.id.clone(), at, len });
        self.written += len;
    }

    fn spool(&mut self) -> io::Result<&mut BufWriter<File>> {
        if self.spool.is_none() {
            self.spool = Some(BufWriter::new(tempfile::tempfile()?));
        }
        self.spool.as_mut().ok_or_else(|| io::Error::other("no temporary file"))
    }

    fn note_causes(&mut self, about: About<'_>, result: &CaseResult) {
        let broken = result.findings.iter().filter(|judged| !judged.accepted);
        for judged in broken.filter(|judged| !judged.finding.requirement.is_empty()) {
            let requirement = about.suite.registry.get(&judged.finding.requirement);
            let key = (result.suite.clone(), judged.finding.requirement.clone());
            let cause = self.causes.entry(key).or_insert_with(|| Cause {
                level: judged.level,
                rule: requirement.map_or(String::new(), |requirement| requirement.rule.clone()),
                source: requirement.map_or(Vec::new(), |requirement| requirement.source.clone()),
                cases: Vec::new(),
            });
            cause.level = cause.level.max(judged.level);
            if !cause.cases.contains(&result.id) {
                cause.cases.push(result.id.clone());
            }
        }
    }

    /// Writes the page: what was summed up, then the cases in order of runs that stand side by side.
    fn write(&mut self, exit: i32) -> io::Result<()> {
        let mut order: Vec<usize> = (0..self.places.len()).collect();
        let runs = &self.runs;
        order.sort_by_key(|nth| {
            let place = &self.places[*nth];
            (runs[place.run].group(), &place.section, &place.id, place.run)
        });
        let causes: Vec<_> = self.causes.iter().collect();
        let (head, foot) = page::frame(runs, &causes, &self.stale, exit);
        self.out.write_all(head.as_bytes())?;
        if let Some(spool) = self.spool.take() {
            let mut spool = spool.into_inner().map_err(io::IntoInnerError::into_error)?;
            for nth in order {
                let place = &self.places[nth];
                spool.seek(SeekFrom::Start(place.at))?;
                io::copy(&mut (&mut spool).take(place.len), &mut self.out)?;
            }
        }
        self.out.write_all(foot.as_bytes())?;
        self.out.flush()
    }
}

impl<W: Write + Send> Reporter for Html<W> {
    fn on(&mut self, about: About<'_>, event: &RunEvent) {
        match event {
            RunEvent::Started { suite, .. } => self.runs.push(Run {
                suite: visible(suite),
                role: visible(&about.subject.role),
                subject: visible(&about.subject.name),
                profile: visible(about.profile),
                vehicle: visible(about.vehicle),
                note: about.note().map(visible),
                hash: about.suite.hash(),
                counts: Counts::default(),
                millis: 0,
                sections: BTreeMap::new(),
            }),
            RunEvent::Finished(result) if result.selected => self.case(about, result),
            RunEvent::Stale(entry) => self.stale.push(visible(&entry.render(false))),
            RunEvent::Ended { counts, millis } => {
                if let Some(run) = self.runs.last_mut() {
                    (run.counts, run.millis) = (counts.clone(), *millis);
                }
            }
            _ => {}
        }
    }

    fn finish(&mut self, exit: i32) -> io::Result<()> {
        match self.error.take() {
            Some(error) => Err(error),
            None => self.write(exit),
        }
    }
}

/// A text in which nothing is hidden: control characters and those that turn the direction of writing become their
/// pictures or numbers. Line ends and tabs stay.
fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(c),
            '\0'..='\u{1f}' => out.extend(char::from_u32(0x2400 + u32::from(c))),
            '\u{7f}' => out.push('\u{2421}'),
            '\u{80}'..='\u{9f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{61c}'
            | '\u{feff}'
            | '\u{fff0}'..='\u{ffff}' => out.push_str(&format!("<U+{:04X}>", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_hidden() {
        assert_eq!(visible("a\u{1b}[31m\u{7f}\u{202e}b\u{9b}\n"), "a␛[31m␡<U+202E>b<U+009B>\n");
    }
}
