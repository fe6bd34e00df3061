//! Invocations of the fake daemon, and what it answers to calls back.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::actor::Nanos;
use crate::protocol::dify_session::message::backwards;

/// A manifest that asks for every permission.
pub(super) static EVERYTHING: LazyLock<Value> = LazyLock::new(|| {
    let on = json!({"enabled": true});
    json!({"resource": {"permission": {"storage": on, "model": on}}})
});

/// An invocation under way.
pub(super) struct Call {
    /// The operation that asked for it.
    pub(super) operation: Value,
    pub(super) session: String,
    /// What the plugin is asked, and whether it was.
    pub(super) data: Value,
    pub(super) is_asked: bool,
    pub(super) chunks: Vec<Value>,
    pub(super) until: Nanos,
}

impl Call {
    pub(super) fn new(operation: Value, session: String, data: Value, until: Nanos) -> Self {
        Self { operation, session, data, is_asked: false, chunks: Vec::new(), until }
    }

    /// The access type.
    pub(super) fn kind(&self) -> &str {
        self.data["type"].as_str().unwrap_or_default()
    }
}

/// The answers to a call back, the end last (io_tunnel/backwards_invocation/task.go 46-66, 71-175, 543-640).
pub(super) fn answer(
    caller: &str,
    manifest: &Value,
    call: &Value,
    id: &str,
    stored: &mut BTreeMap<String, String>,
) -> Vec<Value> {
    let kind = call["type"].as_str().unwrap_or_default();
    let may = |access: &str| manifest["resource"]["permission"][access]["enabled"] == true;
    let denied = |access: &str| {
        Err(format!("permission denied, you need to enable {access} access in plugin manifest"))
    };
    let result = match kind {
        _ if caller == "model" => Err("you can not invoke dify from model".into()),
        "storage" if !may("storage") => denied("storage"),
        "storage" => storage(&call["request"], stored).map(|data| ("struct", vec![data])),
        "llm" if !may("model") => denied("model"),
        "llm" => Ok(("stream", ["An ", "answer."].map(delta).to_vec())),
        other => Err(format!("unsupported invoke type: {other}")),
    };
    let mut answers = match result {
        Ok((form, data)) => data.into_iter().map(|data| backwards(id, "response", form, data)).collect(),
        Err(why) => vec![backwards(id, "error", &why, Value::Null)],
    };
    answers.push(backwards(id, "end", "", Value::Null));
    answers
}

fn storage(request: &Value, stored: &mut BTreeMap<String, String>) -> Result<Value, String> {
    let key = request["key"].as_str().unwrap_or_default().to_owned();
    match (request["opt"].as_str(), request["value"].as_str()) {
        (Some("set"), Some(value)) => {
            stored.insert(key, value.to_owned());
            Ok(json!({"data": "ok"}))
        }
        (Some("get"), _) => {
            stored.get(&key).map(|value| json!({"data": value})).ok_or("the key does not exist".into())
        }
        (Some("del"), _) => Ok(json!({"data": "ok", "deleted_num": u8::from(stored.remove(&key).is_some())})),
        (Some("exist"), _) => {
            let exists = stored.contains_key(&key);
            Ok(json!({"data": exists, "exist_num": u8::from(exists)}))
        }
        _ => Err("unmarshal backwards invoke request failed: `opt` or `value`".into()),
    }
}

fn delta(content: &str) -> Value {
    json!({"model": "conformance", "prompt_messages": [], "system_fingerprint": null, "delta": {
        "index": 0, "message": {"role": "assistant", "content": content, "name": null, "tool_calls": []},
        "usage": null, "finish_reason": null,
    }})
}
