//! Mistakes that a programmer of a server or client could make, one each.

use crate::mocks::Mutant;

/// Whether a role has a mutant of this name.
pub(super) fn is_mutant(role: &str, name: &str) -> bool {
    MUTANTS.iter().any(|mutant| mutant.role == role && mutant.name == name)
}

const fn server(name: &'static str, breaks: &'static str) -> Mutant {
    Mutant { name, role: "server", breaks, also: &[], profile: "" }
}

const fn client(name: &'static str, breaks: &'static str) -> Mutant {
    Mutant { role: "client", ..server(name, breaks) }
}

const fn also(mutant: Mutant, also: &'static [&'static str]) -> Mutant {
    Mutant { also, ..mutant }
}

const fn deployed(mutant: Mutant) -> Mutant {
    Mutant { profile: "deployed", ..mutant }
}

/// All mutants of the Dify JSON references.
pub const MUTANTS: &[Mutant] = &[
    // The start.
    server("loading-not-told", "DIFY-STDIO-START-01"),
    also(server("chatty-start", "DIFY-STDIO-START-01"), &["DIFY-TCP-BIND-01"]),
    deployed(server("early-requests-lost", "DIFY-STDIO-START-02")),
    also(server("missing-file-is-runtime-error", "DIFY-STDIO-START-03"), &["DIFY-STDIO-START-10"]),
    also(server("corrupt-is-runtime-error", "DIFY-STDIO-START-04"), &["DIFY-STDIO-START-10"]),
    server("manifest-not-read", "DIFY-STDIO-START-05"),
    server("bad-manifest-is-runtime-error", "DIFY-STDIO-START-05"),
    server("failed-start-has-an-id", "DIFY-STDIO-ENV-07"),
    server("ready-twice", "DIFY-STDIO-START-01"),
    server("no-python-is-silent", "DIFY-STDIO-START-06"),
    server("death-at-start-is-ready", "DIFY-STDIO-START-07"),
    server("waits-for-ever", "DIFY-STDIO-START-08"),
    server("label-behind", "DIFY-STDIO-START-10"),
    server("failed-start-status-zero", "DIFY-STDIO-START-11"),
    server("damaged-entry-passes", "DIFY-STDIO-START-12"),
    deployed(server("mode-checked-late", "DIFY-STDIO-START-09")),
    // Messages.
    also(server("banner-on-stdout", "DIFY-STDIO-START-01"), &["DIFY-TCP-BIND-01"]),
    also(server("text-before-the-answer", "DIFY-STDIO-ENV-01"), &["DIFY-STDIO-ENV-07", "DIFY-STDIO-SEQ-01"]),
    also(server("type-misspelled", "DIFY-STDIO-ENV-02"), &["DIFY-STDIO-ENV-07", "DIFY-STDIO-SEQ-01"]),
    also(server("end-without-info", "DIFY-STDIO-ENV-03"), &["DIFY-STDIO-SEQ-01"]),
    server("line-ends-unescaped", "DIFY-STDIO-ENV-04"),
    server("noise-in-stream", "DIFY-STDIO-ENV-06"),
    also(server("response-without-id", "DIFY-STDIO-ENV-07"), &["DIFY-STDIO-SEQ-01"]),
    server("id-in-lower-case", "DIFY-STDIO-ENV-07"),
    // Calls.
    also(server("end-twice", "DIFY-STDIO-SEQ-01"), &["DIFY-STDIO-ENV-01"]),
    server("end-not-told", "DIFY-STDIO-SEQ-01"),
    server("chunks-reversed", "DIFY-STDIO-SEQ-02"),
    also(server("numbers-are-text", "DIFY-STDIO-SEQ-02"), &["DIFY-CAT-ACT-03"]),
    server("texts-trimmed", "DIFY-STDIO-SEQ-02"),
    deployed(server("empty-call-is-silent", "DIFY-STDIO-SEQ-06")),
    server("info-not-told", "DIFY-STDIO-SEQ-03"),
    server("info-late", "DIFY-STDIO-SEQ-03"),
    deployed(server("info-twice", "DIFY-STDIO-SEQ-03")),
    server("first-client-confirmed-only", "DIFY-STDIO-SEQ-03"),
    deployed(server("info-with-id", "DIFY-STDIO-SEQ-04")),
    server("chunks-at-end", "DIFY-STDIO-SEQ-05"),
    server("request-wins", "DIFY-STDIO-REQ-01"),
    // The catalogue.
    also(server("agent-strategy-is-agent", "DIFY-CAT-TYPE-01"), &["DIFY-CAT-ACT-01"]),
    server("multimodal-actions-forgotten", "DIFY-CAT-ACT-01"),
    server("missing-fields-filled-in", "DIFY-CAT-ACT-02"),
    server("empty-values-left-out", "DIFY-CAT-ACT-03"),
    // Errors.
    server("error-without-id", "DIFY-STDIO-ERR-01"),
    server("error-without-end", "DIFY-STDIO-ERR-02"),
    deployed(server("error-is-plain-text", "DIFY-STDIO-ERR-03")),
    server("malformed-line-ends", "DIFY-STDIO-ERR-04"),
    server("own-words-for-no-json", "DIFY-STDIO-ERR-05"),
    server("action-may-be-missing", "DIFY-STDIO-ERR-06"),
    server("id-may-be-missing", "DIFY-STDIO-ERR-07"),
    server("request-may-be-a-list", "DIFY-STDIO-ERR-08a"),
    server("request-may-be-missing", "DIFY-STDIO-ERR-08b"),
    server("unknown-type-just-ends", "DIFY-STDIO-ERR-09"),
    server("other-json-ends", "DIFY-STDIO-ERR-10"),
    server("bad-utf8-ends", "DIFY-STDIO-ERR-11"),
    server("carriage-return-stays", "DIFY-STDIO-ERR-13"),
    server("blank-line-ends", "DIFY-STDIO-ERR-12a"),
    also(server("wrong-field-ends-server", "DIFY-STDIO-ERR-15"), &["DIFY-STDIO-ENV-01"]),
    // Many at once, much at once.
    server("one-at-a-time", "DIFY-STDIO-CONC-01"),
    server("streams-mixed", "DIFY-STDIO-CONC-02"),
    server("same-id-lost", "DIFY-STDIO-CONC-03"),
    server("same-id-ends-once", "DIFY-STDIO-CONC-03"),
    server("failure-ends-all", "DIFY-STDIO-CONC-04"),
    server("cut-at-64k", "DIFY-STDIO-LIM-01"),
    server("four-mebibytes-at-most", "DIFY-STDIO-LIM-02"),
    server("deaf-after-a-long-line", "DIFY-STDIO-LIM-03"),
    server("large-chunk-is-silence", "DIFY-STDIO-LIM-04"),
    // Life.
    server("death-is-silence", "DIFY-STDIO-LIFE-01"),
    server("no-new-plugin", "DIFY-STDIO-LIFE-02"),
    server("term-ignored", "DIFY-STDIO-LIFE-03"),
    server("term-waits-for-calls", "DIFY-STDIO-LIFE-03"),
    server("plugin-left-behind", "DIFY-STDIO-LIFE-03"),
    server("folder-left-behind", "DIFY-STDIO-LIFE-03"),
    server("end-of-input-drops", "DIFY-STDIO-LIFE-04"),
    server("end-of-input-ignored", "DIFY-STDIO-LIFE-05"),
    server("slow-reader-loses-chunks", "DIFY-STDIO-LIFE-06"),
    // TCP.
    server("port-not-named", "DIFY-TCP-BIND-01"),
    server("wrong-port-announced", "DIFY-TCP-BIND-03"),
    deployed(server("ready-once", "DIFY-TCP-READY-01")),
    server("ready-not-told", "DIFY-TCP-READY-02"),
    server("ready-for-the-first-only", "DIFY-TCP-READY-02"),
    server("answers-to-all", "DIFY-TCP-MULTI-01"),
    server("reset-ends-server", "DIFY-TCP-MULTI-02"),
    server("half-close-drops", "DIFY-TCP-HALF-01"),
    server("lines-by-read", "DIFY-TCP-FRAME-01"),
    server("text-by-read", "DIFY-TCP-FRAME-01"),
    server("listens-everywhere", "DIFY-TCP-BIND-02"),
    server("connections-kept", "DIFY-TCP-CONN-01"),
    // The client.
    also(client("does-not-wait", "DIFY-CLIENT-READY-01"), &["DIFY-CLIENT-REQ-01"]),
    client("no-json-is-fatal", "DIFY-CLIENT-READY-02"),
    client("failed-start-is-passed-over", "DIFY-CLIENT-READY-03"),
    client("request-left-out", "DIFY-CLIENT-REQ-01"),
    client("empty-request-is-null", "DIFY-CLIENT-REQ-01"),
    client("agent-strategy-is-agent", "DIFY-CLIENT-CAT-01"),
    client("one-id-for-all", "DIFY-CLIENT-REQ-02"),
    client("answers-in-order", "DIFY-CLIENT-REQ-02"),
    client("error-fails-all", "DIFY-CLIENT-REQ-02"),
    client("info-is-an-answer", "DIFY-CLIENT-RSP-01a"),
    client("info-with-id-is-an-answer", "DIFY-CLIENT-RSP-01b"),
    client("error-waits-for-the-end", "DIFY-CLIENT-RSP-02"),
    client("error-is-a-chunk", "DIFY-CLIENT-RSP-02"),
    client("unknown-type-is-fatal", "DIFY-CLIENT-RSP-03"),
    client("death-goes-unnoticed", "DIFY-CLIENT-RSP-04"),
    client("waits-for-ever", "DIFY-CLIENT-RSP-05"),
    client("cut-at-a-mebibyte", "DIFY-CLIENT-BIG-01"),
    client("empty-success-is-an-error", "DIFY-CLIENT-RSP-06"),
    client("null-response-is-an-error", "DIFY-CLIENT-RSP-07"),
    client("last-chunk-only", "DIFY-CLIENT-RSP-08"),
    client("chunks-reversed", "DIFY-CLIENT-RSP-08"),
    client("first-chunk-ends", "DIFY-CLIENT-RSP-08"),
    client("replies-are-latin-1", "DIFY-CLIENT-RSP-08"),
    client("announcement-is-passed-over", "DIFY-CLIENT-TCP-01a"),
    client("announced-host-is-passed-over", "DIFY-CLIENT-TCP-01a"),
    client("address-from-the-text", "DIFY-CLIENT-TCP-01a"),
    also(client("connection-is-ready", "DIFY-CLIENT-READY-01"), &["DIFY-CLIENT-REQ-01"]),
    client("wildcard-taken-literally", "DIFY-CLIENT-TCP-01b"),
];
