//! Mistakes that a programmer of an SDK or of a daemon could make, one each.

use crate::mocks::Mutant;

/// Whether a role has a mutant of this name.
pub(super) fn is_mutant(role: &str, name: &str) -> bool {
    MUTANTS.iter().any(|mutant| mutant.role == role && mutant.name == name)
}

const fn plugin(name: &'static str, breaks: &'static str) -> Mutant {
    Mutant { name, role: "plugin", breaks, also: &[], profile: "" }
}

const fn daemon(name: &'static str, breaks: &'static str) -> Mutant {
    Mutant { name, role: "daemon", breaks, also: &[], profile: "" }
}

const fn also(mutant: Mutant, also: &'static [&'static str]) -> Mutant {
    Mutant { also, ..mutant }
}

/// All mutants of the Dify session references.
pub const MUTANTS: &[Mutant] = &[
    // The stream.
    also(plugin("answers-on-stderr", "DIFY-LOCAL-IO-01"), &["DIFY-LOCAL-REQ-01"]),
    plugin("banner-on-stdout", "DIFY-LOCAL-START-02"),
    also(plugin("event-of-another-name", "DIFY-LOCAL-EVT-01"), &["DIFY-LOCAL-IO-01"]),
    also(plugin("stream-data-is-text", "DIFY-LOCAL-EVT-01"), &["DIFY-LOCAL-IO-01"]),
    plugin("long-line-written", "DIFY-LOCAL-EVT-02"),
    // The catalogue.
    plugin("agent-strategy-is-agent", "DIFY-LOCAL-CAT-01"),
    plugin("runtime-parameters-forgotten", "DIFY-LOCAL-CAT-02"),
    plugin("missing-fields-filled-in", "DIFY-LOCAL-CAT-03"),
    plugin("result-is-text", "DIFY-LOCAL-CAT-04"),
    // Start and heartbeat.
    plugin("no-heartbeat", "DIFY-LOCAL-START-01a"),
    plugin("first-heartbeat-late", "DIFY-LOCAL-START-01b"),
    plugin("one-heartbeat", "DIFY-LOCAL-HB-01a"),
    plugin("interval-is-fixed", "DIFY-LOCAL-HB-01b"),
    plugin("spin-stops-heartbeats", "DIFY-LOCAL-HB-02"),
    // Requests.
    also(plugin("end-is-missing", "DIFY-LOCAL-REQ-01"), &["DIFY-LOCAL-REQ-02b"]),
    also(
        plugin("end-twice", "DIFY-LOCAL-REQ-01"),
        &["DIFY-BACK-RSP-01", "DIFY-DEBUG-P-07", "DIFY-LOCAL-REQ-02a"],
    ),
    also(
        plugin("talks-after-end", "DIFY-LOCAL-REQ-01"),
        &["DIFY-BACK-RSP-01", "DIFY-DEBUG-P-07", "DIFY-LOCAL-REQ-02a"],
    ),
    plugin("error-without-type", "DIFY-LOCAL-REQ-02a"),
    plugin("error-args-too-many", "DIFY-LOCAL-REQ-02a"),
    also(plugin("raise-ends-plugin", "DIFY-LOCAL-REQ-02a"), &["DIFY-LOCAL-IO-01"]),
    plugin("raise-is-success", "DIFY-LOCAL-REQ-02a"),
    plugin("error-without-end", "DIFY-LOCAL-REQ-02b"),
    plugin("unknown-is-empty-success", "DIFY-LOCAL-REQ-03"),
    also(plugin("missing-field-ends-plugin", "DIFY-LOCAL-REQ-04"), &["DIFY-LOCAL-IO-01"]),
    plugin("missing-field-is-silent", "DIFY-LOCAL-REQ-04"),
    plugin("null-field-refused", "DIFY-LOCAL-REQ-05"),
    // Bad input.
    also(plugin("bad-line-ends-plugin", "DIFY-LOCAL-BAD-01a"), &["DIFY-LOCAL-IO-01"]),
    plugin("bad-line-makes-deaf", "DIFY-LOCAL-BAD-01a"),
    plugin("bad-line-is-silent", "DIFY-LOCAL-BAD-01b"),
    plugin("number-as-id-is-silent", "DIFY-LOCAL-BAD-02"),
    also(plugin("stray-answer-ends-plugin", "DIFY-LOCAL-BAD-03"), &["DIFY-LOCAL-IO-01"]),
    // Framing, many, large.
    plugin("second-of-read-is-lost", "DIFY-LOCAL-FRM-01"),
    plugin("cut-read-is-lost", "DIFY-LOCAL-FRM-01"),
    plugin("cut-character-is-replaced", "DIFY-LOCAL-FRM-01"),
    plugin("thirty-sessions-at-most", "DIFY-LOCAL-CONC-01"),
    also(plugin("sessions-swapped", "DIFY-LOCAL-CONC-01"), &["DIFY-LOCAL-REQ-01"]),
    plugin("order-is-lost", "DIFY-LOCAL-CONC-01"),
    plugin("long-line-refused", "DIFY-LOCAL-BIG-01"),
    plugin("blob-in-one-chunk", "DIFY-LOCAL-BLOB-01"),
    plugin("noise-spoils-event", "DIFY-LOCAL-OUT-01"),
    plugin("end-of-input-is-polled", "DIFY-LOCAL-LIFE-01"),
    plugin("outlives-its-parent", "DIFY-LOCAL-LIFE-02"),
    // Calls back.
    plugin("call-back-id-is-empty", "DIFY-BACK-REQ-01"),
    plugin("call-back-id-twice", "DIFY-BACK-REQ-01"),
    plugin("call-back-request-is-text", "DIFY-BACK-REQ-01"),
    plugin("answers-are-lost", "DIFY-BACK-RSP-01"),
    plugin("last-answer-only", "DIFY-BACK-RSP-02"),
    plugin("call-back-error-ignored", "DIFY-BACK-RSP-03"),
    plugin("answers-of-any-session", "DIFY-BACK-RSP-04"),
    plugin("call-back-waits-for-ever", "DIFY-BACK-RSP-05"),
    // The serverless runtime.
    plugin("port-is-not-served", "DIFY-SLS-P-07"),
    plugin("answer-is-201", "DIFY-SLS-P-01"),
    plugin("body-at-once", "DIFY-SLS-P-01"),
    plugin("body-without-end", "DIFY-SLS-P-01"),
    plugin("health-is-404", "DIFY-SLS-P-02"),
    plugin("bad-body-ends-plugin", "DIFY-SLS-P-03a"),
    plugin("bad-body-is-200", "DIFY-SLS-P-03a"),
    plugin("bad-body-is-500", "DIFY-SLS-P-03b"),
    plugin("limit-ends-body", "DIFY-SLS-P-04"),
    plugin("calls-back-elsewhere", "DIFY-SLS-P-05"),
    plugin("calls-back-without-session", "DIFY-SLS-P-05"),
    plugin("blank-line-fails-call-back", "DIFY-SLS-P-05"),
    plugin("refusal-is-not-told", "DIFY-SLS-P-06"),
    // The debug runtime.
    plugin("never-connects", "DIFY-DEBUG-P-10"),
    plugin("handshake-is-missing", "DIFY-DEBUG-P-01"),
    plugin("handshake-after-manifest", "DIFY-DEBUG-P-01"),
    plugin("another-key", "DIFY-DEBUG-P-01"),
    plugin("tools-before-manifest", "DIFY-DEBUG-P-02"),
    plugin("tools-twice", "DIFY-DEBUG-P-02"),
    plugin("declares-nothing", "DIFY-DEBUG-P-02"),
    plugin("declaration-is-empty", "DIFY-DEBUG-P-02"),
    plugin("registration-without-end", "DIFY-DEBUG-P-02"),
    plugin("ends-twice", "DIFY-DEBUG-P-02"),
    plugin("heartbeat-before-end", "DIFY-DEBUG-P-02"),
    plugin("icon-is-missing", "DIFY-DEBUG-P-03"),
    plugin("assets-are-plain-text", "DIFY-DEBUG-P-03"),
    plugin("files-interleaved", "DIFY-DEBUG-P-03"),
    plugin("handshake-late", "DIFY-DEBUG-P-04a"),
    plugin("registered-and-silent", "DIFY-DEBUG-P-04a"),
    plugin("debug-heartbeats-are-rare", "DIFY-DEBUG-P-04b"),
    also(plugin("waits-for-acknowledgement", "DIFY-DEBUG-P-05"), &["DIFY-DEBUG-P-02"]),
    plugin("bad-line-ends-connection", "DIFY-DEBUG-P-06"),
    plugin("never-comes-back", "DIFY-DEBUG-P-07"),
    plugin("half-line-is-kept", "DIFY-DEBUG-P-07"),
    plugin("knocks-at-one-pace", "DIFY-DEBUG-P-08"),
    plugin("polls-when-alone", "DIFY-DEBUG-P-09"),
    plugin("deaf-while-it-talks", "DIFY-DEBUG-P-11"),
    // The daemon: start.
    also(
        daemon("request-is-not-written", "DIFY-DAEMON-IO-01"),
        &[
            "DIFY-DAEMON-BACK-02",
            "DIFY-DAEMON-HB-01",
            "DIFY-DAEMON-REQ-01",
            "DIFY-DAEMON-REQ-02",
            "DIFY-DAEMON-TIME-01",
        ],
    ),
    daemon("cut-read-is-lost", "DIFY-DAEMON-IO-01"),
    also(daemon("manifest-ends-start", "DIFY-DAEMON-REQ-02"), &["DIFY-DAEMON-IO-01"]),
    daemon("text-ends-start", "DIFY-DAEMON-REQ-02"),
    daemon("death-at-start-is-silent", "DIFY-DAEMON-START-01"),
    daemon("dead-plugin-stays-away", "DIFY-DAEMON-START-02"),
    daemon("start-is-not-watched", "DIFY-DAEMON-REQ-03"),
    daemon("given-up-plugin-runs-on", "DIFY-DAEMON-REQ-03"),
    // The daemon: calls.
    daemon("session-id-twice", "DIFY-DAEMON-REQ-01"),
    daemon("request-without-user", "DIFY-DAEMON-REQ-01"),
    daemon("action-renamed", "DIFY-DAEMON-CAT-01"),
    daemon("numbers-are-floats", "DIFY-DAEMON-CAT-01"),
    daemon("empty-end-is-an-error", "DIFY-DAEMON-REQ-04"),
    daemon("surplus-goes-to-next-call", "DIFY-DAEMON-REQ-04"),
    daemon("stray-line-fails-calls", "DIFY-DAEMON-REQ-05"),
    daemon("unknown-session-fails-calls", "DIFY-DAEMON-REQ-05"),
    daemon("unknown-type-is-ignored", "DIFY-DAEMON-REQ-06"),
    daemon("malformed-error-is-ignored", "DIFY-DAEMON-REQ-07"),
    // The daemon: life.
    daemon("death-leaves-calls-waiting", "DIFY-DAEMON-REQ-08"),
    daemon("heartbeat-is-not-watched", "DIFY-DAEMON-HB-01"),
    daemon("heartbeats-do-not-count", "DIFY-DAEMON-HB-01"),
    daemon("no-execution-limit", "DIFY-DAEMON-TIME-01"),
    // The daemon: calls back.
    daemon("call-back-id-is-lost", "DIFY-DAEMON-BACK-01"),
    daemon("call-back-without-end", "DIFY-DAEMON-BACK-01"),
    daemon("permission-is-not-asked", "DIFY-DAEMON-BACK-02"),
    daemon("models-may-call-back", "DIFY-DAEMON-BACK-02"),
    daemon("incomplete-call-back-is-ignored", "DIFY-DAEMON-BACK-03"),
    // The daemon: the serverless runtime.
    also(daemon("invokes-nobody", "DIFY-SLS-D-07"), &["DIFY-SLS-D-02", "DIFY-SLS-D-05", "DIFY-SLS-T-03"]),
    also(daemon("action-is-not-in-query", "DIFY-SLS-D-01"), &["DIFY-SLS-D-07"]),
    daemon("accept-is-missing", "DIFY-SLS-D-01"),
    daemon("session-is-not-in-header", "DIFY-SLS-D-01"),
    daemon("bad-gateway-is-final", "DIFY-SLS-D-02"),
    daemon("refused-is-final", "DIFY-SLS-D-02"),
    daemon("tries-at-once", "DIFY-SLS-D-02"),
    also(daemon("tries-for-ever", "DIFY-SLS-D-02"), &["DIFY-SLS-D-07"]),
    also(daemon("errors-are-tried-again", "DIFY-SLS-D-02"), &["DIFY-SLS-D-07"]),
    daemon("empty-answer-passes", "DIFY-SLS-D-03"),
    daemon("error-line-is-ignored", "DIFY-SLS-D-03"),
    daemon("error-header-is-ignored", "DIFY-SLS-D-03"),
    daemon("answer-without-end-passes", "DIFY-SLS-D-04"),
    also(daemon("large-request-is-sent", "DIFY-SLS-D-05"), &["DIFY-SLS-D-07"]),
    daemon("broken-answer-passes", "DIFY-SLS-D-06"),
    daemon("any-session-may-call-back", "DIFY-SLS-T-01"),
    daemon("unknown-session-hangs", "DIFY-SLS-T-01"),
    daemon("unknown-session-is-200", "DIFY-SLS-T-01"),
    daemon("unknown-session-is-not-named", "DIFY-SLS-T-01"),
    daemon("bad-call-back-hangs", "DIFY-SLS-T-02"),
    daemon("bad-call-back-is-500", "DIFY-SLS-T-02"),
    daemon("no-keep-alive", "DIFY-SLS-T-03"),
    // The daemon: the debug runtime.
    daemon("debug-port-is-closed", "DIFY-DEBUG-S-10"),
    daemon("one-request-at-a-time", "DIFY-DEBUG-S-11"),
    daemon("bad-first-line-is-ignored", "DIFY-DEBUG-S-01"),
    daemon("any-key-will-do", "DIFY-DEBUG-S-01"),
    daemon("refuses-without-a-word", "DIFY-DEBUG-S-01"),
    daemon("refused-guest-stays", "DIFY-DEBUG-S-01"),
    daemon("guests-may-stay", "DIFY-DEBUG-S-02"),
    daemon("handshake-is-not-asked", "DIFY-DEBUG-S-03"),
    daemon("second-handshake-is-fine", "DIFY-DEBUG-S-04"),
    daemon("later-declaration-wins", "DIFY-DEBUG-S-04"),
    daemon("empty-registration-is-fine", "DIFY-DEBUG-S-05"),
    daemon("bad-base64-is-skipped", "DIFY-DEBUG-S-05"),
    daemon("assets-without-limit", "DIFY-DEBUG-S-05"),
    daemon("icon-is-not-looked-for", "DIFY-DEBUG-S-05"),
    daemon("unknown-declaration-is-refused", "DIFY-DEBUG-S-06"),
    daemon("endless-line-is-kept", "DIFY-DEBUG-S-07"),
    daemon("silent-plugin-stays", "DIFY-DEBUG-S-08"),
    daemon("broken-connection-leaves-calls", "DIFY-DEBUG-S-09"),
    daemon("broken-connection-is-an-end", "DIFY-DEBUG-S-09"),
];
