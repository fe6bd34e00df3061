//! The Dify JSON line protocol (`dify plugin run`): its catalogue and its checks.
//!
//! Sources: the document "JSON Protocol Specification"; langgenius/dify-plugin-daemon, bdb5642, cmd/commandline/run.

mod watch;

use super::Watch;
use super::lanes::OnEachLane;
use crate::datum::Datum;

/// Access types and the actions of each (internal/core/io_tunnel/access_types/access.go, lines 5-67).
pub const CATALOGUE: [(&str, &[&str]); 8] = [
    ("tool", &["invoke_tool", "validate_tool_credentials", "get_tool_runtime_parameters"]),
    (
        "model",
        &[
            "invoke_llm",
            "get_llm_num_tokens",
            "validate_provider_credentials",
            "validate_model_credentials",
            "get_ai_model_schemas",
            "start_polling",
            "check_polling",
            "invoke_text_embedding",
            "get_text_embedding_num_tokens",
            "invoke_multimodal_embedding",
            "invoke_rerank",
            "invoke_multimodal_rerank",
            "invoke_tts",
            "get_tts_model_voices",
            "invoke_speech2text",
            "invoke_moderation",
        ],
    ),
    ("endpoint", &["invoke_endpoint"]),
    ("agent_strategy", &["invoke_agent_strategy"]),
    ("oauth", &["get_authorization_url", "get_credentials", "refresh_credentials"]),
    (
        "datasource",
        &[
            "validate_datasource_credentials",
            "invoke_website_datasource_get_crawl",
            "invoke_online_document_datasource_get_pages",
            "invoke_online_document_datasource_get_page_content",
            "invoke_online_drive_browse_files",
            "invoke_online_drive_download_file",
        ],
    ),
    ("dynamic_parameter", &["fetch_parameter_options"]),
    (
        "trigger",
        &[
            "invoke_trigger_event",
            "dispatch_trigger_event",
            "subscribe_trigger",
            "unsubscribe_trigger",
            "refresh_trigger",
            "validate_trigger_credentials",
        ],
    ),
];

/// Whether a type has an action.
///
/// # Errors
/// Which of the two is unknown.
pub fn known(kind: &str, action: &str) -> Result<(), String> {
    let Some((_, actions)) = CATALOGUE.iter().find(|(known, _)| *known == kind) else {
        return Err(format!("unknown type `{kind}`"));
    };
    if actions.contains(&action) {
        Ok(())
    } else {
        Err(format!("the type `{kind}` has no action `{action}`"))
    }
}

/// The predicates behind `$check(NAME)`.
pub(super) fn check(name: &str, datum: &Datum) -> Result<(), String> {
    let text = |key: &str| datum.get(key).and_then(Datum::as_text).unwrap_or_default();
    match name {
        "announcement" => {
            let port = datum.get("port").and_then(Datum::as_int).unwrap_or_default();
            match text("info").contains(&port.to_string()) {
                true => Ok(()),
                false => Err(format!("the text does not name the port {port}")),
            }
        }
        "catalogued" => known(&text("type"), &text("action")),
        _ => Err(format!("dify-json has no check `{name}`")),
    }
}

/// The stateful checks behind a rule's `check`.
pub(super) fn watch(name: &str) -> Option<Box<dyn Watch>> {
    match name {
        "start" => Some(Box::new(watch::Start::default())),
        "ready-once" => Some(Box::new(watch::ReadyOnce::default())),
        "unasked" => Some(Box::new(watch::Unasked::default())),
        "calls" => Some(Box::new(OnEachLane::new(watch::Calls::default()))),
        "confirmed" => Some(Box::new(OnEachLane::new(watch::Confirmed::<false>::default()))),
        "all-confirmed" => Some(Box::new(OnEachLane::new(watch::Confirmed::<true>::default()))),
        "confirmed-once" => Some(Box::new(watch::ConfirmedOnce::default())),
        _ => None,
    }
}
