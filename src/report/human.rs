//! What a person reads: the failing cases with their bytes, and what to mend first.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};

use anstyle::{AnsiColor, Style};

use super::columns::Columns;
use super::{About, Reporter, line_of};
use crate::play::Entry;
use crate::requirement::Level;
use crate::runner::{CaseResult, Counts, Judged, RunEvent, Verdict};

/// Most lines of an exchange in a failing block.
const EXCHANGE: usize = 20;

/// The reporter. Colour only where the stream shows it.
pub struct Human<W: Write> {
    out: W,
    /// Where progress is shown, if anywhere.
    progress: bool,
    done: usize,
    total: usize,
    counts: Counts,
    /// Broken requirements of the run with the cases that break them.
    causes: BTreeMap<String, Vec<String>>,
    blocked: BTreeMap<String, usize>,
    left_out: BTreeMap<String, usize>,
    accepted: usize,
    noted: Vec<String>,
    columns: Columns,
}

impl<W: Write> Human<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        let progress = std::io::stderr().is_terminal() && std::env::var_os("CI").is_none();
        Self {
            out,
            progress,
            done: 0,
            total: 0,
            counts: Counts::default(),
            causes: BTreeMap::new(),
            blocked: BTreeMap::new(),
            left_out: BTreeMap::new(),
            accepted: 0,
            noted: Vec::new(),
            columns: Columns::default(),
        }
    }

    fn say(&mut self, text: &str) {
        let _ = writeln!(self.out, "{text}");
    }

    fn show_progress(&self, text: &str) {
        if self.progress {
            eprint!("\r\x1b[2K{text}");
        }
    }

    fn finished(&mut self, about: About<'_>, result: &CaseResult) {
        self.done += 1;
        self.show_progress(&format!("{}/{} {}", self.done, self.total, result.id));
        match result.verdict {
            Verdict::Pass if result.findings.is_empty() => {}
            Verdict::Pass => self.accepted += 1,
            Verdict::Blocked => *self.blocked.entry(result.by.clone().unwrap_or_default()).or_default() += 1,
            Verdict::NotRun | Verdict::NotApplicable => {
                *self.left_out.entry(result.reason.clone()).or_default() += 1
            }
            Verdict::Warn | Verdict::Fail | Verdict::Inconclusive => {
                self.show_progress("");
                let block = self.block(about, result);
                self.say(&block);
            }
        }
        for note in &result.notes {
            self.noted.push(format!("{}: {note}", result.id));
        }
        for judged in
            result.findings.iter().filter(|judged| !judged.accepted && !judged.finding.requirement.is_empty())
        {
            let cases = self.causes.entry(judged.finding.requirement.clone()).or_default();
            if !cases.contains(&result.id) {
                cases.push(result.id.clone());
            }
        }
    }

    fn block(&self, about: About<'_>, result: &CaseResult) -> String {
        let colour = match result.verdict {
            Verdict::Fail => AnsiColor::Red,
            Verdict::Warn => AnsiColor::Yellow,
            _ => AnsiColor::Magenta,
        };
        let style = Style::new().bold().fg_color(Some(colour.into()));
        let word = result.verdict.name().to_uppercase();
        let line = line_of(&result.text, result.findings.first());
        let mut lines = vec![format!("{style}{word}{style:#} {}  {}:{line}", result.id, result.file)];
        lines.push(format!("  {}", result.summary));
        if !result.reason.is_empty() {
            lines.push(format!("  {}", result.reason));
        }
        for judged in result.findings.iter().filter(|judged| !judged.finding.requirement.is_empty()) {
            lines.extend(explain(about, judged));
        }
        lines.extend(exchange(result));
        let single =
            format!("plugfest run {} {} '{}'{}", result.suite, about.subject.role, result.id, about.again);
        lines.push(format!("  again: {single}"));
        if let Some(path) = &result.transcript {
            lines.push(format!("  transcript: {path}"));
        }
        lines.push(String::new());
        lines.join("\n")
    }

    fn summary(&mut self, about: About<'_>, counts: &Counts, millis: u64) {
        self.show_progress("");
        let head = Style::new().bold();
        let seconds = millis as f64 / 1000.0;
        let (suite, role, profile) = (&about.suite.name, &about.subject.role, about.profile);
        let told = [
            (counts.pass, "passed"),
            (counts.warn, "warned"),
            (counts.fail, "failed"),
            (counts.inconclusive, "inconclusive"),
            (counts.blocked, "blocked"),
            (counts.not_run, "not run"),
            (counts.not_applicable, "not applicable"),
        ];
        let words: Vec<String> = told
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}"))
            .collect();
        self.say(&format!(
            "{head}{suite} {role}{head:#} ({profile}) {}, {}: {} in {seconds:.1} s",
            about.subject.name,
            about.vehicle,
            if words.is_empty() { "no case".into() } else { words.join(", ") }
        ));
        if let Some(note) = about.note() {
            self.say(&format!("  {note}"));
        }
        if self.accepted > 0 {
            self.say(&format!("  {} of the passed fail as the baseline says", self.accepted));
        }
        self.columns.add(about, counts, &self.causes);
        let mut causes: Vec<_> = std::mem::take(&mut self.causes).into_iter().collect();
        let is_must = |id: &str| {
            about.suite.registry.get(id).is_none_or(|requirement| requirement.level(profile) == Level::Must)
        };
        causes.sort_by_key(|(id, cases)| std::cmp::Reverse((is_must(id), cases.len())));
        for (n, (id, cases)) in causes.iter().enumerate() {
            let rule = about.suite.registry.get(id).map_or("", |requirement| requirement.rule.as_str());
            let lead = if n == 0 { "  mend first:" } else { "  then:" };
            self.say(&format!("{lead} {id} ({} cases): {rule}", cases.len()));
        }
        for (by, count) in std::mem::take(&mut self.blocked) {
            self.say(&format!("  {count} blocked until {by} is mended"));
        }
        for (why, count) in std::mem::take(&mut self.left_out) {
            self.say(&format!("  {count} left out: {why}"));
        }
        for note in std::mem::take(&mut self.noted).into_iter().take(5) {
            self.say(&format!("  note: {note}"));
        }
        (self.done, self.accepted) = (0, 0);
    }
}

/// The rule that is broken, what was wanted and what came.
fn explain(about: About<'_>, judged: &Judged) -> Vec<String> {
    let finding = &judged.finding;
    let requirement = about.suite.registry.get(&finding.requirement);
    let rule = requirement.map_or("", |requirement| requirement.rule.as_str());
    let accepted = if judged.accepted { " (accepted by the baseline)" } else { "" };
    let mut lines = vec![format!("  {} {}{accepted}: {rule}", judged.level, finding.requirement)];
    for source in requirement.iter().flat_map(|requirement| &requirement.source) {
        lines.push(format!("       source: {source}"));
    }
    lines.push(format!("    {} at {}: {}", finding.outcome.name(), finding.step, finding.message));
    if !finding.wanted.is_empty() {
        lines.push(format!("    wanted: {}", finding.wanted));
    }
    if !finding.got.is_empty() {
        lines.push(format!("    got:    {}", finding.got));
    }
    lines
}

/// The last entries of the exchange, decoded, in hex and as text; all bytes of what the findings are about.
fn exchange(result: &CaseResult) -> Vec<String> {
    let told = condensed(&result.chart);
    let skipped = told.len().saturating_sub(EXCHANGE);
    let mut lines = Vec::new();
    if !told.is_empty() {
        lines.push(
            "    exchange (> to the subject, < from it; what a finding is about is marked):".to_owned(),
        );
    }
    if skipped > 0 {
        lines.push(format!("      … {skipped} entries before"));
    }
    for (entry, again) in told.iter().skip(skipped) {
        let at = entry.at as f64 / 1e6;
        let found = |judged: &Judged| judged.finding.seq == entry.seq && judged.finding.got == entry.text;
        let is_found = result.findings.iter().any(found);
        let mark = if is_found { "=>" } else { "  " };
        let again = if *again { "   (again and again)" } else { "" };
        lines.push(format!("   {mark} {at:9.1} ms {} {} {}{again}", entry.lane, entry.way, entry.text));
        lines.extend(bytes(&entry.hex, if is_found { usize::MAX } else { 1 }));
    }
    lines
}

/// Bytes in hex and as text, at most so many lines.
fn bytes(hex: &str, most: usize) -> Vec<String> {
    const GROUPS: usize = 8;
    let (groups, more) = hex.split_once(" …").unwrap_or((hex, ""));
    let groups: Vec<&str> = groups.split_whitespace().collect();
    let shown: Vec<&[&str]> = groups.chunks(GROUPS).take(most).collect();
    let size: usize = groups.iter().map(|group| group.len() / 2).sum();
    let cut = shown.len() * GROUPS < groups.len();
    let line = |(nth, groups): (usize, &&[&str])| {
        let more = match (nth + 1 == shown.len(), more, cut) {
            (true, "", true) => format!(" … {size} bytes"),
            (true, more, _) if !more.is_empty() => format!(" …{more}"),
            _ => String::new(),
        };
        format!("                     {:71}  |{}|{more}", groups.join(" "), as_text(groups))
    };
    shown.iter().enumerate().map(line).collect()
}

/// Polls that say the same again and again stand there once.
fn condensed(chart: &[Entry]) -> Vec<(&Entry, bool)> {
    let mut told: Vec<(&Entry, bool)> = Vec::new();
    for entry in chart {
        let same = |earlier: &Entry| earlier.way == entry.way && earlier.says() == entry.says();
        let mut on_lane = told.iter_mut().rev().filter(|(earlier, _)| earlier.lane == entry.lane).take(2);
        match on_lane.find(|(earlier, _)| entry.way != '-' && same(earlier)) {
            Some((_, again)) => *again = true,
            None => told.push((entry, false)),
        }
    }
    told
}

/// Bytes of hex groups as text, a dot for what cannot be shown.
fn as_text(groups: &[&str]) -> String {
    let byte =
        |pair: &[u8]| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let shown = |byte: u8| if byte.is_ascii_graphic() || byte == b' ' { char::from(byte) } else { '.' };
    groups.iter().flat_map(|group| group.as_bytes().chunks(2)).filter_map(byte).map(shown).collect()
}

impl<W: Write + Send> Reporter for Human<W> {
    fn on(&mut self, about: About<'_>, event: &RunEvent) {
        match event {
            RunEvent::Started { cases, .. } => self.total = *cases,
            RunEvent::CaseStarted { id } => self.show_progress(&format!("{}/{} {id}", self.done, self.total)),
            RunEvent::Finished(result) if result.selected => self.finished(about, result),
            RunEvent::Finished(_) => {}
            RunEvent::Stale(entry) => self.say(&format!("{}\n", entry.render(false))),
            RunEvent::Ended { counts, millis } => {
                self.summary(about, counts, *millis);
                if about.decides {
                    self.counts.merge(counts);
                }
            }
        }
    }

    fn finish(&mut self, _: i32) -> std::io::Result<()> {
        for line in std::mem::take(&mut self.columns).tables() {
            self.say(&line);
        }
        let line = closing_line(&self.counts);
        self.say(&line);
        self.out.flush()
    }
}

/// `N passed, N failed, N skipped`, as other programs read it.
pub fn closing_line(counts: &Counts) -> String {
    let (passed, failed, skipped) = counts.closing();
    format!("{passed} passed, {failed} failed, {skipped} skipped")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(lane: &str, way: char, text: &str) -> Entry {
        Entry { at: 0, seq: 0, lane: lane.into(), way, text: text.into(), hex: String::new() }
    }

    #[test]
    fn polls_are_told_once() {
        let poll = |id: u32| entry("state", '>', &format!("{{\"id\": {id}, \"op\": \"task_state\"}}"));
        let running = entry("state", '<', "running");
        let build = entry("launch", '>', "build");
        let chart = [poll(1), running.clone(), build, poll(2), running.clone(), poll(3), running];
        let told: Vec<(String, bool)> =
            condensed(&chart).into_iter().map(|(entry, again)| (entry.lane.clone(), again)).collect();
        assert_eq!(told, [("state".into(), true), ("state".into(), true), ("launch".into(), false)]);
    }

    #[test]
    fn bytes_are_shown_as_text_too() {
        assert_eq!(as_text(&["64617461", "3a0a00"]), "data:..");
        let all =
            bytes("61616161 61616161 61616161 61616161 61616161 61616161 61616161 61616161 62", usize::MAX);
        assert_eq!(all.len(), 2);
        assert!(all[1].ends_with("|b|"), "{all:?}");
        assert!(bytes("61616161 … 900 bytes", 1)[0].ends_with("|aaaa| … 900 bytes"));
        assert!(bytes("", 1).is_empty());
    }
}
