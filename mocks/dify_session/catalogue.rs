//! The actions of the catalogue, as the table of `fixtures/peers/dify-catalogue` has them: what each requires, and one
//! answer.

use std::sync::LazyLock;

use serde_json::Value;

use super::tools::Deed;

static TABLE: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let text = include_str!("../../fixtures/peers/dify-catalogue/catalogue.json");
    serde_json::from_str(text).unwrap_or_default()
});

/// What a request to an action asks for.
///
/// # Errors
/// An unknown type or action, or a field that is missing.
pub(super) fn deed(
    kind: &str,
    action: &str,
    data: &Value,
    mutant: &str,
) -> Result<Deed, (&'static str, String)> {
    let is_renamed = mutant == "agent-strategy-is-agent" && kind == "agent_strategy";
    let mut of_kind = TABLE.iter().filter(|entry| entry["type"] == kind && !is_renamed).peekable();
    if of_kind.peek().is_none() {
        return Err(("ValueError", format!("this plugin serves no type `{kind}`")));
    }
    if mutant == "runtime-parameters-forgotten" && action == "get_tool_runtime_parameters" {
        return Ok(Deed::Nothing);
    }
    let Some(entry) = of_kind.find(|entry| entry["action"] == action) else {
        return Err(("ValueError", format!("unknown action `{action}`")));
    };
    let required = entry["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    match required.clone().find(|name| data[name].is_null()) {
        Some(name) if mutant != "missing-fields-filled-in" => {
            Err(("ValidationError", format!("`{name}` is missing")))
        }
        _ => Ok(Deed::Say { messages: vec![answer(entry, mutant)], gap: 0 }),
    }
}

fn answer(entry: &Value, mutant: &str) -> Value {
    let mut answer = entry["answer"].clone();
    if mutant == "result-is-text" && answer["result"].is_boolean() {
        answer["result"] = answer["result"].to_string().into();
    }
    if mutant == "expiry-is-missing" {
        answer.as_object_mut().map(|fields| fields.remove("expires_at"));
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_holds_every_action() {
        for (kind, actions) in crate::protocol::dify_json::CATALOGUE {
            for action in actions {
                assert!(
                    TABLE.iter().any(|entry| entry["type"] == kind && entry["action"] == *action),
                    "{kind}/{action}"
                );
            }
        }
    }
}
