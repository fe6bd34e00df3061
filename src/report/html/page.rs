//! The page around the cases: head, sums, what to mend first, the matrix, and the search.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use super::{Cause, Run, visible};
use crate::runner::{Counts, Verdict};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// All verdicts, worst first.
const VERDICTS: [Verdict; 7] = [
    Verdict::Fail,
    Verdict::Inconclusive,
    Verdict::Warn,
    Verdict::Pass,
    Verdict::Blocked,
    Verdict::NotRun,
    Verdict::NotApplicable,
];

/// How many causes are shown at once.
const FIRST: usize = 3;

type Causes<'a> = [(&'a (String, String), &'a Cause)];

/// What stands before the cases and after them.
pub(super) fn frame(runs: &[Run], causes: &Causes<'_>, stale: &[String], exit: i32) -> (String, String) {
    let mut counts = Counts::default();
    runs.iter().for_each(|run| counts.merge(&run.counts));
    let mark = "<!-- cases -->";
    let whole = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(policy());
                meta name="color-scheme" content="light dark";
                title { (title(&counts)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (header(runs, &counts, exit))
                main {
                    (mend_first(causes, stale))
                    (matrix(runs))
                    (search(runs, &counts))
                    div #cases { (PreEscaped(mark)) }
                    p #none hidden { "No case fits." }
                }
                (footer(runs))
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    let whole = whole.into_string();
    let (head, foot) = whole.split_once(mark).unwrap_or((&whole, ""));
    (head.to_owned(), foot.to_owned())
}

/// Nothing is loaded, and no script runs but ours: a text that slipped through could do nothing.
fn policy() -> String {
    let hash = STANDARD.encode(Sha256::digest(SCRIPT.as_bytes()));
    format!(
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'"
    )
}

fn title(counts: &Counts) -> String {
    let (passed, failed, skipped) = counts.closing();
    format!("plugfest: {passed} passed, {failed} failed, {skipped} skipped")
}

fn count(counts: &Counts, verdict: Verdict) -> usize {
    match verdict {
        Verdict::Pass => counts.pass,
        Verdict::Warn => counts.warn,
        Verdict::Fail => counts.fail,
        Verdict::Inconclusive => counts.inconclusive,
        Verdict::Blocked => counts.blocked,
        Verdict::NotRun => counts.not_run,
        Verdict::NotApplicable => counts.not_applicable,
    }
}

fn words(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "passed",
        Verdict::Warn => "warned",
        Verdict::Fail => "failed",
        Verdict::Inconclusive => "inconclusive",
        Verdict::Blocked => "blocked",
        Verdict::NotRun => "not run",
        Verdict::NotApplicable => "not applicable",
    }
}

fn header(runs: &[Run], counts: &Counts, exit: i32) -> Markup {
    let total: usize = VERDICTS.iter().map(|verdict| count(counts, *verdict)).sum();
    let (_, failed, _) = counts.closing();
    let seconds = runs.iter().map(|run| run.millis).max().unwrap_or(0) as f64 / 1000.0;
    let mood = if failed > 0 {
        "bad"
    } else if counts.warn > 0 {
        "so-so"
    } else {
        "good"
    };
    html! {
        header.(mood) {
            div.brand { b { "plugfest" } span { "conformance report" } }
            h1 {
                @if total == 0 { "No case was run" }
                @else if failed > 0 { (failed) " of " (total) " cases failed" }
                @else if counts.warn > 0 { "Nothing failed, " (counts.warn) " warned" }
                @else { "All " (counts.pass) " judged cases passed" }
            }
            p.facts {
                span { (subjects(runs)) }
                span { (format!("{seconds:.1} s")) }
                span { "exit status " (exit) }
                @if counts.accepted > 0 { span { (counts.accepted) " pass as the baseline accepts" } }
                @if counts.defects > 0 { span { (counts.defects) " defects of plugfest" } }
            }
            div.bar aria-hidden="true" {
                @for verdict in VERDICTS.into_iter().filter(|verdict| count(counts, *verdict) > 0) {
                    i.{ "v-" (verdict.name()) } style={ "flex-grow:" (count(counts, verdict)) } {}
                }
            }
        }
    }
}

fn subjects(runs: &[Run]) -> String {
    let mut names: Vec<String> =
        runs.iter().map(|run| format!("{} {}: {}", run.suite, run.role, run.subject)).collect();
    names.dedup();
    match names.len() {
        0..=2 => names.join(", "),
        many => format!("{many} subjects"),
    }
}

fn mend_first(causes: &Causes<'_>, stale: &[String]) -> Markup {
    let mut causes = causes.to_vec();
    causes.sort_by_key(|(_, cause)| std::cmp::Reverse((cause.level, cause.cases.len())));
    html! {
        @if !causes.is_empty() {
            section.causes {
                h2 { "Mend first" }
                ol { @for ((suite, id), cause) in causes.iter().take(FIRST) { (one_cause(suite, id, cause)) } }
                @if causes.len() > FIRST {
                    details.more {
                        summary { (causes.len() - FIRST) " more broken rules" }
                        ol { @for ((suite, id), cause) in causes.iter().skip(FIRST) { (one_cause(suite, id, cause)) } }
                    }
                }
            }
        }
        @if !stale.is_empty() {
            section.causes {
                h2 { "Stale entries of the baseline" }
                @for entry in stale { pre { (entry) } }
            }
        }
    }
}

fn one_cause(suite: &str, id: &str, cause: &Cause) -> Markup {
    html! {
        li {
            span.level.{ (cause.level) } { (cause.level) } " "
            button.find type="button" data-q=(id) title="show its cases" { (visible(id)) }
            span.tag { (suite) }
            span.tag { (cause.cases.len()) @if cause.cases.len() == 1 { " case" } @else { " cases" } }
            p { (visible(&cause.rule)) }
            @for source in &cause.source { span.source { "source: " (visible(source)) } }
        }
    }
}

/// A table a subject: its sections, and the profiles (and vehicles) side by side.
fn matrix(runs: &[Run]) -> Markup {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (nth, run) in runs.iter().enumerate() {
        match groups.iter_mut().find(|group| runs[group[0]].group() == run.group()) {
            Some(group) => group.push(nth),
            None => groups.push(vec![nth]),
        }
    }
    groups.sort_by_key(|group| runs[group[0]].group());
    html! {
        section.matrix {
            h2 { "Sections and profiles" }
            div.tables { @for group in &groups { (table(runs, group)) } }
        }
    }
}

fn table(runs: &[Run], group: &[usize]) -> Markup {
    let mut sections: Vec<&String> = group.iter().flat_map(|nth| runs[*nth].sections.keys()).collect();
    sections.sort();
    sections.dedup();
    let (suite, role, subject) = runs[group[0]].group();
    let notes: std::collections::BTreeSet<(&str, &str)> = group
        .iter()
        .filter_map(|nth| Some((runs[*nth].profile.as_str(), runs[*nth].note.as_deref()?)))
        .collect();
    html! {
        div.scroll tabindex="0" role="region" aria-label={ (suite) " " (role) } {
            table {
                caption { b { (suite) " " (role) } " " span { (subject) } }
                thead {
                    tr {
                        th scope="col" { "section" }
                        @for nth in group { th scope="col" { (runs[*nth].profile) br; small { (runs[*nth].vehicle) } } }
                    }
                }
                tbody {
                    @for section in sections {
                        tr {
                            th scope="row" { (visible(section)) }
                            @for nth in group { td { (cell(&runs[*nth], *nth, section)) } }
                        }
                    }
                }
            }
            @for (profile, note) in &notes { p { b { (profile) } ": " (note) } }
        }
    }
}

fn cell(run: &Run, nth: usize, section: &str) -> Markup {
    let Some(tally) = run.sections.get(section) else { return html! { span.empty { "–" } } };
    let of = |verdict: Verdict| tally.get(&verdict).copied().unwrap_or(0);
    let worst = VERDICTS.into_iter().find(|verdict| of(*verdict) > 0).unwrap_or(Verdict::NotRun);
    let judged: usize = VERDICTS[..4].iter().map(|verdict| of(*verdict)).sum();
    let told: Vec<String> = VERDICTS
        .into_iter()
        .filter(|verdict| of(*verdict) > 0)
        .map(|verdict| format!("{} {}", of(verdict), words(verdict)))
        .collect();
    html! {
        button.cell.{ "v-" (worst.name()) } type="button" data-r=(nth) data-s=(visible(section)) title=(told.join(", ")) {
            span { @if judged == 0 { "–" } @else { (of(Verdict::Pass)) "/" (judged) } }
            span.bar aria-hidden="true" {
                @for verdict in VERDICTS.into_iter().filter(|verdict| of(*verdict) > 0) {
                    i.{ "v-" (verdict.name()) } style={ "flex-grow:" (of(verdict)) } {}
                }
            }
        }
    }
}

fn search(runs: &[Run], counts: &Counts) -> Markup {
    html! {
        form #search role="search" autocomplete="off" {
            input #q type="search" placeholder="Search ids, rules, messages, bytes  ( / )" aria-label="Search";
            @if runs.len() > 1 {
                select #run aria-label="Run" {
                    option value="" { "all runs" }
                    @for (nth, run) in runs.iter().enumerate() {
                        option value=(nth) { (run.suite) " " (run.role) " · " (run.profile) " · " (run.vehicle) }
                    }
                }
            }
            div.chips {
                @for verdict in VERDICTS.into_iter().filter(|verdict| count(counts, *verdict) > 0) {
                    button.chip.{ "v-" (verdict.name()) } type="button" data-v=(verdict.name()) aria-pressed="false" {
                        (words(verdict)) " " b { (count(counts, verdict)) }
                    }
                }
                button #section type="button" hidden {}
                span.grow {}
                output #shown {}
                button #open type="button" { "open all" }
                button #clear type="button" { "clear" }
            }
        }
    }
}

fn footer(runs: &[Run]) -> Markup {
    let mut suites: Vec<String> = runs.iter().map(|run| format!("{} {}", run.suite, run.hash)).collect();
    suites.sort();
    suites.dedup();
    html! {
        footer {
            "plugfest " (env!("CARGO_PKG_VERSION")) " · suites: " (suites.join(", "))
            " · > and → mean to the subject, < and ← from it"
        }
    }
}
