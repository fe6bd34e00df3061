//! The management API of the deployed Dify daemon, as far as a driver needs it.
//!
//! Source: langgenius/dify-plugin-daemon bdb5642, internal/server/{http_server.go,controllers/plugins.go}.

use reqwest::multipart::{Form, Part};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use crate::codec::sse::Events;

/// The API of one daemon, for one tenant.
#[derive(Clone)]
pub(super) struct Management {
    client: Client,
    url: String,
    key: String,
    admin_key: Option<String>,
}

impl Management {
    pub(super) fn new(url: &str, key: String, admin_key: Option<String>) -> Result<Self, String> {
        let client = Client::builder().no_proxy().build().map_err(|error| told(&error))?;
        Ok(Self { client, url: url.trim_end_matches('/').into(), key, admin_key })
    }

    /// Where it is, and its key.
    pub(super) fn place(&self) -> (&str, &str) {
        (&self.url, &self.key)
    }

    /// Whether it listens, which it does once the ping has succeeded.
    pub(super) async fn is_up(&self) -> Result<(), String> {
        let answer = self.client.get(format!("{}/health/check", self.url)).send().await;
        let status = answer.map_err(|error| told(&error))?.status();
        if status.is_success() { Ok(()) } else { Err(format!("/health/check: status {status}")) }
    }

    /// Uploads a package; gives its unique identifier.
    pub(super) async fn upload(&self, tenant: &str, package: Vec<u8>) -> Result<String, String> {
        let part = Part::bytes(package).file_name("package.difypkg");
        let form = Form::new().part("dify_pkg", part);
        let request = self.post(tenant, "management/install/upload/package").multipart(form);
        let data = self.data(request).await?;
        let text = data["unique_identifier"].as_str().map(str::to_owned);
        text.ok_or_else(|| format!("the answer to the upload has no unique_identifier: {data}"))
    }

    /// Begins an installation; gives its task, or none where the tenant has the plugin already.
    pub(super) async fn install(&self, tenant: &str, identifier: &str) -> Result<Option<String>, String> {
        let body = json!({"plugin_unique_identifiers": [identifier], "source": "package", "metas": [{}]});
        let data = self.data(self.post(tenant, "management/install/identifiers").json(&body)).await?;
        let task = data["task_id"].as_str().filter(|task| !task.is_empty());
        match (task, data["all_installed"].as_bool()) {
            (Some(task), _) => Ok(Some(task.into())),
            (None, Some(true)) => Ok(None),
            _ => Err(format!("the answer to the installation has no task_id: {data}")),
        }
    }

    /// State and message of a task.
    pub(super) async fn task(&self, tenant: &str, task: &str) -> Result<(String, String), String> {
        let path = format!("{}/plugin/{tenant}/management/install/tasks/{task}", self.url);
        let data = self.data(self.client.get(path).header("X-Api-Key", &self.key)).await?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok((text(&data["status"]), text(&data["plugins"][0]["message"])))
    }

    /// Launches again what is installed; gives the message of a failure.
    pub(super) async fn reinstall(&self, identifier: &str) -> Result<(), String> {
        let key = self.admin_key.as_deref();
        let key = key.ok_or_else(|| format!("reinstall needs the variable {}", super::ADMIN_KEY))?;
        let request = self.client.post(format!("{}/admin/plugin/serverless/reinstall", self.url));
        let body = json!({"plugin_unique_identifier": identifier});
        let items = self.items(request.header("X-Admin-Api-Key", key).json(&body)).await?;
        match items.iter().find(|item| item["event"] == "error") {
            Some(error) => Err(error["data"].as_str().unwrap_or("failed").into()),
            None if items.iter().any(|item| item["event"] == "done") => Ok(()),
            None => Err("the answer ended without `done`".into()),
        }
    }

    /// Calls an installed plugin; gives what its stream held.
    pub(super) async fn dispatch(
        &self,
        tenant: &str,
        identifier: &str,
        (kind, action): (&str, &str),
        data: &Value,
    ) -> Result<Vec<Value>, String> {
        let plugin = identifier.split(':').next().unwrap_or_default();
        let request = self.post(tenant, &format!("dispatch/{}", route(kind, action)));
        let body = json!({"user_id": "plugfest", "data": data});
        self.items(request.header("X-Plugin-ID", plugin).json(&body)).await
    }

    fn post(&self, tenant: &str, path: &str) -> RequestBuilder {
        self.client.post(format!("{}/plugin/{tenant}/{path}", self.url)).header("X-Api-Key", &self.key)
    }

    /// The data of an envelope.
    async fn data(&self, request: RequestBuilder) -> Result<Value, String> {
        let answer = request.send().await.map_err(|error| told(&error))?;
        let status = answer.status();
        let bytes = answer.bytes().await.map_err(|error| told(&error))?;
        let text = String::from_utf8_lossy(&bytes);
        match serde_json::from_slice(&bytes) {
            Ok(envelope) => opened(envelope),
            Err(_) => {
                Err(format!("status {status}, no envelope: {}", text.chars().take(200).collect::<String>()))
            }
        }
    }

    /// The data of every envelope of an event stream.
    async fn items(&self, request: RequestBuilder) -> Result<Vec<Value>, String> {
        let answer = request.send().await.map_err(|error| told(&error))?;
        if !answer.status().is_success() {
            let status = answer.status();
            let text = answer.text().await.unwrap_or_default();
            let envelope = serde_json::from_str(&text).unwrap_or(Value::Null);
            let why = opened(envelope).err().filter(|why| !why.is_empty()).unwrap_or(text);
            return Err(format!("status {status}: {why}"));
        }
        let mut events = Events::default();
        events.feed(&answer.bytes().await.map_err(|error| told(&error))?);
        let envelope = |data: String| serde_json::from_str(&data).map_err(|error| format!("{error}: {data}"));
        events.map(|event| envelope(event.data).and_then(opened)).collect()
    }
}

/// What an envelope holds; an error says what its text says, which is JSON again.
fn opened(mut envelope: Value) -> Result<Value, String> {
    if envelope["code"] == 0 {
        return Ok(envelope["data"].take());
    }
    let text = envelope["message"].as_str().unwrap_or_default();
    let inner: Option<Value> = serde_json::from_str(text).ok();
    let said = inner.as_ref().and_then(|inner| inner["message"].as_str()).unwrap_or(text);
    let kind = inner.as_ref().and_then(|inner| inner["error_type"].as_str()).unwrap_or("error");
    Err(format!("{kind} (code {}): {said}", envelope["code"]))
}

/// The path of an action below `dispatch`: `tool` and `invoke_tool` are `tool/invoke`.
fn route(kind: &str, action: &str) -> String {
    if let Some(what) = action.strip_prefix("invoke_") {
        return format!("{what}/invoke");
    }
    match action.strip_prefix("get_").and_then(|rest| rest.strip_suffix("_num_tokens")) {
        Some(what) => format!("{what}/num_tokens"),
        None if action == "get_tool_runtime_parameters" => "tool/get_runtime_parameters".into(),
        None => format!("{kind}/{}", action.replace(&format!("{kind}_"), "")),
    }
}

/// An error with all its causes.
fn told(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source()).map(ToString::to_string);
    std::iter::once(error.to_string()).chain(causes).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_of_actions() {
        for (kind, action, wanted) in [
            ("tool", "invoke_tool", "tool/invoke"),
            ("tool", "validate_tool_credentials", "tool/validate_credentials"),
            ("model", "invoke_llm", "llm/invoke"),
            ("model", "get_llm_num_tokens", "llm/num_tokens"),
            ("tool", "get_tool_runtime_parameters", "tool/get_runtime_parameters"),
        ] {
            assert_eq!(route(kind, action), wanted);
        }
    }

    #[test]
    fn an_envelope_in_an_envelope_says_its_message() {
        let message = json!({"message": "no such thing", "error_type": "PluginNotFoundError", "args": null});
        let envelope = json!({"code": -404, "message": message.to_string(), "data": null});
        assert_eq!(opened(envelope), Err("PluginNotFoundError (code -404): no such thing".into()));
        assert_eq!(opened(json!({"code": 0, "message": "success", "data": {"a": 1}})), Ok(json!({"a": 1})));
    }
}
