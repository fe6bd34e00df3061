//! What holds over all events of one launch.

use super::STAGES;
use crate::actor::Nanos;
use crate::datum::{Bindings, Datum, Kind, View};
use crate::protocol::Watch;
use crate::protocol::lanes::OnEachLane;

/// A rule over the events of a launch, of those so far and what comes now.
type Judge = fn(&[Seen], Option<&Seen>) -> Result<(), String>;

/// Every rule by its name.
const RULES: [(&str, Judge); 5] = [
    ("success-ends-once", success_ends_once),
    ("failure-ends-once", failure_ends_once),
    ("failure-is-final", failure_is_final),
    ("stages-in-order", stages_in_order),
    ("no-burst", no_burst),
];

/// The watch behind a rule's `check`.
pub(super) fn by_name(name: &str) -> Option<Box<dyn Watch>> {
    if name == "key-is-kept" {
        return Some(Box::new(KeyIsKept));
    }
    let (_, judge) = RULES.iter().find(|(known, _)| *known == name)?;
    Some(Box::new(OnEachLane::new(Launch { judge: *judge, seen: Vec::new(), now: 0 })))
}

/// One event.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    stage: String,
    state: String,
    at: Nanos,
}

impl Seen {
    fn is(&self, stage: &str, state: &str) -> bool {
        self.stage == stage && self.state == state
    }
}

/// The events of the launch that is going on; a head begins another.
#[derive(Clone)]
struct Launch {
    judge: Judge,
    seen: Vec<Seen>,
    now: Nanos,
}

impl Watch for Launch {
    fn turn_to(&mut self, at: Nanos) {
        self.now = at;
    }

    fn see(&mut self, view: View<'_>, _: &Bindings) -> Result<(), String> {
        match (view.kind, view.datum) {
            (Kind::Head, _) => {
                self.seen.clear();
                Ok(())
            }
            (Kind::End, _) if !self.seen.is_empty() => (self.judge)(&self.seen, None),
            (Kind::Message, Some(event)) => {
                let text = |key: &str| event.get(key).and_then(Datum::as_inserted);
                let (Some(stage), Some(state)) = (text("Stage"), text("State")) else { return Ok(()) };
                let seen = Seen { stage, state, at: self.now };
                let result = (self.judge)(&self.seen, Some(&seen));
                self.seen.push(seen);
                result
            }
            _ => Ok(()),
        }
    }
}

/// The key of the runtime is nowhere in what a function is sent.
struct KeyIsKept;

impl Watch for KeyIsKept {
    fn see(&mut self, view: View<'_>, bindings: &Bindings) -> Result<(), String> {
        let key = bindings.get("api_key").and_then(Datum::as_inserted).filter(|key| !key.is_empty());
        let (Some(key), Some(datum)) = (key, view.datum) else { return Ok(()) };
        match place(datum, &key) {
            Some(place) => Err(format!("the key of the runtime stands at {place}")),
            None => Ok(()),
        }
    }
}

/// Where a text holds the key.
fn place(datum: &Datum, key: &str) -> Option<String> {
    if let Some(entries) = datum.as_map() {
        let name = |name: &Datum| name.as_inserted().unwrap_or_default();
        let inner = |(known, value): &(Datum, Datum)| Some(format!("/{}{}", name(known), place(value, key)?));
        return entries.iter().find_map(inner);
    }
    if let Some(items) = datum.as_array() {
        return items.iter().find_map(|item| place(item, key));
    }
    datum.as_text().filter(|text| text.contains(key)).map(|_| String::new())
}

fn ends(seen: &[Seen]) -> usize {
    seen.iter().filter(|event| event.stage == "end").count()
}

fn is_failed(seen: &[Seen]) -> bool {
    seen.iter().any(|event| event.state == "failed")
}

fn is_up(seen: &[Seen]) -> bool {
    seen.iter().any(|event| event.is("run", "success"))
}

fn success_ends_once(before: &[Seen], event: Option<&Seen>) -> Result<(), String> {
    match event {
        _ if is_failed(before) => Ok(()),
        Some(event) if ends(before) > 0 => Err(format!("{}/{} comes after `end`", event.stage, event.state)),
        Some(event) if event.is("end", "success") && !is_up(before) => {
            Err("`end` comes before run/success".into())
        }
        Some(event) if event.stage == "end" && is_up(before) && event.state != "success" => {
            Err(format!("`end` says {} after run/success", event.state))
        }
        None if ends(before) == 0 => Err("the stream is over and there was no `end`".into()),
        _ => Ok(()),
    }
}

fn failure_ends_once(before: &[Seen], event: Option<&Seen>) -> Result<(), String> {
    let ended = before.iter().filter(|event| event.is("end", "failed")).count();
    match event {
        _ if !is_failed(before) => Ok(()),
        Some(event) if event.stage == "end" && event.state != "failed" => {
            Err(format!("`end` says {} after a failure", event.state))
        }
        Some(event) if event.stage == "end" && ended > 0 => Err("there is a second `end`".into()),
        None if ended == 0 => Err("the stream is over and there was no `end` with state failed".into()),
        _ => Ok(()),
    }
}

fn failure_is_final(before: &[Seen], event: Option<&Seen>) -> Result<(), String> {
    match event {
        Some(event) if is_failed(before) && event.stage != "end" => {
            Err(format!("{}/{} follows an event with state failed", event.stage, event.state))
        }
        _ => Ok(()),
    }
}

fn stages_in_order(before: &[Seen], event: Option<&Seen>) -> Result<(), String> {
    let place = |stage: &str| STAGES.iter().position(|known| *known == stage);
    let highest = before.iter().filter_map(|event| Some((place(&event.stage)?, &event.stage))).max();
    match (event.and_then(|event| place(&event.stage)), highest) {
        (Some(now), Some((before, name))) if now < before => {
            Err(format!("{} comes after {name}", STAGES[now]))
        }
        _ => Ok(()),
    }
}

/// The deployed daemon's queue has ten places: of run/success and `end` three, the rest for what comes at once before.
fn no_burst(before: &[Seen], event: Option<&Seen>) -> Result<(), String> {
    const MOST: usize = 7;
    const PAUSE: Nanos = 500_000;
    let Some(event) = event.filter(|event| event.is("run", "success")) else { return Ok(()) };
    let later = before.iter().skip(1).chain([event]).map(|event| event.at);
    let gaps = before.iter().zip(later).map(|(event, later)| (event, later.saturating_sub(event.at)));
    let at_once = gaps.collect::<Vec<_>>().into_iter().rev().take_while(|(_, gap)| *gap < PAUSE);
    let queued =
        at_once.filter(|(event, _)| ["start", "build", "run"].contains(&event.stage.as_str())).count();
    match queued > MOST {
        true => Err(format!(
            "{queued} events came without a pause before run/success: the deployed daemon drops it"
        )),
        false => Ok(()),
    }
}
