//! Mistakes that a programmer of a runtime or a daemon could make, one each.

use crate::mocks::Mutant;

/// Whether a role has a mutant of this name.
pub(super) fn is_mutant(role: &str, name: &str) -> bool {
    MUTANTS.iter().any(|mutant| mutant.role == role && mutant.name == name)
}

const fn runtime(name: &'static str, breaks: &'static str) -> Mutant {
    Mutant { name, role: "runtime", breaks, also: &[], profile: "" }
}

const fn daemon(name: &'static str, breaks: &'static str) -> Mutant {
    Mutant { name, role: "daemon", breaks, also: &[], profile: "" }
}

const fn go(mutant: Mutant) -> Mutant {
    Mutant { profile: "go-daemon", ..mutant }
}

const fn also(mutant: Mutant, also: &'static [&'static str]) -> Mutant {
    Mutant { also, ..mutant }
}

/// All mutants of the SRI references.
pub const MUTANTS: &[Mutant] = &[
    // Ping.
    runtime("ping-is-ok", "SRI-PING-02"),
    runtime("ping-in-capitals", "SRI-PING-02"),
    runtime("ping-status-204", "SRI-PING-02"),
    runtime("get-ping-is-405", "SRI-PING-02"),
    go(runtime("post-ping-is-405", "SRI-PING-01")),
    go(runtime("ping-without-quotes", "SRI-PING-01")),
    runtime("ping-is-html", "SRI-PING-07"),
    // The key.
    runtime("key-not-checked", "SRI-AUTH-01"),
    runtime("missing-key-passes", "SRI-AUTH-01"),
    runtime("ping-without-key", "SRI-AUTH-01"),
    runtime("wrong-key-passes", "SRI-AUTH-02"),
    runtime("cut-key-passes", "SRI-AUTH-02"),
    runtime("longer-key-passes", "SRI-AUTH-02"),
    runtime("key-in-capitals-passes", "SRI-AUTH-02"),
    runtime("empty-key-passes", "SRI-AUTH-02"),
    also(runtime("bearer-wanted", "SRI-AUTH-03"), &["SRI-LAUNCH-01", "SRI-PING-02"]),
    runtime("key-in-error", "SRI-AUTH-06"),
    go(runtime("refusal-is-text", "SRI-AUTH-05")),
    // Instances.
    runtime("no-instances-is-404", "SRI-INST-01"),
    runtime("never-lists", "SRI-INST-02"),
    runtime("item-without-resource-name", "SRI-INST-02"),
    runtime("lists-other-endpoint", "SRI-INST-03"),
    runtime("lists-everything", "SRI-INST-04a"),
    runtime("bad-filename-is-500", "SRI-INST-05"),
    runtime("hash-not-compared", "SRI-INST-06"),
    runtime("last-digit-not-compared", "SRI-INST-06"),
    runtime("version-not-compared", "SRI-INST-06"),
    runtime("vendor-not-compared", "SRI-INST-06"),
    runtime("name-not-compared", "SRI-INST-06"),
    runtime("listed-before-ready", "SRI-INST-08"),
    also(runtime("id-is-a-number", "SRI-INST-10"), &["SRI-INST-02"]),
    go(runtime("status-is-text", "SRI-INST-11")),
    runtime("instances-are-text", "SRI-INST-13"),
    runtime("items-in-capitals", "SRI-INST-14"),
    also(go(runtime("list-closes-unsaid", "SRI-INST-12")), &["SRI-LAUNCH-01"]),
    // Launches.
    runtime("launch-is-202", "SRI-LAUNCH-01"),
    runtime("launch-refuses-metadata", "SRI-LAUNCH-02"),
    runtime("file-wanted-first", "SRI-LAUNCH-03"),
    runtime("launch-needs-verified", "SRI-LAUNCH-04"),
    runtime("launch-needs-metadata", "SRI-LAUNCH-01"),
    runtime("bad-form-launches", "SRI-LAUNCH-05"),
    runtime("builds-anything", "SRI-LAUNCH-09"),
    also(runtime("refusal-in-status-200", "SRI-LAUNCH-11"), &["SRI-SSE-01", "SRI-SSE-02"]),
    runtime("client-gone-ends-runtime", "SRI-LAUNCH-14"),
    go(runtime("huge-upload-hangs", "SRI-LAUNCH-08")),
    // The stream.
    runtime("stream-is-json", "SRI-SSE-01"),
    also(go(runtime("event-over-two-lines", "SRI-SSE-02")), &["SRI-LAUNCH-01"]),
    also(runtime("stage-in-capitals", "SRI-SSE-03"), &["SRI-LAUNCH-01"]),
    runtime("told-without-name", "SRI-SSE-04"),
    runtime("told-ends-with-comma", "SRI-SSE-05"),
    runtime("endpoint-is-relative", "SRI-SSE-06a"),
    also(go(runtime("endpoint-has-query", "SRI-SSE-06b")), &["SRI-SSE-05"]),
    go(runtime("name-of-128-bytes", "SRI-SSE-06b")),
    also(runtime("end-twice", "SRI-SSE-07"), &["SRI-SSE-08a"]),
    also(runtime("no-end", "SRI-SSE-07"), &["SRI-LAUNCH-01"]),
    also(runtime("end-before-run", "SRI-SSE-07"), &["SRI-LAUNCH-01"]),
    runtime("stream-stays-open", "SRI-SSE-08a"),
    runtime("failure-without-message", "SRI-SSE-09"),
    go(runtime("failure-of-1025-bytes", "SRI-SSE-10")),
    also(runtime("second-launch-ends-twice", "SRI-SSE-07"), &["SRI-SSE-08a"]),
    runtime("stages-go-back", "SRI-SSE-13"),
    runtime("success-after-failure", "SRI-SSE-18"),
    runtime("failure-ends-in-success", "SRI-SSE-19"),
    runtime("failure-without-end", "SRI-SSE-19"),
    also(runtime("accept-wanted", "SRI-LAUNCH-07"), &["SRI-LAUNCH-01"]),
    runtime("large-upload-passes", "SRI-AUTH-04"),
    runtime("upload-in-chunks-hangs", "SRI-AUTH-04"),
    also(go(runtime("launch-redirects", "SRI-LAUNCH-15")), &["SRI-LAUNCH-01"]),
    runtime("version-of-three-wanted", "SRI-NAME-01"),
    runtime("closes-late", "SRI-SSE-08b"),
    also(go(runtime("stream-never-ends", "SRI-SSE-11")), &["SRI-SSE-08a"]),
    runtime("head-late", "SRI-SSE-12"),
    go(runtime("burst-of-events", "SRI-SSE-14")),
    runtime("collects-events", "SRI-SSE-16"),
    go(runtime("line-of-64k", "SRI-SSE-17b")),
    also(go(runtime("line-of-31-MiB", "SRI-SSE-17a")), &["SRI-SSE-02", "SRI-SSE-17b", "SRI-LAUNCH-01"]),
    go(runtime("comments-in-stream", "SRI-SSE-15b")),
    // The function.
    runtime("function-says-nothing", "SRI-RT-01"),
    runtime("function-wants-key", "SRI-RT-02"),
    also(go(runtime("function-speaks-sse", "SRI-RT-03")), &["SRI-RT-01"]),
    // The daemon.
    daemon("ping-elsewhere", "DMN-PING-01"),
    daemon("key-with-bearer", "DMN-PING-03"),
    daemon("any-ping-status", "DMN-PING-04"),
    daemon("any-pong", "DMN-PING-05"),
    also(daemon("only-quoted-pong", "DMN-PING-06"), &["DMN-PING-01"]),
    daemon("ping-other-method", "DMN-PING-10"),
    daemon("launches-without-asking", "DMN-INST-01"),
    daemon("launches-always", "DMN-INST-03"),
    daemon("instances-status-ignored", "DMN-INST-06"),
    daemon("package-cut", "DMN-LAUNCH-01"),
    also(daemon("file-in-other-field", "DMN-LAUNCH-01"), &["DMN-SSE-01"]),
    daemon("verified-always", "DMN-LAUNCH-02"),
    daemon("signatures-not-checked", "DMN-LAUNCH-04"),
    daemon("status-not-checked", "DMN-LAUNCH-06a"),
    daemon("redirect-is-success", "DMN-LAUNCH-06a"),
    daemon("refusal-is-read-for-ever", "DMN-LAUNCH-07"),
    also(daemon("failed-build-ignored", "DMN-SSE-04"), &["DMN-SSE-05"]),
    daemon("failure-without-message", "DMN-SSE-04"),
    also(daemon("success-after-failure", "DMN-SSE-05"), &["DMN-SSE-04"]),
    daemon("no-end-is-success", "DMN-SSE-07"),
    daemon("end-is-enough", "DMN-SSE-08"),
    daemon("any-end-is-success", "DMN-SSE-09"),
    daemon("broken-stream-hangs", "DMN-SSE-15"),
    daemon("malformed-event-hangs", "DMN-SSE-14"),
    daemon("empty-endpoint-installed", "DMN-INST-09"),
    daemon("never-succeeds", "DMN-SSE-01"),
    also(go(daemon("only-bare-pong", "DMN-PING-07")), &["DMN-PING-01"]),
    go(daemon("ping-other-method-post", "DMN-PING-11")),
    go(daemon("instances-error-ignored", "DMN-INST-07")),
    go(daemon("status-not-told", "DMN-LAUNCH-06b")),
    // Lists, forms and names.
    also(daemon("empty-list-fails", "DMN-INST-05a"), &["DMN-SSE-01"]),
    go(daemon("null-list-fails", "DMN-INST-05b")),
    go(daemon("no-json-launches", "DMN-INST-08")),
    go(daemon("hash-of-file", "DMN-INST-02")),
    daemon("hash-is-short", "DMN-INST-11"),
    go(daemon("list-waits-for-ever", "DMN-INST-10")),
    daemon("launches-twice", "DMN-LAUNCH-05"),
    go(daemon("reinstall-asks", "DMN-LAUNCH-08")),
    daemon("launches-at-once", "DMN-LAUNCH-09"),
    daemon("ping-waits-for-ever", "DMN-PING-08"),
    daemon("ready-without-runtime", "DMN-PING-09"),
    // Streams.
    go(daemon("order-of-keys-matters", "DMN-SSE-02")),
    daemon("empty-text-installs", "DMN-SSE-03"),
    daemon("comments-disturb", "DMN-SSE-10"),
    go(daemon("unknown-stage-fails", "DMN-SSE-13")),
    go(daemon("launch-waits-for-ever", "DMN-SSE-18")),
    go(daemon("drip-extends-timeout", "DMN-SSE-18")),
    go(daemon("second-run-empties", "DMN-SSE-20")),
    daemon("chunk-is-an-event", "DMN-SSE-21"),
    go(daemon("long-message-hangs", "DMN-SSE-22")),
    go(daemon("value-is-cut", "DMN-SSE-25")),
    go(daemon("comma-ends-value", "DMN-SSE-25")),
    daemon("endless-line-is-skipped", "DMN-SSE-23"),
    daemon("lock-stays", "DMN-SSE-26"),
    // Calls.
    go(daemon("reset-tried-again", "DMN-INV-05")),
    go(daemon("any-size-is-sent", "DMN-INV-07")),
    go(daemon("session-not-in-body", "DMN-INV-01")),
    go(daemon("action-not-in-query", "DMN-INV-01")),
    go(daemon("chunks-turned-round", "DMN-INV-02")),
    go(daemon("end-of-call-ignored", "DMN-INV-02")),
    go(daemon("bad-gateway-not-tried-again", "DMN-INV-03")),
    go(daemon("tries-at-once", "DMN-INV-03")),
    go(daemon("errors-tried-again", "DMN-INV-04")),
    go(daemon("empty-answer-passes", "DMN-INV-06")),
    go(daemon("key-sent-to-function", "DMN-INV-09")),
    go(daemon("call-outlives-caller", "DMN-INV-08")),
    // The management API.
    go(daemon("api-key-not-checked", "DMN-API-01")),
    go(daemon("error-is-plain-text", "DMN-API-02")),
    go(daemon("unknown-plugin-is-500", "DMN-API-03")),
    go(daemon("unsigned-passes", "DMN-API-04")),
    go(daemon("installs-again", "DMN-API-05")),
    go(daemon("items-without-data", "DMN-API-06")),
    go(daemon("back-call-hangs", "DMN-API-07")),
];
