//! The messages as references write them.

use serde_json::{Value, json};

/// The plugin is alive.
pub fn heartbeat() -> Value {
    json!({"event": "heartbeat", "session_id": null, "data": {}})
}

/// A message of a registration over a debug connection.
pub fn register(kind: &str, data: Value) -> Value {
    with_data(json!({"type": kind}), data)
}

/// The plugin could not use a line.
pub fn unusable(why: &str) -> Value {
    json!({"event": "error", "session_id": null, "data": {"error": why}})
}

/// A message of a session; `kind` is stream, end, error or invoke.
pub fn session(id: &str, kind: &str, data: Value) -> Value {
    with_data(json!({"event": "session", "session_id": id}), with_data(json!({"type": kind}), data))
}

/// What a tool raised.
pub fn failure(kind: &str, message: &str) -> Value {
    json!({"error_type": kind, "message": message, "args": {}})
}

/// A tool's message of one text.
pub fn text(text: impl Into<String>) -> Value {
    let mut message = json!({"type": "text", "message": {}, "meta": null});
    message["message"]["text"] = Value::String(text.into());
    message
}

/// A line of the daemon: `event` is request or backwards_response.
pub fn to_plugin(session: &str, event: &str, data: Value) -> Value {
    let message = json!({
        "session_id": session, "conversation_id": null, "message_id": null, "app_id": null, "endpoint_id": null,
        "context": null, "event": event,
    });
    with_data(message, data)
}

/// An answer to a call back; `event` is response, error or end.
pub fn backwards(id: &str, event: &str, message: &str, data: Value) -> Value {
    with_data(json!({"backwards_request_id": id, "event": event, "message": message}), data)
}

/// A message with its data, which `json!` would copy.
fn with_data(mut message: Value, data: Value) -> Value {
    message["data"] = data;
    message
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
