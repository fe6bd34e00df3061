//! What a daemon makes of the lines that come on a debug connection before it has a plugin there.
//!
//! Source: langgenius/dify-plugin-daemon bdb5642, internal/core/debugging_runtime, hooks.go 147-242 and
//! runtime_intialization_handlers.go.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Most bytes of all assets together.
const ASSETS: usize = 50 << 20;

/// What comes of a line.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Next {
    /// More lines are awaited.
    More,
    /// These lines of text, and the connection is closed.
    Refused(Vec<String>),
    /// The plugin is registered: its manifest.
    Registered(Value),
}

/// A registration under way.
#[derive(Default)]
pub(super) struct Registration {
    /// The mistake that it makes.
    mutant: String,
    /// Whether the handshake is done.
    pub(super) shaken: bool,
    manifest: Option<Value>,
    declared: BTreeSet<String>,
    files: BTreeSet<String>,
    assets: usize,
}

impl Registration {
    /// One with a mistake; none if empty.
    pub(super) fn new(mutant: &str) -> Self {
        Self { mutant: mutant.into(), ..Self::default() }
    }

    /// Takes a line; `key` is what the handshake must show.
    pub(super) fn take(&mut self, line: &[u8], key: &str) -> Next {
        if line.trim_ascii().is_empty() {
            return Next::More;
        }
        let message = serde_json::from_slice::<Value>(line).unwrap_or(Value::Null);
        match (message["type"].as_str(), message.get("data")) {
            (Some(kind), Some(data)) => match self.message(kind, data, key) {
                Ok(next) => next,
                Err(why) => Next::Refused(vec![why]),
            },
            _ if self.is("bad-first-line-is-ignored") => Next::More,
            _ => Next::Refused(vec!["handshake failed, invalid handshake message".into()]),
        }
    }

    fn is(&self, mutant: &str) -> bool {
        self.mutant == mutant
    }

    fn message(&mut self, kind: &str, data: &Value, key: &str) -> Result<Next, String> {
        match kind {
            "handshake" => self.handshake(data, key)?,
            _ if !self.shaken && !self.is("handshake-is-not-asked") => {
                return Err("handshake failed, invalid handshake message".into());
            }
            "manifest_declaration" => self.manifest(data)?,
            "asset_chunk" => self.asset(data)?,
            "end" => return self.end(),
            kind => match KINDS.iter().find(|(known, _)| *known == kind) {
                Some((kind, name)) => self.declaration(kind, name, data)?,
                None if self.is("unknown-declaration-is-refused") => {
                    return Err(format!("{kind} is unknown"));
                }
                None => {}
            },
        }
        Ok(Next::More)
    }

    fn handshake(&mut self, data: &Value, key: &str) -> Result<(), String> {
        let given = data["key"].as_str().ok_or("handshake failed, invalid handshake message")?;
        if self.shaken && !self.is("second-handshake-is-fine") {
            return Err("handshake already completed".into());
        }
        if given != key && !self.is("any-key-will-do") {
            return Err("handshake failed, invalid key".into());
        }
        self.shaken = true;
        Ok(())
    }

    fn manifest(&mut self, data: &Value) -> Result<(), String> {
        if self.manifest.is_some() && !self.is("later-declaration-wins") {
            return Err("declaration already registered".into());
        }
        if let Some(missing) = ["version", "author", "name"].iter().find(|key| !data[**key].is_string()) {
            return Err(format!("handshake failed, invalid plugin declaration: `{missing}` is no text"));
        }
        self.manifest = Some(data.clone());
        self.declared.clear(); // the manifest takes the place of all that was declared before it
        Ok(())
    }

    fn declaration(&mut self, kind: &str, name: &str, data: &Value) -> Result<(), String> {
        let is_lenient =
            self.is("later-declaration-wins") || self.is("only-tools-once") && kind != "tool_declaration";
        if !self.declared.insert(kind.to_owned()) && !is_lenient {
            return Err(format!("{name} declaration already registered"));
        }
        match data.as_array() {
            Some(items) if !items.is_empty() => Ok(()),
            _ => {
                Err(format!("{name} register failed, invalid {name} declaration: no array, or an empty one"))
            }
        }
    }

    fn asset(&mut self, data: &Value) -> Result<(), String> {
        let (name, content) = (data["filename"].as_str(), data["data"].as_str().unwrap_or_default());
        if self.assets + content.len() > ASSETS && !self.is("assets-without-limit") {
            return Err("assets too large, at most 50MB".into());
        }
        match STANDARD.decode(content) {
            Ok(bytes) => self.assets += bytes.len(),
            Err(_) if self.is("bad-base64-is-skipped") => {}
            Err(error) => return Err(format!("assets decode failed, error: {error}")),
        }
        self.files.extend(name.map(str::to_owned));
        Ok(())
    }

    fn end(&self) -> Result<Next, String> {
        if self.declared.is_empty() && !self.is("empty-registration-is-fine") {
            return Err("no registration transferred, cannot initialize".into());
        }
        let manifest =
            self.manifest.clone().ok_or("register failed, invalid manifest detected: there is none")?;
        let icon = manifest["icon"].as_str().filter(|icon| !self.files.contains(*icon));
        match icon.filter(|_| !self.is("icon-is-not-looked-for")) {
            Some(icon) => {
                Err(format!("assets remap failed, invalid assets data, cannot remap: file not found: {icon}"))
            }
            None => Ok(Next::Registered(manifest)),
        }
    }
}

/// What can be declared beside the manifest, and how it is called in a refusal.
const KINDS: [(&str, &str); 6] = [
    ("tool_declaration", "tools"),
    ("model_declaration", "models"),
    ("endpoint_declaration", "endpoints"),
    ("agent_strategy_declaration", "agent strategy"),
    ("datasource_declaration", "datasource"),
    ("trigger_declaration", "triggers"),
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn last(messages: &[(&str, Value)]) -> Next {
        let mut registration = Registration::default();
        let mut next = Next::More;
        for (kind, data) in messages {
            next = registration.take(json!({"type": kind, "data": data}).to_string().as_bytes(), "k");
        }
        next
    }

    #[test]
    fn a_whole_registration_and_what_it_must_not_lack() {
        let shake = ("handshake", json!({"key": "k"}));
        let manifest =
            ("manifest_declaration", json!({"version": "1", "author": "a", "name": "n", "icon": "i"}));
        let tools = ("tool_declaration", json!([{}]));
        let icon = ("asset_chunk", json!({"filename": "i", "data": "AAEC"}));
        let end = ("end", json!({}));
        let whole = [shake, manifest.clone(), tools, icon, end];
        assert_eq!(last(&whole), Next::Registered(manifest.1));
        for missing in 0..4 {
            let mut less = whole.to_vec();
            less.remove(missing);
            assert!(matches!(last(&less), Next::Refused(_)), "without {}", whole[missing].0);
        }
    }
}
