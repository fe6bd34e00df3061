//! The Dify Serverless Runtime Interface: launches as server-sent events of five stages.

use proptest::prelude::*;

use super::lines::{map, near, nearly};
use crate::codec::json::encode;
use crate::datum::Datum;
use crate::protocol::dify_sri::STAGES;

/// One event of a launch.
pub fn stage_event() -> impl Strategy<Value = Datum> {
    let states = prop::sample::select(&["running", "success", "failed"][..]);
    (prop::sample::select(&STAGES[..]), states, ".{0,20}").prop_map(|(stage, state, message)| {
        map(vec![
            ("Stage", Some(Datum::text(stage))),
            ("State", Some(Datum::text(state))),
            ("Obj", Some(Datum::text(""))),
            ("Message", Some(Datum::text(message))),
        ])
    })
}

/// The body of a launch that succeeds: every stage in order, the endpoint named by `run`.
pub fn launch() -> impl Strategy<Value = Vec<u8>> {
    (1..65535_u16, "[a-z]{1,8}").prop_map(|(port, name)| {
        let events = STAGES.iter().map(|stage| {
            let message = if *stage == "run" {
                format!("endpoint=http://127.0.0.1:{port},name={name},id=1")
            } else {
                String::new()
            };
            map(vec![
                ("Stage", Some(Datum::text(*stage))),
                ("State", Some(Datum::text("success"))),
                ("Obj", Some(Datum::text(""))),
                ("Message", Some(Datum::text(message))),
            ])
        });
        body(events)
    })
}

/// Launches, nearly: stages in any order and number, keys missing, values of another kind, bytes damaged.
pub fn near_launch() -> impl Strategy<Value = Vec<u8>> {
    let any_order =
        prop::collection::vec(prop_oneof![stage_event().boxed(), nearly(stage_event()).boxed()], 0..8);
    prop_oneof![any_order.prop_map(body), near(launch())]
}

fn body(events: impl IntoIterator<Item = Datum>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for event in events {
        bytes.extend_from_slice(b"data: ");
        encode(&event, &mut bytes).expect("events are JSON");
        bytes.extend_from_slice(b"\n\n");
    }
    bytes
}
