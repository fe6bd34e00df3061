//! Arcaflow: CBOR items back to back, in the current version of the protocol (v3).

use proptest::prelude::*;

use super::datum::any_datum;
use super::lines::{map, near, nearly};
use crate::codec::cbor::encode;
use crate::datum::Datum;

/// A message that an engine sends: work, a signal to a step, or client done.
pub fn engine_message() -> impl Strategy<Value = Datum> {
    let work = (run_id(), "[a-z-]{1,8}", any_datum()).prop_map(|(run, step, config)| {
        envelope(1, run, map(vec![("id", Some(Datum::text(step))), ("config", Some(config))]))
    });
    let signal = (run_id(), "[a-z-]{1,8}", any_datum()).prop_map(|(run, id, data)| {
        envelope(3, run, map(vec![("id", Some(Datum::text(id))), ("data", Some(data))]))
    });
    let done = Just(envelope(4, String::new(), map(Vec::new())));
    prop_oneof![3 => work, 1 => signal, 1 => done]
}

/// A message that a plugin sends after its hello: an output, a signal, or an error.
pub fn plugin_message() -> impl Strategy<Value = Datum> {
    let output = (run_id(), "[a-z]{1,8}", any_datum(), ".{0,20}").prop_map(|(run, id, data, logs)| {
        let data = vec![
            ("output_id", Some(Datum::text(id))),
            ("output_data", Some(data)),
            ("debug_logs", Some(Datum::text(logs))),
        ];
        envelope(2, run, map(data))
    });
    let signal = (run_id(), "[a-z-]{1,8}", any_datum()).prop_map(|(run, id, data)| {
        envelope(3, run, map(vec![("id", Some(Datum::text(id))), ("data", Some(data))]))
    });
    let error = (run_id(), ".{1,20}", any::<bool>(), any::<bool>()).prop_map(|(run, error, step, server)| {
        let data = vec![
            ("error", Some(Datum::text(error))),
            ("step_fatal", Some(step.into())),
            ("server_fatal", Some(server.into())),
        ];
        envelope(5, run, map(data))
    });
    prop_oneof![3 => output, 1 => signal, 1 => error]
}

/// What an engine writes to a plugin: the null that starts it, then messages.
pub fn engine_stream() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(engine_message(), 0..5)
        .prop_map(|messages| items([Datum::Null].into_iter().chain(messages)))
}

/// The same, nearly: a message lacks a key or holds another kind of value, or bytes are damaged.
pub fn near_engine_stream() -> impl Strategy<Value = Vec<u8>> {
    let wrong = prop::collection::vec(nearly(engine_message()), 0..5)
        .prop_map(|messages| items([Datum::Null].into_iter().chain(messages)));
    prop_oneof![wrong, near(engine_stream())]
}

/// What a plugin writes after its hello.
pub fn plugin_stream() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(plugin_message(), 0..5).prop_map(items)
}

/// The same, nearly.
pub fn near_plugin_stream() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![prop::collection::vec(nearly(plugin_message()), 0..5).prop_map(items), near(plugin_stream())]
}

fn run_id() -> impl Strategy<Value = String> {
    "[a-z0-9-]{0,12}"
}

fn envelope(id: i64, run: String, data: Datum) -> Datum {
    map(vec![("id", Some(id.into())), ("run_id", Some(Datum::text(run))), ("data", Some(data))])
}

fn items(messages: impl IntoIterator<Item = Datum>) -> Vec<u8> {
    let mut bytes = Vec::new();
    messages.into_iter().for_each(|message| encode(&message, &mut bytes));
    bytes
}
