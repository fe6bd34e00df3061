//! Mistakes that a programmer of an SDK could make, one each.

use crate::mocks::Mutant;

/// Whether a role has a mutant of this name.
pub(super) fn is_mutant(role: &str, name: &str) -> bool {
    MUTANTS.iter().any(|mutant| mutant.role == role && mutant.name == name)
}

const fn plugin(name: &'static str, breaks: &'static str) -> Mutant {
    Mutant { name, role: "plugin", breaks, also: &[], profile: "" }
}

const fn also(mutant: Mutant, also: &'static [&'static str]) -> Mutant {
    Mutant { also, ..mutant }
}

/// All mutants of the Arcaflow references.
pub const MUTANTS: &[Mutant] = &[
    // The stream.
    also(plugin("banner-on-stdout", "ARCA3-START-01"), &["ARCA3-START-02"]),
    also(plugin("line-end-after-message", "ARCA-STREAM-01"), &["ARCA3-WORK-01", "ARCA3-DONE-01a"]),
    plugin("loses-second-of-read", "ARCA-STREAM-02"),
    also(plugin("cut-read-is-lost", "ARCA-STREAM-02"), &["ARCA-STREAM-01"]),
    also(plugin("flushed-only-at-exit", "ARCA-STREAM-03"), &["ARCA3-WORK-01"]),
    plugin("noise-in-stream", "ARCA-STREAM-04"),
    plugin("ill-formed-hangs", "ARCA-STREAM-06"),
    also(plugin("ill-formed-silently-ends", "ARCA-STREAM-06"), &["ARCA-STREAM-01"]),
    plugin("ill-formed-not-fatal", "ARCA-STREAM-06"),
    plugin("text-cut-at-64k", "ARCA-STREAM-07"),
    plugin("claimed-length-is-awaited", "ARCA-STREAM-08"),
    plugin("bad-utf8-passes", "ARCA-STREAM-10"),
    // Before work.
    plugin("child-before-work", "ARCA-IDLE-01a"),
    plugin("listens-before-work", "ARCA-IDLE-01a"),
    // The hello.
    also(
        plugin("hello-unprompted", "ARCA3-START-01"),
        &["ARCA3-START-02", "ARCA3-WORK-01", "ARCA3-DONE-01a", "ARCA-STREAM-01"],
    ),
    also(plugin("hello-twice", "ARCA3-START-02"), &["ARCA3-WORK-01", "ARCA3-DONE-01a", "ARCA-STREAM-01"]),
    plugin("version-two", "ARCA3-HELLO-01"),
    plugin("version-text", "ARCA3-HELLO-01"),
    plugin("version-float", "ARCA3-HELLO-01"),
    plugin("hello-extra-key", "ARCA3-HELLO-01"),
    also(plugin("hello-without-schema", "ARCA3-HELLO-01"), &["ARCA3-START-02"]),
    plugin("hello-too-deep", "ARCA3-HELLO-03"),
    plugin("schema-root-missing", "ARCA3-HELLO-02"),
    // Work.
    plugin("run-id-becomes-empty", "ARCA3-WORK-01"),
    plugin("result-twice", "ARCA3-WORK-01"),
    plugin("results-swapped", "ARCA3-WORK-05"),
    plugin("waits-in-line", "ARCA3-WORK-05"),
    plugin("one-run-at-a-time", "ARCA3-WORK-05"),
    plugin("without-debug-logs", "ARCA3-WORK-02"),
    plugin("outputs-not-checked", "ARCA3-WORK-02"),
    also(plugin("undeclared-key-in-output", "ARCA3-WORK-02"), &["ARCA3-WORK-01"]),
    plugin("output-id-always-success", "ARCA3-WORK-02"),
    plugin("floats-become-integers", "ARCA3-WORK-02"),
    plugin("absent-becomes-null", "ARCA3-WORK-02"),
    plugin("refusal-is-silent", "ARCA3-WORK-03"),
    plugin("refusal-is-server-fatal", "ARCA3-WORK-03"),
    plugin("refusal-without-run-id", "ARCA3-WORK-03"),
    plugin("refusal-not-step-fatal", "ARCA3-WORK-03"),
    plugin("refusal-ends-plugin", "ARCA3-WORK-03"),
    plugin("raise-ends-plugin", "ARCA3-WORK-03"),
    plugin("raise-is-success", "ARCA3-WORK-03"),
    plugin("limits-not-checked", "ARCA3-WORK-03"),
    plugin("limit-off-by-one", "ARCA3-WORK-03"),
    plugin("exit-is-silence", "ARCA3-WORK-04"),
    plugin("exit-status-zero", "ARCA3-WORK-04"),
    plugin("live-run-id-twice", "ARCA3-WORK-06a"),
    plugin("second-start-replaces-first", "ARCA3-WORK-06b"),
    plugin("logs-of-earlier-runs", "ARCA3-WORK-07"),
    plugin("incomplete-start-ignored", "ARCA3-WORK-08a"),
    plugin("text-not-converted", "ARCA3-WORK-09"),
    // Messages.
    plugin("unknown-id-is-fatal", "ARCA3-MSG-01"),
    plugin("unknown-id-ignored", "ARCA3-MSG-01"),
    plugin("headless-message-ignored", "ARCA3-MSG-02"),
    plugin("talks-after-fatal", "ARCA3-MSG-03"),
    plugin("state-leaks-into-message", "ARCA3-MSG-05"),
    // Signals to steps.
    plugin("cancel-ignored", "ARCA3-SIG-01"),
    plugin("bad-signal-crashes", "ARCA3-SIG-02"),
    plugin("bad-signal-fails-run", "ARCA3-SIG-02"),
    plugin("bad-signal-ignored", "ARCA3-SIG-02"),
    // The end.
    plugin("client-done-ignored", "ARCA3-DONE-01a"),
    plugin("client-done-status-one", "ARCA3-DONE-01a"),
    plugin("client-done-drops-runs", "ARCA3-DONE-02"),
    plugin("end-of-input-ignored", "ARCA3-DONE-03"),
    plugin("end-of-input-status-zero", "ARCA3-DONE-03"),
    plugin("interrupt-ends-plugin", "ARCA3-TERM-02"),
];
