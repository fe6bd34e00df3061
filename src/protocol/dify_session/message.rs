//! The messages as references write them.

use serde_json::{Value, json};

/// The plugin is alive.
pub fn heartbeat() -> Value {
    json!({"event": "heartbeat", "session_id": null, "data": {}})
}

/// A message of a registration over a debug connection.
pub fn register(kind: &str, data: Value) -> Value {
    json!({"type": kind, "data": data})
}

/// The plugin could not use a line.
pub fn unusable(why: &str) -> Value {
    json!({"event": "error", "session_id": null, "data": {"error": why}})
}

/// A message of a session; `kind` is stream, end, error or invoke.
pub fn session(id: &str, kind: &str, data: Value) -> Value {
    json!({"event": "session", "session_id": id, "data": {"type": kind, "data": data}})
}

/// What a tool raised.
pub fn failure(kind: &str, message: &str) -> Value {
    json!({"error_type": kind, "message": message, "args": {}})
}

/// A tool's message of one text.
pub fn text(text: &str) -> Value {
    json!({"type": "text", "message": {"text": text}, "meta": null})
}

/// A line of the daemon: `event` is request or backwards_response.
pub fn to_plugin(session: &str, event: &str, data: Value) -> Value {
    json!({
        "session_id": session, "conversation_id": null, "message_id": null, "app_id": null, "endpoint_id": null,
        "context": null, "event": event, "data": data,
    })
}

/// An answer to a call back; `event` is response, error or end.
pub fn backwards(id: &str, event: &str, message: &str, data: Value) -> Value {
    json!({"backwards_request_id": id, "event": event, "message": message, "data": data})
}

/// A value as bytes.
pub fn bytes(value: &Value) -> Vec<u8> {
    serde_json::to_vec(value).expect("a value is JSON")
}

/// A value as a line.
pub fn line(value: &Value) -> Vec<u8> {
    let mut bytes = bytes(value);
    bytes.push(b'\n');
    bytes
}
