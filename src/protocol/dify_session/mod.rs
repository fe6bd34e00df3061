//! The Dify session protocol: JSON lines between a daemon and its plugin.
//!
//! Sources: langgenius/dify-plugin-daemon bdb5642, pkg/entities/plugin_entities/event.go and
//! internal/core/session_manager/session.go; dify_plugin 0.7.4, dify_plugin/core/entities/message.py.

pub mod message;
mod registration;
mod watch;

use super::Watch;
use crate::datum::Datum;

/// The predicates of `$check`; this protocol needs none.
///
/// # Errors
/// Every name is unknown.
pub fn check(name: &str, _: &Datum) -> Result<(), String> {
    Err(format!("dify-session has no check `{name}`"))
}

/// The stateful checks of rules.
pub fn watch(name: &str) -> Option<Box<dyn Watch>> {
    match name {
        "sessions" => Some(Box::new(watch::Sessions::default())),
        "one-error" => Some(Box::new(watch::OneError::default())),
        "line-length" => Some(Box::new(watch::LineLength)),
        "counted-blob" => Some(Box::new(watch::CountedBlob::default())),
        "blobs" => Some(Box::new(watch::Blobs::default())),
        "handshake" => Some(Box::new(registration::Handshake::default())),
        "registration" => Some(Box::new(registration::Registration::default())),
        "assets" => Some(Box::new(registration::Assets::default())),
        "patience" => Some(Box::new(registration::Patience::default())),
        _ => None,
    }
}

/// The names of the stateful checks.
pub const WATCHES: [&str; 9] = [
    "sessions",
    "one-error",
    "line-length",
    "counted-blob",
    "blobs",
    "handshake",
    "registration",
    "assets",
    "patience",
];
