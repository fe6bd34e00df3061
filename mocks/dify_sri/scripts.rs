//! The scripts that are shipped: every fault that a runtime was seen or thought to have, by name.
//!
//! Source: what the deployed daemon does with each is known from langgenius/dify-plugin-daemon bdb5642.

/// Name and text of every script.
const SCRIPTS: &[(&str, &str)] = &[
    ("blank-lines", include_str!("scripts/blank-lines.toml")),
    ("burst", include_str!("scripts/burst.toml")),
    ("connection-dies", include_str!("scripts/connection-dies.toml")),
    ("document", include_str!("scripts/document.toml")),
    ("drip", include_str!("scripts/drip.toml")),
    ("early-refusal", include_str!("scripts/early-refusal.toml")),
    ("early-success", include_str!("scripts/early-success.toml")),
    ("empty", include_str!("scripts/empty.toml")),
    ("encoding", include_str!("scripts/encoding.toml")),
    ("end-only", include_str!("scripts/end-only.toml")),
    ("endless-line", include_str!("scripts/endless-line.toml")),
    ("failed", include_str!("scripts/failed.toml")),
    ("failed-after-end", include_str!("scripts/failed-after-end.toml")),
    ("failed-after-run", include_str!("scripts/failed-after-run.toml")),
    ("failed-in-capitals", include_str!("scripts/failed-in-capitals.toml")),
    ("failed-without-message", include_str!("scripts/failed-without-message.toml")),
    ("framing", include_str!("scripts/framing.toml")),
    ("giant-line", include_str!("scripts/giant-line.toml")),
    ("giant-message", include_str!("scripts/giant-message.toml")),
    ("instance-has-failed", include_str!("scripts/instance-has-failed.toml")),
    ("instance-is-gone", include_str!("scripts/instance-is-gone.toml")),
    ("instances", include_str!("scripts/instances.toml")),
    ("no-content", include_str!("scripts/no-content.toml")),
    ("no-end", include_str!("scripts/no-end.toml")),
    ("nul", include_str!("scripts/nul.toml")),
    ("other-lines", include_str!("scripts/other-lines.toml")),
    ("ping-flaps", include_str!("scripts/ping-flaps.toml")),
    ("redirect", include_str!("scripts/redirect.toml")),
    ("reset", include_str!("scripts/reset.toml")),
    ("run-malformed", include_str!("scripts/run-malformed.toml")),
    ("run-twice", include_str!("scripts/run-twice.toml")),
    ("run-without", include_str!("scripts/run-without.toml")),
    ("split", include_str!("scripts/split.toml")),
    ("stall", include_str!("scripts/stall.toml")),
    ("stall-before-head", include_str!("scripts/stall-before-head.toml")),
    ("status", include_str!("scripts/status.toml")),
    ("stays-open", include_str!("scripts/stays-open.toml")),
    ("success-after-failed", include_str!("scripts/success-after-failed.toml")),
    ("truncated", include_str!("scripts/truncated.toml")),
    ("truncated-json", include_str!("scripts/truncated-json.toml")),
    ("upload-unread", include_str!("scripts/upload-unread.toml")),
];

/// The text of a shipped script.
pub(super) fn text(name: &str) -> Option<&'static str> {
    SCRIPTS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// The names, each with its rows in brackets, and what it is.
pub fn all() -> impl Iterator<Item = (String, &'static str)> {
    SCRIPTS.iter().map(|(name, text)| {
        let rows: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("[vary.")?.strip_suffix(']')).collect();
        let rows = if rows.is_empty() { String::new() } else { format!("[{}]", rows.join("|")) };
        (format!("{name}{rows}"), summary(text))
    })
}

fn summary(text: &str) -> &str {
    let line = text.lines().next().unwrap_or_default();
    line.trim_start_matches("summary = ").trim_matches('"')
}

/// What to say of a name that is neither a script nor a file.
pub(super) fn unknown(name: &str) -> String {
    let near = crate::scenario::error::nearest(name, SCRIPTS.iter().map(|(name, _)| *name));
    let near = near.map_or(String::new(), |near| format!(", did you mean `{near}`?"));
    format!(
        "there is no script `{name}` and no such file{near} (plugfest mock dify-sri runtime --help names them)"
    )
}
