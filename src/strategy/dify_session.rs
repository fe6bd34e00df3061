//! Dify sessions: JSON lines between a daemon and a plugin, many sessions at once.

use proptest::prelude::*;

use super::json::any_json;
use super::lines::{lines, map, near, nearly};
use crate::datum::Datum;

/// A line that a daemon sends: a request that opens a session, or the answer to a call back.
pub fn daemon_line() -> impl Strategy<Value = Datum> {
    let events = prop_oneof![3 => Just("request"), 1 => Just("backwards_response")];
    (session(), events, any_json()).prop_map(|(session, event, data)| {
        map(vec![
            ("session_id", Some(Datum::text(session))),
            ("event", Some(Datum::text(event))),
            ("data", Some(data)),
        ])
    })
}

/// A line that a plugin sends: a heartbeat, a log, an error, or a message of a session.
pub fn plugin_line() -> impl Strategy<Value = Datum> {
    let heartbeat = Just(map(vec![
        ("event", Some(Datum::text("heartbeat"))),
        ("session_id", Some(Datum::Null)),
        ("data", Some(map(Vec::new()))),
    ]));
    let log = ".{0,20}".prop_map(|text| {
        map(vec![
            ("event", Some(Datum::text("log"))),
            ("session_id", Some(Datum::Null)),
            ("data", Some(map(vec![("message", Some(Datum::text(text)))]))),
        ])
    });
    let kinds = prop::sample::select(&["stream", "end", "error", "invoke"][..]);
    let message = (session(), kinds, any_json()).prop_map(|(session, kind, data)| {
        let data = map(vec![("type", Some(Datum::text(kind))), ("data", Some(data))]);
        map(vec![
            ("event", Some(Datum::text("session"))),
            ("session_id", Some(Datum::text(session))),
            ("data", Some(data)),
        ])
    });
    prop_oneof![1 => heartbeat, 1 => log, 4 => message]
}

/// What a daemon writes.
pub fn daemon_stream() -> impl Strategy<Value = Vec<u8>> {
    lines(daemon_line())
}

/// The same, nearly: a key is missing or holds another kind of value, or bytes are damaged.
pub fn near_daemon_stream() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![lines(nearly(daemon_line())), near(daemon_stream())]
}

/// What a plugin writes.
pub fn plugin_stream() -> impl Strategy<Value = Vec<u8>> {
    lines(plugin_line())
}

/// The same, nearly.
pub fn near_plugin_stream() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![lines(nearly(plugin_line())), near(plugin_stream())]
}

fn session() -> impl Strategy<Value = String> {
    "[a-d]{1,2}"
}
