//! The exchange of a case as a sequence chart: two lifelines, an arrow a message, its bytes below.

use maud::{Markup, html};

use super::visible;
use crate::runner::CaseResult;

/// The chart; empty where nothing was kept.
pub(super) fn chart(result: &CaseResult) -> Markup {
    html! {
        @if !result.chart.is_empty() {
            h4 { "Exchange" }
            ol.seq {
                li.ends { span { "plugfest" } span { "subject" } }
                @for entry in &result.chart {
                    @let hits = hits(result, entry.seq, entry.way);
                    li.(way(entry.way)).hit[!hits.is_empty()] {
                        span.when { (milliseconds(entry.at)) }
                        div.msg {
                            span.lane.{ "l" (colour(&entry.lane)) } { (visible(&entry.lane)) }
                            @for hit in &hits { span.broken { "✗ " (visible(hit)) } }
                            i.arrow aria-label=(told(entry.way)) {}
                            code.text { (visible(&entry.text)) }
                            @if !entry.hex.is_empty() { code.hex { (entry.hex) } }
                        }
                    }
                }
            }
        }
    }
}

/// The requirements that are broken by what came with this event.
fn hits(result: &CaseResult, seq: u64, way: char) -> Vec<&str> {
    let findings = result.findings.iter().map(|judged| &judged.finding);
    let here = findings.filter(|finding| way != '>' && finding.seq == seq && !finding.got.is_empty());
    let mut ids: Vec<&str> = here.map(|finding| finding.requirement.as_str()).collect();
    ids.dedup();
    ids
}

fn way(way: char) -> &'static str {
    match way {
        '>' => "to",
        '<' => "from",
        _ => "note",
    }
}

fn told(way: char) -> &'static str {
    match way {
        '>' => "to the subject",
        '<' => "from the subject",
        _ => "what happened",
    }
}

fn milliseconds(nanos: u64) -> String {
    format!("{:.1} ms", nanos as f64 / 1e6)
}

/// One of six colours, the same for a lane in every case.
fn colour(lane: &str) -> usize {
    lane.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into())) % 6
}
