//! Mistakes that a programmer of a runner could make, one each.

use crate::mocks::Mutant;

/// Whether a role has a mutant of this name.
pub(super) fn is_mutant(role: &str, name: &str) -> bool {
    MUTANTS.iter().any(|mutant| mutant.role == role && mutant.name == name)
}

const fn runner(name: &'static str, breaks: &'static str) -> Mutant {
    Mutant { name, role: "runner", breaks, also: &[], profile: "" }
}

const fn gateway(name: &'static str, breaks: &'static str) -> Mutant {
    Mutant { name, role: "gateway", breaks, also: &[], profile: "" }
}

const fn also(mutant: Mutant, also: &'static [&'static str]) -> Mutant {
    Mutant { also, ..mutant }
}

/// All mutants of the APISIX references.
pub const MUTANTS: &[Mutant] = &[
    // Address and life.
    runner("listens-elsewhere", "APISIX-ADDR-01"),
    also(runner("stale-socket-file-stops-it", "APISIX-ADDR-02"), &["APISIX-FRAME-01"]),
    runner("socket-for-its-owner", "APISIX-ADDR-03"),
    runner("waits-without-address", "APISIX-ADDR-04"),
    runner("term-is-ignored", "APISIX-LIFE-01a"),
    runner("ends-late", "APISIX-LIFE-01b"),
    runner("ends-with-status-one", "APISIX-LIFE-02"),
    runner("term-has-no-handler", "APISIX-LIFE-02"),
    runner("interrupt-is-ignored", "APISIX-LIFE-03"),
    // Frames.
    runner("calls-are-answered-twice", "APISIX-FRAME-01"),
    runner("prepare-is-answered-twice", "APISIX-FRAME-01"),
    also(
        runner("reply-has-another-type", "APISIX-FRAME-01"),
        &["APISIX-CONF-01", "APISIX-CALL-03", "APISIX-CONF-04"],
    ),
    runner("reply-length-has-16-bits", "APISIX-FRAME-01"),
    runner("cut-read-is-lost", "APISIX-FRAME-02"),
    runner("refuses-frames-over-64KiB", "APISIX-FRAME-03"),
    runner("hangs-over-1MiB", "APISIX-FRAME-03"),
    also(runner("full-frame-ends-runner", "APISIX-FRAME-03"), &["APISIX-FRAME-01", "APISIX-FRAME-04"]),
    runner("full-frame-is-lost", "APISIX-FRAME-04"),
    runner("reply-length-wraps", "APISIX-FRAME-05"),
    runner("cut-frame-keeps-connection", "APISIX-FRAME-06"),
    runner("unknown-type-is-ignored", "APISIX-FRAME-07a"),
    runner("unknown-type-is-echoed", "APISIX-FRAME-07a"),
    also(runner("unknown-type-ends-runner", "APISIX-FRAME-07b"), &["APISIX-FRAME-01"]),
    runner("unasked-frame-is-ignored", "APISIX-FRAME-08a"),
    also(runner("unasked-frame-ends-runner", "APISIX-FRAME-08b"), &["APISIX-FRAME-01"]),
    runner("empty-frame-is-ignored", "APISIX-FRAME-09a"),
    also(runner("empty-frame-ends-runner", "APISIX-FRAME-09b"), &["APISIX-FRAME-01"]),
    runner("second-of-read-is-lost", "APISIX-FRAME-10"),
    // Buffers.
    runner("damaged-buffer-is-echoed", "APISIX-FB-01a"),
    runner("damaged-buffer-is-ignored", "APISIX-FB-01a"),
    also(runner("damaged-buffer-ends-runner", "APISIX-FB-01b"), &["APISIX-FRAME-01"]),
    runner("refuses-trailing-bytes", "APISIX-FB-02"),
    runner("refuses-longer-tables", "APISIX-FB-03"),
    runner("refuses-shorter-tables", "APISIX-FB-03"),
    also(runner("bad-utf8-ends-runner", "APISIX-FB-04"), &["APISIX-FRAME-01"]),
    // Configurations.
    runner("configuration-is-forgotten", "APISIX-CONF-01"),
    runner("runs-the-latest-configuration", "APISIX-CONF-02"),
    runner("key-is-the-configuration", "APISIX-CONF-02"),
    runner("keeps-four-configurations", "APISIX-CONF-02"),
    runner("tokens-belong-to-connections", "APISIX-CONF-03"),
    runner("one-connection-at-a-time", "APISIX-CONF-04"),
    runner("second-token-ends-first", "APISIX-CONF-05b"),
    runner("key-is-required", "APISIX-CONF-06"),
    runner("empty-configuration-is-refused", "APISIX-CONF-07"),
    runner("empty-configuration-drops-host", "APISIX-CONF-07"),
    runner("expires-early", "APISIX-CONF-08"),
    runner("never-expires", "APISIX-CONF-09"),
    also(runner("expiry-ends-runner", "APISIX-CONF-10"), &["APISIX-FRAME-01"]),
    runner("tokens-begin-at-one", "APISIX-CONF-14"),
    runner("unknown-plugin-ends-chain", "APISIX-CONF-11"),
    also(runner("unreadable-plugin-ends-runner", "APISIX-CONF-12"), &["APISIX-FRAME-01"]),
    also(runner("incomplete-entry-ends-runner", "APISIX-CONF-13"), &["APISIX-FRAME-01"]),
    // Calls.
    runner("unknown-token-runs-nothing", "APISIX-CALL-01"),
    runner("unknown-token-is-bad-request", "APISIX-CALL-01"),
    runner("unknown-token-runs-the-latest", "APISIX-CALL-01"),
    runner("unknown-response-token-is-bad-request", "APISIX-CALL-01"),
    also(runner("id-is-not-repeated", "APISIX-CALL-02"), &["APISIX-CALL-03"]),
    runner("third-id-is-the-first", "APISIX-CALL-02"),
    runner("noop-loses-repeats", "APISIX-CALL-03"),
    runner("changes-outlive-the-call", "APISIX-CALL-03"),
    runner("stop-loses-body", "APISIX-CALL-04"),
    runner("stop-loses-headers", "APISIX-CALL-04"),
    also(runner("stop-loses-status", "APISIX-CALL-04"), &["APISIX-CONF-01"]),
    runner("dropped-becomes-empty", "APISIX-CALL-05"),
    runner("rewrite-loses-arguments", "APISIX-CALL-05"),
    runner("rewrite-loses-path", "APISIX-CALL-05"),
    runner("plugins-in-reverse", "APISIX-CALL-06"),
    runner("runs-on-after-stop", "APISIX-CALL-06"),
    also(runner("throw-ends-runner", "APISIX-CALL-07"), &["APISIX-FRAME-01"]),
    runner("throw-is-ignored", "APISIX-CALL-07"),
    runner("throw-is-silence", "APISIX-CALL-07"),
    runner("refuses-long-addresses", "APISIX-CALL-08"),
    runner("refuses-rare-methods", "APISIX-CALL-08"),
    also(runner("bare-call-ends-runner", "APISIX-CALL-09"), &["APISIX-FRAME-01"]),
    runner("response-has-another-type", "APISIX-RESP-01b"),
    runner("response-loses-id", "APISIX-RESP-01b"),
    runner("response-loses-status", "APISIX-RESP-01b"),
    runner("response-loses-headers", "APISIX-RESP-01b"),
    runner("stop-changes-responses", "APISIX-RESP-01b"),
    // Questions.
    also(runner("answer-is-ignored", "APISIX-EXTRA-01"), &["APISIX-EXTRA-02", "APISIX-CALL-03"]),
    also(runner("answers-are-kept", "APISIX-EXTRA-01"), &["APISIX-CALL-03"]),
    runner("body-is-never-asked-for", "APISIX-EXTRA-02"),
    runner("absent-answer-fails", "APISIX-EXTRA-04"),
    runner("long-answer-is-cut", "APISIX-EXTRA-05"),
    runner("cut-answer-is-lost", "APISIX-EXTRA-06"),
    also(runner("close-in-a-question-ends-runner", "APISIX-EXTRA-07"), &["APISIX-FRAME-01"]),
    also(runner("close-in-a-question-ends-runner-later", "APISIX-EXTRA-07"), &["APISIX-FRAME-01"]),
    runner("any-frame-is-an-answer", "APISIX-EXTRA-08"),
    // Many at once.
    runner("thirty-connections-at-most", "APISIX-CONC-01"),
    runner("slow-plugin-holds-up-all", "APISIX-CONC-02"),
    runner("tokens-repeat-under-load", "APISIX-CONC-03"),
    runner("idle-connection-is-deaf", "APISIX-CONC-04"),
    // The gateway: configurations and tries.
    also(gateway("prepares-every-time", "APISIX-CALLER-01"), &["APISIX-CALLER-20", "APISIX-CALLER-22"]),
    gateway("everybody-prepares", "APISIX-CALLER-01"),
    also(gateway("calls-without-token", "APISIX-CALLER-01"), &["APISIX-CALLER-20", "APISIX-CALLER-22"]),
    gateway("changed-configuration-keeps-token", "APISIX-CALLER-02"),
    gateway("changed-configuration-keeps-key", "APISIX-CALLER-02"),
    gateway("never-tries-again", "APISIX-CALLER-03"),
    also(gateway("tries-four-times", "APISIX-CALLER-03"), &["APISIX-CALLER-20"]),
    gateway("tries-again-with-the-old-token", "APISIX-CALLER-03"),
    gateway("same-token-is-no-new-one", "APISIX-CALLER-03"),
    also(gateway("tries-again-after-any-error", "APISIX-CALLER-04"), &["APISIX-CALLER-20"]),
    gateway("never-degrades", "APISIX-CALLER-04"),
    gateway("failure-goes-on", "APISIX-CALLER-04"),
    gateway("keeps-connection-after-error", "APISIX-CALLER-05"),
    // What it says and answers.
    also(gateway("calls-with-token-0", "APISIX-CALLER-20"), &["APISIX-CALLER-01"]),
    gateway("path-is-not-decoded", "APISIX-CALLER-14"),
    also(gateway("path-has-the-query", "APISIX-CALLER-14"), &["APISIX-CALLER-20"]),
    gateway("every-method-is-get", "APISIX-CALLER-14"),
    gateway("address-is-missing", "APISIX-CALLER-14"),
    gateway("valueless-is-empty", "APISIX-CALLER-14"),
    gateway("empty-is-valueless", "APISIX-CALLER-14"),
    gateway("first-of-repeated-headers", "APISIX-CALLER-14"),
    gateway("absent-is-empty", "APISIX-CALLER-06"),
    gateway("empty-is-absent", "APISIX-CALLER-06"),
    gateway("body-is-not-told", "APISIX-CALLER-06"),
    gateway("answers-one-question", "APISIX-CALLER-06"),
    also(gateway("unknown-question-is-answered", "APISIX-CALLER-07"), &["APISIX-CALLER-20"]),
    gateway("unknown-question-keeps-connection", "APISIX-CALLER-07"),
    // What it makes of actions.
    gateway("stop-is-ignored", "APISIX-CALLER-08"),
    gateway("stop-status-is-fixed", "APISIX-CALLER-08"),
    gateway("stop-body-is-lost", "APISIX-CALLER-08"),
    gateway("stop-headers-are-lost", "APISIX-CALLER-08"),
    gateway("stop-headers-replace", "APISIX-CALLER-08"),
    gateway("rewrite-path-is-lost", "APISIX-CALLER-09"),
    gateway("query-is-lost", "APISIX-CALLER-09"),
    gateway("path-is-not-escaped", "APISIX-CALLER-09"),
    gateway("rewrite-args-are-lost", "APISIX-CALLER-09"),
    gateway("arguments-replace", "APISIX-CALLER-09"),
    gateway("deleted-argument-stays", "APISIX-CALLER-09"),
    gateway("rewrite-headers-are-lost", "APISIX-CALLER-09"),
    gateway("deleted-header-stays", "APISIX-CALLER-09"),
    gateway("rewrite-body-is-lost", "APISIX-CALLER-09"),
    gateway("response-headers-are-lost", "APISIX-CALLER-09"),
    gateway("reserved-response-headers-are-set", "APISIX-CALLER-09"),
    gateway("unknown-action-is-a-stop", "APISIX-CALLER-10"),
    // Failures, limits, many at once.
    gateway("any-type-is-a-reply", "APISIX-CALLER-11"),
    gateway("closed-is-silence", "APISIX-CALLER-11"),
    gateway("silence-is-borne", "APISIX-CALLER-11"),
    gateway("damaged-reply-is-silence", "APISIX-CALLER-12"),
    gateway("damaged-reply-keeps-the-lock", "APISIX-CALLER-12"),
    also(gateway("long-frames-wrap", "APISIX-CALLER-13"), &["APISIX-CALLER-20"]),
    gateway("surplus-is-the-next-reply", "APISIX-CALLER-15"),
    gateway("replies-go-to-the-oldest-call", "APISIX-CALLER-22"),
    // The runner's process.
    gateway("address-without-prefix", "APISIX-CALLER-18"),
    gateway("no-expiry-for-the-runner", "APISIX-CALLER-18"),
    gateway("runner-is-not-started-again", "APISIX-CALLER-18"),
    gateway("tokens-outlive-the-runner", "APISIX-CALLER-18"),
    gateway("runner-is-killed-at-once", "APISIX-CALLER-18"),
    gateway("runner-is-left-behind", "APISIX-CALLER-18"),
];
