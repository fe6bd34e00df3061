//! The Dify JSON protocol: one object a line.

use proptest::prelude::*;

use super::json::any_json;
use super::lines::{lines, map, near, nearly};
use crate::datum::Datum;

/// A request that a client sends.
pub fn request() -> impl Strategy<Value = Datum> {
    let actions = prop_oneof![
        Just(("tool", "invoke_tool")),
        Just(("model", "invoke_llm")),
        Just(("endpoint", "invoke_endpoint"))
    ];
    ("[a-z0-9-]{1,12}", actions, any_json()).prop_map(|(id, (kind, action), request)| {
        map(vec![
            ("invoke_id", Some(Datum::text(id))),
            ("type", Some(Datum::text(kind))),
            ("action", Some(Datum::text(action))),
            ("request", Some(request)),
        ])
    })
}

/// The types of what a server sends.
const KINDS: [&str; 5] = ["info", "error", "plugin_ready", "plugin_response", "plugin_invoke_end"];

/// A message that a server sends.
pub fn response() -> impl Strategy<Value = Datum> {
    ("[a-z0-9-]{0,12}", prop::sample::select(&KINDS[..]), any_json()).prop_map(|(id, kind, response)| {
        map(vec![
            ("invoke_id", Some(Datum::text(id))),
            ("type", Some(Datum::text(kind))),
            ("response", Some(response)),
        ])
    })
}

/// Requests, one a line.
pub fn requests() -> impl Strategy<Value = Vec<u8>> {
    lines(request())
}

/// Requests that lack a key or hold another kind of value, and damaged lines.
pub fn near_requests() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![lines(nearly(request())), near(requests())]
}

/// Messages of a server, one a line.
pub fn responses() -> impl Strategy<Value = Vec<u8>> {
    lines(response())
}

/// The same, nearly.
pub fn near_responses() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![lines(nearly(response())), near(responses())]
}
