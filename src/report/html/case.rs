//! One case: a line that says what became of it, and below it everything that one needs to believe it.

use maud::{Markup, html};

use super::{exchange, visible};
use crate::coverage::covers;
use crate::report::{About, line_of};
use crate::requirement::Requirement;
use crate::runner::{CaseResult, Judged, Verdict};

/// The markup of a case.
pub(super) fn markup(about: About<'_>, result: &CaseResult, run: usize, nth: usize, section: &str) -> Markup {
    let verdict = result.verdict.name();
    html! {
        details.case.{ "v-" (verdict) } id={ "c" (nth) } data-v=(verdict) data-r=(run) data-s=(visible(section)) {
            summary {
                span.v { (verdict) }
                span.what { code.id { (visible(&result.id)) } span.sum { (visible(&result.summary)) } }
                span.tags {
                    span.tag { (visible(&result.profile)) }
                    span.tag { (about.vehicle) }
                    @if result.millis > 0 { span.ms { (result.millis) " ms" } }
                }
            }
            div.body { (body(about, result)) }
        }
        "\n"
    }
}

fn body(about: About<'_>, result: &CaseResult) -> Markup {
    let played = !matches!(result.verdict, Verdict::NotRun | Verdict::NotApplicable | Verdict::Blocked);
    html! {
        @if !result.reason.is_empty() { p.reason { (visible(&result.reason)) } }
        @if let Some(by) = &result.by { p.reason { "Blocked until " code { (by) } " is mended." } }
        @for judged in &result.findings { (finding(about, judged)) }
        (rules(about, result))
        @if !result.traits.is_empty() {
            h4 { "Traits of the subject" }
            ul { @for taken in &result.traits { li { (visible(taken)) } } }
        }
        @if !result.notes.is_empty() {
            h4 { "Notes" }
            ul { @for note in &result.notes { li { (visible(note)) } } }
        }
        (exchange::chart(result))
        @if played { (scenario(result)) (again(about, result)) }
    }
}

/// A broken rule, with what was expected beside what came.
fn finding(about: About<'_>, judged: &Judged) -> Markup {
    let finding = &judged.finding;
    html! {
        section.finding.accepted[judged.accepted] {
            @if !finding.requirement.is_empty() {
                p.rule {
                    span.level.{ (judged.level) } { (judged.level) } " "
                    code { (visible(&finding.requirement)) }
                    @if judged.accepted { span.tag { "accepted by the baseline" } }
                    " " (rule_of(about, &finding.requirement))
                }
                (sources(about.suite.registry.get(&finding.requirement)))
            }
            p.message {
                b { (finding.outcome.name()) } " at " code { (visible(&finding.step)) }
                @if !finding.path.is_empty() { ", " code { (visible(&finding.path)) } }
                ": " (visible(&finding.message))
            }
            @if !(finding.wanted.is_empty() && finding.got.is_empty()) {
                div.beside {
                    div.wanted { h5 { "expected" } pre { (or_nothing(&finding.wanted)) } }
                    div.got { h5 { "got" } pre { (or_nothing(&finding.got)) } }
                }
            }
        }
    }
}

fn or_nothing(text: &str) -> String {
    if text.is_empty() { "(nothing)".into() } else { visible(text) }
}

/// The rules that this scenario judges by name, and that no finding has shown yet.
fn rules(about: About<'_>, result: &CaseResult) -> Markup {
    let scenario = about.suite.scenarios.iter().find(|scenario| scenario.id == result.scenario);
    let covered = scenario.map(|scenario| covers(scenario)).unwrap_or_default();
    let broken = |id: &str| result.findings.iter().any(|judged| judged.finding.requirement == id);
    let kept: Vec<&Requirement> =
        covered.iter().filter(|id| !broken(id)).filter_map(|id| about.suite.registry.get(id)).collect();
    let held = matches!(result.verdict, Verdict::Pass | Verdict::Warn | Verdict::Fail);
    html! {
        @if !kept.is_empty() {
            h4 { @if held { "Rules that hold here" } @else { "Rules that this case judges" } }
            ul.rules {
                @for requirement in kept {
                    li {
                        span.level.{ (requirement.level(&result.profile)) } { (requirement.level(&result.profile)) } " "
                        code { (requirement.id) } " " (requirement.rule)
                        (sources(Some(requirement)))
                    }
                }
            }
        }
    }
}

fn rule_of(about: About<'_>, id: &str) -> String {
    about.suite.registry.get(id).map_or(String::new(), |requirement| requirement.rule.clone())
}

fn sources(requirement: Option<&Requirement>) -> Markup {
    html! {
        @for source in requirement.iter().flat_map(|requirement| &requirement.source) {
            span.source { "source: " (visible(source)) }
        }
    }
}

/// The file of the scenario; the lines that are charged are marked.
fn scenario(result: &CaseResult) -> Markup {
    let charged: Vec<usize> =
        result.findings.iter().map(|judged| line_of(&result.text, Some(judged))).collect();
    html! {
        details.file {
            summary { "Scenario " code { (visible(&result.file)) } }
            ol.lines {
                @for (nth, line) in result.text.lines().enumerate() {
                    li.charged[charged.contains(&(nth + 1))] { code { (visible(line)) } }
                }
            }
        }
    }
}

fn again(about: About<'_>, result: &CaseResult) -> Markup {
    let command =
        format!("plugfest run {} {} '{}'{}", result.suite, about.subject.role, result.id, about.again);
    html! {
        p.again {
            "Again: " code { (visible(&command)) }
            button.copy type="button" hidden { "copy" }
        }
        @if let Some(path) = &result.transcript { p.again { "Transcript: " code { (visible(path)) } } }
    }
}
