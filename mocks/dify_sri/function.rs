//! A launched function with the built-in plugin: the contract's tools that need nothing but their parameters.

use crate::datum::Datum;
use crate::mocks::encoded::json_line;

/// The lines of JSON that answer an invocation.
pub(super) fn invoke(request: &Datum) -> Vec<u8> {
    let session = request.get("session_id").cloned().unwrap_or(Datum::Null);
    let data = request.get("data");
    let field = |name: &str| data.and_then(|data| data.get(name));
    let parameter = |name: &str| field("tool_parameters").and_then(|all| all.get(name)).cloned();
    let text = |text: &str| message("text", Datum::map([("text", Datum::text(text))]));
    let tool = field("tool").and_then(Datum::as_inserted).unwrap_or_default();
    let (messages, end) = match tool.as_str() {
        "echo" => {
            (vec![text(&parameter("text").and_then(|text| text.as_inserted()).unwrap_or_default())], done())
        }
        "fail" => (
            Vec::new(),
            failed(&parameter("message").and_then(|text| text.as_inserted()).unwrap_or_default()),
        ),
        other => (Vec::new(), failed(&format!("there is no tool `{other}`"))),
    };
    let streamed =
        messages.into_iter().map(|data| Datum::map([("type", Datum::text("stream")), ("data", data)]));
    let mut lines = Vec::new();
    for data in streamed.chain([end]) {
        let event =
            Datum::map([("session_id", session.clone()), ("event", Datum::text("session")), ("data", data)]);
        lines.extend(json_line(&event));
    }
    lines
}

fn message(kind: &str, message: Datum) -> Datum {
    Datum::map([("type", Datum::text(kind)), ("message", message), ("meta", Datum::Null)])
}

fn done() -> Datum {
    Datum::map([("type", Datum::text("end")), ("data", Datum::map::<&str>([]))])
}

fn failed(why: &str) -> Datum {
    let error =
        [("error_type", Datum::text("ToolError")), ("message", Datum::text(why)), ("args", Datum::Null)];
    Datum::map([("type", Datum::text("error")), ("data", Datum::map(error))])
}
