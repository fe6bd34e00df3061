//! Mistakes that a programmer of an SDK could make, one each.

use crate::mocks::Mutant;

/// Whether a role has a mutant of this name.
pub(super) fn is_mutant(role: &str, name: &str) -> bool {
    MUTANTS.iter().any(|mutant| mutant.role == role && mutant.name == name)
}

const fn plugin(name: &'static str, breaks: &'static str) -> Mutant {
    Mutant { name, role: "plugin", breaks, also: &[], profile: "" }
}

const fn engine(name: &'static str, breaks: &'static str) -> Mutant {
    Mutant { name, role: "engine", breaks, also: &[], profile: "" }
}

const fn under(profile: &'static str, mutant: Mutant) -> Mutant {
    Mutant { profile, ..mutant }
}

const fn document(name: &'static str, breaks: &'static str, also: &'static [&'static str]) -> Mutant {
    Mutant { name, role: "plugin", breaks, also, profile: "document" }
}

const fn engine_of_the_document(name: &'static str, breaks: &'static str) -> Mutant {
    under("document", engine(name, breaks))
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
    also(plugin("result-twice", "ARCA3-WORK-01"), &["ARCA-STREAM-01"]),
    also(plugin("results-swapped", "ARCA3-WORK-05"), &["ARCA-STREAM-01"]),
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
    also(plugin("end-of-input-status-zero", "ARCA3-DONE-03"), &["ARCA-STREAM-01"]),
    plugin("interrupt-ends-plugin", "ARCA3-TERM-02"),
    // Messages in other words.
    plugin("indefinite-length-refused", "ARCA-STREAM-05"),
    plugin("nesting-refused", "ARCA-STREAM-09"),
    also(plugin("key-twice", "ARCA-STREAM-12"), &["ARCA3-WORK-01"]),
    plugin("unknown-keys-refused", "ARCA3-MSG-04"),
    plugin("refusal-loses-run-id", "ARCA3-WORK-08b"),
    plugin("late-signal-hangs", "ARCA3-SIG-03"),
    plugin("bare-client-done-refused", "ARCA3-DONE-04"),
    plugin("gives-up-waiting", "ARCA3-IDLE-01a"),
    plugin("limits-exclusive", "ARCA-DATA-09"),
    plugin("optional-is-required", "ARCA-DATA-05"),
    plugin("child-outlives", "ARCA3-IDLE-01b"),
    // Inputs: what is announced and what is checked.
    plugin("pattern-not-checked", "ARCA-DATA-09"),
    plugin("list-length-not-checked", "ARCA-DATA-09"),
    plugin("map-length-not-checked", "ARCA-DATA-09"),
    plugin("float-limit-not-checked", "ARCA-DATA-09"),
    plugin("references-not-checked", "ARCA-DATA-09"),
    plugin("longest-is-refused", "ARCA-DATA-09"),
    plugin("enum-not-checked", "ARCA3-WORK-03"),
    plugin("unknown-kind-taken", "ARCA3-WORK-03"),
    plugin("null-is-a-text", "ARCA3-WORK-03"),
    plugin("default-not-applied", "ARCA-DATA-05"),
    plugin("required-if-ignored", "ARCA-DATA-06"),
    plugin("required-if-not-ignored", "ARCA-DATA-07"),
    plugin("required-if-not-is-required", "ARCA-DATA-07"),
    plugin("conflicts-ignored", "ARCA-DATA-08"),
    plugin("numbers-in-lists-not-converted", "ARCA3-WORK-09"),
    plugin("other-steps-output", "ARCA3-WORK-02"),
    // Several runs, and what is left of earlier ones.
    plugin("cancel-hits-oldest", "ARCA3-SIG-01"),
    plugin("cancel-ends-all", "ARCA3-SIG-01"),
    plugin("late-runs-dropped", "ARCA3-WORK-05"),
    plugin("run-id-stays-taken", "ARCA3-WORK-10"),
    plugin("state-of-earlier-run", "ARCA3-WORK-10"),
    plugin("run-id-cut-at-64", "ARCA3-WORK-01"),
    plugin("interrupt-at-work-ends-plugin", "ARCA3-TERM-02"),
    plugin("gives-up-after-hello", "ARCA3-WORK-01"),
    // Sizes and spellings.
    plugin("numbers-through-floats", "ARCA-STREAM-05"),
    plugin("half-float-refused", "ARCA-STREAM-05"),
    plugin("tags-refused", "ARCA-STREAM-05"),
    plugin("joined-text-refused", "ARCA-STREAM-05"),
    plugin("deep-nesting-aborts", "ARCA-STREAM-09"),
    plugin("long-list-refused", "ARCA-STREAM-14"),
    plugin("buffer-of-one-MiB", "ARCA3-STREAM-11"),
    also(plugin("python-only-pattern", "ARCA3-HELLO-04"), &["ARCA3-HELLO-02"]),
    // The command line.
    also(plugin("atp-is-not-enough", "ARCA-CLI-01"), &["ARCA3-START-02", "ARCA3-WORK-01", "ARCA3-DONE-01a"]),
    plugin("prints-another-schema", "ARCA-CLI-02"),
    plugin("unknown-option-ignored", "ARCA-CLI-04a"),
    // Version 1: one task.
    under("v1", also(plugin("acknowledges-in-version-1", "ARCA1-WORK-01"), &["ARCA-STREAM-01"])),
    under("v1", plugin("stays-after-output", "ARCA1-WORK-01")),
    under("v1", also(plugin("failure-is-an-output", "ARCA1-WORK-02"), &["ARCA1-WORK-01"])),
    // The document: hello.
    document("waits-to-be-asked", "ARCA-HELLO-01", &["ARCA-HELLO-05", "ARCA-IDLE-02"]),
    document("hello-says-schema", "ARCA-HELLO-02", &["ARCA-HELLO-01"]),
    document("version-zero", "ARCA-HELLO-03a", &[]),
    document("version-seven", "ARCA-HELLO-03b", &[]),
    document("step-without-outputs", "ARCA-HELLO-04", &["ARCA-WORK-02"]),
    document("types-of-the-deployed", "ARCA-HELLO-04", &["ARCA-WORK-02"]),
    document("hello-repeated", "ARCA-HELLO-05", &["ARCA-IDLE-02", "ARCA-WORK-01a"]),
    document("input-schema-lies", "ARCA-HELLO-06", &[]),
    document("impatient", "ARCA-IDLE-02", &["ARCA-HELLO-05"]),
    // The document: work.
    document("no-acknowledgement", "ARCA-WORK-01a", &[]),
    document("acknowledges-when-done", "ARCA-WORK-01b", &[]),
    document("output-twice", "ARCA-WORK-02", &["ARCA-STREAM-01"]),
    document("output-without-logs", "ARCA-WORK-03a", &[]),
    document("logs-are-a-list", "ARCA-WORK-03b", &[]),
    document("unfit-input-status-zero", "ARCA-WORK-04a", &[]),
    document("unfit-input-is-silent", "ARCA-WORK-04b", &[]),
    document("unfit-input-gets-output", "ARCA-WORK-04c", &[]),
    document("crash-status-zero", "ARCA-WORK-05a", &[]),
    document("crash-is-silent", "ARCA-WORK-05b", &[]),
    document("acknowledgement-says-more", "ARCA-WORK-08", &[]),
    // The document: the end.
    document("sigterm-ignored", "ARCA-TERM-01", &[]),
    document("sigterm-cuts-a-message", "ARCA-TERM-02", &["ARCA-STREAM-01"]),
    document("sigterm-leaves-children", "ARCA-TERM-02", &[]),
    document("sigterm-after-output-ignored", "ARCA-TERM-03", &[]),
    document("sigterm-by-default", "ARCA-TERM-04", &[]),
    document("end-of-input-awaited", "ARCA-EOF-01", &[]),
    // The engine: stream.
    also(engine("line-end-after-message", "ARCAE-STREAM-01"), &["ARCAE-WORK-01"]),
    engine("read-is-message", "ARCAE-STREAM-02"),
    engine("indefinite-length-refused", "ARCAE-STREAM-03"),
    also(engine("key-twice", "ARCAE-STREAM-04"), &["ARCAE-WORK-01"]),
    // The engine: start and hello.
    also(engine("no-null", "ARCAE-START-01a"), &["ARCAE-WORK-01"]),
    also(engine("null-is-empty-map", "ARCAE-START-01a"), &["ARCAE-WORK-01"]),
    also(
        engine("null-twice", "ARCAE-START-01a"),
        &[
            "ARCAE-START-02",
            "ARCAE-STREAM-01",
            "ARCAE-WORK-01",
            "ARCAE-WORK-03",
            "ARCAE-LIM-03",
            "ARCAE-DONE-01a",
        ],
    ),
    also(
        engine("work-before-hello", "ARCAE-START-02"),
        &["ARCAE-START-01a", "ARCAE-WORK-01", "ARCAE-WORK-03"],
    ),
    also(engine("hello-time-out", "ARCAE-START-02"), &["ARCAE-WORK-01", "ARCAE-WORK-03"]),
    engine("version-not-checked", "ARCAE-HELLO-01"),
    engine("version-two-accepted", "ARCAE-HELLO-01"),
    engine("float-version-accepted", "ARCAE-HELLO-01"),
    engine("extra-key-ignored", "ARCAE-HELLO-02"),
    engine("schema-optional", "ARCAE-HELLO-02"),
    engine("schema-not-checked", "ARCAE-HELLO-03"),
    engine("broken-schema-is-silence", "ARCAE-HELLO-03"),
    engine("end-is-awaited", "ARCAE-HELLO-04a"),
    engine("stderr-hidden", "ARCAE-HELLO-04b"),
    also(engine("version-three-refused", "ARCAE-HELLO-05"), &["ARCAE-WORK-03"]),
    engine("version-one-refused", "ARCAE-HELLO-06"),
    engine("refusal-without-client-done", "ARCAE-SCHEMA-01"),
    engine("plugin-kept-after-refusal", "ARCAE-SCHEMA-01"),
    // The engine: work.
    engine("bare-work-start", "ARCAE-WORK-01"),
    engine("run-id-empty", "ARCAE-WORK-01"),
    also(engine("input-not-checked", "ARCAE-WORK-02"), &["ARCAE-SCHEMA-01"]),
    engine("output-id-always-success", "ARCAE-WORK-03"),
    engine("step-id-refused", "ARCAE-WORK-03"),
    engine("undeclared-output-passes", "ARCAE-WORK-04"),
    engine("output-not-checked", "ARCAE-WORK-05"),
    engine("acknowledgement-taken", "ARCAE-WORK-06b"),
    engine("any-result-counts", "ARCAE-WORK-07"),
    engine("literals-as-text", "ARCAE-WORK-08"),
    engine("result-without-run-counts", "ARCAE-WORK-09"),
    // The engine: errors.
    engine("step-fatal-fails-all", "ARCAE-ERR-01"),
    engine("server-fatal-ignored", "ARCAE-ERR-02"),
    engine("warning-is-fatal", "ARCAE-ERR-03"),
    engine("empty-run-id-is-nobody", "ARCAE-ERR-04"),
    engine("ill-formed-is-silence", "ARCAE-ERR-05"),
    engine("unknown-id-is-fatal", "ARCAE-ERR-06"),
    // The engine: signals, end, limits.
    engine("cancel-is-kill", "ARCAE-SIG-01"),
    engine("closure-never-ends", "ARCAE-SIG-01"),
    engine("cancel-without-handler", "ARCAE-SIG-02"),
    engine("signal-fails-run", "ARCAE-SIG-03"),
    engine("no-client-done", "ARCAE-DONE-01a"),
    under("v1", engine("client-done-to-v1", "ARCAE-DONE-01b")),
    engine("kills-after-client-done", "ARCAE-TERM-02"),
    engine("large-result-is-silence", "ARCAE-LIM-01"),
    engine("cancel-waits-for-hello", "ARCAE-LIM-02"),
    engine("stderr-fails-run", "ARCAE-LIM-03"),
    // The engine: what a programmer gets wrong. Reading and buffering.
    engine("second-of-read-is-lost", "ARCAE-STREAM-02"),
    engine("stderr-is-read-as-output", "ARCAE-LIM-03"),
    engine("large-text-is-cut", "ARCAE-LIM-01"),
    engine("list-at-the-limit-is-cut", "ARCAE-LIM-01"),
    engine("work-start-kept-back", "ARCAE-WORK-01"),
    engine("input-closed-at-work", "ARCAE-WORK-03"),
    engine("junk-before-hello-skipped", "ARCAE-HELLO-04a"),
    // One run in another.
    engine("results-swapped", "ARCAE-WORK-03"),
    engine("schema-of-the-first-plugin", "ARCAE-WORK-01"),
    engine("version-of-the-first-plugin", "ARCAE-HELLO-06"),
    engine("failed-stays-failed", "ARCAE-HELLO-03"),
    engine("run-id-by-its-beginning", "ARCAE-WORK-07"),
    engine("run-id-is-trimmed", "ARCAE-WORK-07"),
    engine("run-id-of-the-message-before", "ARCAE-WORK-09"),
    engine("errors-of-others-count", "ARCAE-ERR-01"),
    // Versions and schemas.
    engine("later-versions-accepted", "ARCAE-HELLO-01"),
    engine("version-cut-to-32-bits", "ARCAE-HELLO-01"),
    engine("version-missing-is-one", "ARCAE-HELLO-01"),
    engine("true-is-version-one", "ARCAE-HELLO-01"),
    engine("type-names-not-checked", "ARCAE-HELLO-03"),
    engine("ids-not-checked", "ARCAE-HELLO-03"),
    engine("roots-not-checked", "ARCAE-HELLO-03"),
    engine("references-not-checked", "ARCAE-HELLO-03"),
    engine("patterns-not-checked", "ARCAE-HELLO-03"),
    engine("limits-not-checked", "ARCAE-HELLO-03"),
    engine("map-keys-not-checked", "ARCAE-HELLO-03"),
    engine("discriminators-not-checked", "ARCAE-HELLO-03"),
    engine("schema-keys-not-checked", "ARCAE-HELLO-03"),
    engine("optional-keys-refused", "ARCAE-HELLO-05"),
    // Data.
    engine("input-limit-off-by-one", "ARCAE-WORK-02"),
    engine("output-limit-off-by-one", "ARCAE-WORK-05"),
    engine("integers-become-floats", "ARCAE-WORK-08"),
    engine("input-is-json-text", "ARCAE-WORK-01"),
    engine("large-input-is-cut", "ARCAE-WORK-01"),
    engine("second-hello-begins-again", "ARCAE-WORK-01"),
    engine("odd-result-is-silence", "ARCAE-WORK-04"),
    // Two messages, or a message and the end.
    engine("error-after-result-counts", "ARCAE-WORK-03"),
    engine("result-after-error-counts", "ARCAE-ERR-01"),
    engine("status-after-result-counts", "ARCAE-WORK-03"),
    engine("bytes-after-result-count", "ARCAE-WORK-03"),
    engine("error-without-text-ignored", "ARCAE-ERR-01"),
    engine("server-fatal-of-a-run-ignored", "ARCAE-ERR-02"),
    engine("server-fatal-needs-both-flags", "ARCAE-ERR-02"),
    // The end.
    engine("closure-from-the-start", "ARCAE-SIG-01"),
    engine("cancel-data-null", "ARCAE-SIG-01"),
    also(engine("client-done-names-the-run", "ARCAE-DONE-01a"), &["ARCAE-STREAM-01"]),
    also(engine("client-done-data-null", "ARCAE-DONE-01a"), &["ARCAE-STREAM-01"]),
    engine("client-done-twice", "ARCAE-DONE-01a"),
    engine("stays-with-the-plugin", "ARCAE-TERM-02"),
    under("v1", engine("second-task-in-one-execution", "ARCAE-EXEC-01")),
    // The engine of the document.
    engine_of_the_document("null-to-the-document", "ARCAE-START-01b"),
    engine_of_the_document("document-hello-needs-a-schema", "ARCAE-HELLO-07"),
    engine_of_the_document("one-of-unknown", "ARCAE-HELLO-07"),
    engine_of_the_document("envelope-to-the-document", "ARCAE-WORK-01"),
    engine_of_the_document("work-started-twice", "ARCAE-EXEC-01"),
    engine_of_the_document("work-time-out", "ARCAE-EXEC-02"),
    engine_of_the_document("acknowledgement-unknown", "ARCAE-WORK-06a"),
    engine_of_the_document("acknowledgement-is-the-output", "ARCAE-WORK-06a"),
    engine_of_the_document("output-of-the-document-is-success", "ARCAE-WORK-10"),
    engine_of_the_document("killed-without-sigterm", "ARCAE-TERM-01"),
    engine_of_the_document("grace-of-ten-seconds", "ARCAE-TERM-01"),
    engine_of_the_document("grace-from-the-start", "ARCAE-TERM-01"),
    engine_of_the_document("sigterm-is-enough", "ARCAE-TERM-01"),
    engine_of_the_document("cancel-kills-the-plugin", "ARCAE-TERM-01"),
];
