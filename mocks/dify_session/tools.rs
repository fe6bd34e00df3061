//! The tools of the conformance contract: what each does with its parameters.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::actor::{Nanos, SECOND};
use crate::protocol::dify_session::message::text;

/// Raw bytes of one chunk of a blob.
const CHUNK: usize = 8192;

/// What a tool does.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Deed {
    /// It gives these messages, so far apart.
    Say { messages: Vec<Value>, gap: Nanos },
    /// It ends without a word.
    Nothing,
    /// It raises an error.
    Raise { kind: &'static str, message: String },
    /// It gives this text after a time; `busy`: it computes meanwhile.
    Later { after: Nanos, text: &'static str, busy: bool },
    /// It ends the process.
    Die(i32),
    /// It prints, then says that it is done.
    Noise(String),
    /// It calls back: the type and the request, and how the answers become a text.
    Back { kind: &'static str, request: Value, read: Read },
}

/// How the answers to a call back become a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// `set`, whatever they say.
    Set,
    /// The hex text of the one answer.
    Stored,
    /// The contents of all deltas, joined.
    Joined,
}

/// Runs a tool; `None` if there is no such tool.
///
/// # Errors
/// A parameter that is missing or of another type.
pub(super) fn run(tool: &str, parameters: &Value) -> Option<Result<Deed, String>> {
    let of = Parameters(parameters);
    Some(match tool {
        "echo" => of.text("text").map(|given| say(vec![text(given)])),
        "chunks" => chunks(&of),
        "fail" => of.text("message").map(|message| raise("RuntimeError", message)),
        "sleep" => of.seconds("seconds").map(|after| Deed::Later { after, text: "slept", busy: false }),
        "spin" => of.seconds("seconds").map(|after| Deed::Later { after, text: "spun", busy: true }),
        "die" => of.number("code").map(|code| Deed::Die(code as i32)),
        "blob" => of.number("size").map(|size| say(blob(size as usize))),
        "json" => of.text("value").map(json_message),
        "noise" => noise(&of),
        "back" => back(&of),
        _ => return None,
    })
}

/// The parameters of a tool.
struct Parameters<'a>(&'a Value);

impl<'a> Parameters<'a> {
    fn text(&self, name: &str) -> Result<&'a str, String> {
        self.0[name].as_str().ok_or_else(|| format!("the parameter `{name}` is no text"))
    }

    fn number(&self, name: &str) -> Result<f64, String> {
        self.0[name].as_f64().ok_or_else(|| format!("the parameter `{name}` is no number"))
    }

    fn seconds(&self, name: &str) -> Result<Nanos, String> {
        self.number(name).map(|seconds| (seconds * SECOND as f64) as Nanos)
    }
}

fn say(messages: Vec<Value>) -> Deed {
    Deed::Say { messages, gap: 0 }
}

fn raise(kind: &'static str, message: impl Into<String>) -> Deed {
    Deed::Raise { kind, message: message.into() }
}

fn chunks(of: &Parameters<'_>) -> Result<Deed, String> {
    let (count, size) = (of.number("count")? as usize, of.number("size")? as usize);
    let gap = if of.0["gap"].is_null() { 0 } else { of.seconds("gap")? };
    let message = |number: usize| {
        let head = format!("{number}:");
        let filler = "a".repeat(size.saturating_sub(head.len()));
        text(head + &filler)
    };
    Ok(Deed::Say { messages: (0..count).map(message).collect(), gap })
}

/// A blob in chunks, closed by an empty one.
fn blob(size: usize) -> Vec<Value> {
    let bytes: Vec<u8> = (0..size).map(|k| (k % 251) as u8).collect();
    let pieces = bytes.chunks(CHUNK).map(|piece| (piece, false)).chain([(&[][..], true)]);
    let chunk = |(sequence, (piece, end)): (usize, (&[u8], bool))| {
        json!({"type": "blob_chunk", "meta": {"mime_type": "application/octet-stream"}, "message": {
            "id": "blob", "sequence": sequence, "total_length": size, "blob": STANDARD.encode(piece), "end": end,
        }})
    };
    pieces.enumerate().map(chunk).collect()
}

fn json_message(value: &str) -> Deed {
    match serde_json::from_str::<Value>(value) {
        Ok(value) => say(vec![json!({"type": "json", "message": {"json_object": value}, "meta": null})]),
        Err(error) => raise("JSONDecodeError", error.to_string()),
    }
}

fn noise(of: &Parameters<'_>) -> Result<Deed, String> {
    let end = if of.0["newline"].as_bool() == Some(true) { "\n" } else { "" };
    Ok(Deed::Noise(format!("{}{end}", of.text("text")?)))
}

fn back(of: &Parameters<'_>) -> Result<Deed, String> {
    let (kind, request, read) = match of.text("op")? {
        "storage-set" => {
            let value = hex(of.text("value")?.as_bytes());
            ("storage", json!({"opt": "set", "key": of.text("key")?, "value": value}), Read::Set)
        }
        "storage-get" => ("storage", json!({"opt": "get", "key": of.text("key")?}), Read::Stored),
        "llm" => ("llm", question(of.text("value")?), Read::Joined),
        other => return Ok(raise("ValueError", format!("unknown op: {other}"))),
    };
    Ok(Deed::Back { kind, request, read })
}

fn question(prompt: &str) -> Value {
    json!({
        "provider": "plugfest", "model": "conformance", "model_type": "llm", "mode": "chat",
        "completion_params": {}, "tools": [], "stop": [], "stream": true,
        "prompt_messages": [{"role": "user", "content": prompt, "name": null}],
    })
}

/// The text of the answers to a call back.
///
/// # Errors
/// Answers that are none.
pub(super) fn read_answers(read: Read, answers: &[Value]) -> Result<String, String> {
    match read {
        Read::Set => answers.first().map(|_| "set".to_owned()).ok_or("no answer".into()),
        Read::Stored => {
            let stored = answers.first().and_then(|answer| answer["data"].as_str()).ok_or("no answer")?;
            let bytes = unhex(stored).ok_or("the answer is no hex")?;
            String::from_utf8(bytes).map_err(|error| error.to_string())
        }
        Read::Joined => {
            let part = |answer: &Value| answer["delta"]["message"]["content"].as_str().map(str::to_owned);
            Ok(answers.iter().filter_map(part).collect())
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    Some(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_of_the_contract() {
        for tool in ["echo", "chunks", "fail", "sleep", "die", "blob", "json", "noise", "spin", "back"] {
            assert!(run(tool, &json!({})).is_some_and(|result| result.is_err()), "{tool} needs a parameter");
        }
        assert_eq!(run("ghost", &json!({})), None);
    }

    #[test]
    fn stored_text_comes_back() {
        let Some(Ok(Deed::Back { request, .. })) =
            run("back", &json!({"op": "storage-set", "key": "k", "value": "größe"}))
        else {
            panic!("a call back");
        };
        assert_eq!(read_answers(Read::Stored, &[json!({"data": request["value"]})]), Ok("größe".into()));
    }

    #[test]
    fn blobs_end_with_an_empty_chunk() {
        assert_eq!(blob(20_000).len(), 4);
        assert_eq!(blob(0).len(), 1);
    }
}
