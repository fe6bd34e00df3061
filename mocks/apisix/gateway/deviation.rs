//! What mutants of the gateway make of a reply before they apply it.

use crate::datum::{Datum, Head};
use crate::mocks::apisix::plugin;
use crate::protocol::apisix::meaning::{Outcome, Response};

/// The reply that a mutant applies in place of the one that came.
pub(super) fn of_reply(mutant: &str, reply: &Datum) -> Datum {
    let Some((name, table)) = reply.get("action").and_then(Datum::as_map).and_then(<[_]>::first) else {
        return reply.clone();
    };
    let is = |wanted: &str| name.as_text().as_deref() == Some(wanted);
    let mut table = table.clone();
    match mutant {
        "unknown-action-is-a-stop" if !is("Stop") && !is("Rewrite") => {
            return action("Stop", Datum::map([("status", Datum::from(500_u64))]));
        }
        "stop-is-ignored" if is("Stop") => return Datum::map::<String>([]),
        "stop-status-is-fixed" if is("Stop") => plugin::without(&mut table, "status"),
        "stop-body-is-lost" if is("Stop") => plugin::without(&mut table, "body"),
        "stop-headers-are-lost" if is("Stop") => plugin::without(&mut table, "headers"),
        "stop-headers-replace" if is("Stop") => last_of_each(&mut table, "headers"),
        "rewrite-path-is-lost" if is("Rewrite") => plugin::without(&mut table, "path"),
        "rewrite-headers-are-lost" if is("Rewrite") => plugin::without(&mut table, "headers"),
        "rewrite-args-are-lost" if is("Rewrite") => plugin::without(&mut table, "args"),
        "rewrite-body-is-lost" if is("Rewrite") => plugin::without(&mut table, "body"),
        "response-headers-are-lost" if is("Rewrite") => plugin::without(&mut table, "resp_headers"),
        "deleted-header-stays" if is("Rewrite") => with_values_only(&mut table, "headers"),
        "deleted-argument-stays" if is("Rewrite") => with_values_only(&mut table, "args"),
        "arguments-replace" if is("Rewrite") => last_of_each(&mut table, "args"),
        _ => return reply.clone(),
    }
    action(&name.as_text().unwrap_or_default(), table)
}

fn action(name: &str, table: Datum) -> Datum {
    Datum::map([("action", Datum::map([(name, table)]))])
}

/// Keeps the last entry of each name, as who sets and never adds.
fn last_of_each(table: &mut Datum, key: &str) {
    change(table, key, |entries| {
        let name = |entry: &Datum| entry.get("name").map(ToString::to_string);
        let all = entries.clone();
        let mut place = 0;
        entries.retain(|entry| {
            place += 1;
            !all[place..].iter().any(|later| name(later) == name(entry))
        });
    });
}

/// Drops the entries that delete.
fn with_values_only(table: &mut Datum, key: &str) {
    change(table, key, |entries| entries.retain(|entry| entry.get("value").is_some()));
}

fn change(table: &mut Datum, key: &str, change: impl FnOnce(&mut Vec<Datum>)) {
    let Datum::Map(fields, _) = table else { return };
    let Some((_, value)) = fields.iter_mut().find(|(name, _)| name.as_text().as_deref() == Some(key)) else {
        return;
    };
    let mut entries = value.as_array().unwrap_or_default().to_vec();
    change(&mut entries);
    *value = Datum::Array(entries, Head::Preferred);
}

/// What a mutant does in place of what the reply means.
pub(super) fn of_outcome(mutant: &str, reply: &Datum, outcome: Outcome) -> Outcome {
    let Outcome::Forward(mut request) = outcome else { return outcome };
    if mutant == "reserved-response-headers-are-set" {
        let rewrite = reply.get("action").and_then(|action| action.get("Rewrite"));
        let entries = rewrite.and_then(|rewrite| rewrite.get("resp_headers")).and_then(Datum::as_array);
        for entry in entries.unwrap_or_default() {
            let part = |key: &str| entry.get(key).and_then(Datum::as_inserted).unwrap_or_default();
            request.response_headers.insert(part("name").to_ascii_lowercase(), vec![part("value")]);
        }
    }
    Outcome::Forward(request)
}

/// What a mutant makes of the answer that a Stop gives.
pub(super) fn of_answer(mutant: &str, answer: &mut Response) {
    let Some(body) = &mut answer.body else { return };
    match mutant {
        "stop-body-ends-at-zero" => {
            body.truncate(body.iter().position(|byte| *byte == 0).unwrap_or(body.len()))
        }
        "stop-body-becomes-text" => *body = String::from_utf8_lossy(body).into_owned().into_bytes(),
        _ => {}
    }
}

/// A frame whose length does not fit, and wraps around.
pub(super) fn wrapped_answer(message: &Datum) -> Vec<u8> {
    let body = message.get("result").and_then(Datum::as_bytes).unwrap_or_default();
    let mut bytes = (3 << 24 | (body.len() as u32 & 0xff_ffff)).to_be_bytes().to_vec();
    bytes.extend_from_slice(&body);
    bytes
}
