//! Lines of the protocol.

use crate::codec::json;
use crate::datum::Datum;
pub(super) use crate::mocks::plugin::text;

/// A message of the server as its line.
pub(super) fn line(id: &str, kind: &str, response: Datum) -> Vec<u8> {
    let message =
        Datum::map([("invoke_id", Datum::text(id)), ("type", Datum::text(kind)), ("response", response)]);
    let mut bytes = Vec::new();
    match json::encode(&message, &mut bytes) {
        Ok(()) => bytes.push(b'\n'),
        Err(why) => return error(id, &why),
    }
    bytes
}

pub(super) fn info(text: &str) -> Datum {
    Datum::map([("info", Datum::text(text))])
}

pub(super) fn error(id: &str, text: &str) -> Vec<u8> {
    line(id, "error", Datum::map([("error", Datum::text(text))]))
}

pub(super) fn end(id: &str) -> Vec<u8> {
    line(id, "plugin_invoke_end", info("plugin invoke end"))
}

/// What is wrong with a request line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) kind: FaultKind,
    pub(super) why: String,
    /// The request's id, as far as it can be read.
    pub(super) id: String,
    pub(super) is_missing: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FaultKind {
    NoText,
    NoJson,
    NoObject,
    /// `invoke_id`, `action` (for `type`, too), `request`, or `request-kind`: it is there but no object.
    Field(&'static str),
}

/// Reads a request; a blank line is none, and no fault.
pub(super) fn request(line: &[u8]) -> Option<Result<Datum, Fault>> {
    (!line.trim_ascii().is_empty()).then(|| checked(line))
}

/// A request has four fields, three of them texts that are not empty, the last an object.
fn checked(line: &[u8]) -> Result<Datum, Fault> {
    let fault = |kind, why: String, id: &str| Fault { kind, why, id: id.into(), is_missing: false };
    if std::str::from_utf8(line).is_err() {
        return Err(fault(FaultKind::NoText, "the line is not UTF-8".into(), ""));
    }
    let value = json::parse(line).map_err(|error| fault(FaultKind::NoJson, error.to_string(), ""))?;
    if value.as_map().is_none() {
        return Err(fault(FaultKind::NoObject, format!("a request is an object, not {}", value.kind()), ""));
    }
    let id = text(&value, "invoke_id");
    for key in ["invoke_id", "type", "action"] {
        if text(&value, key).is_empty() {
            let kind = FaultKind::Field(if key == "invoke_id" { key } else { "action" });
            return Err(fault(kind, format!("{key} is required, a text that is not empty"), &id));
        }
    }
    match value.get("request") {
        Some(request) if request.as_map().is_some() => Ok(value),
        Some(Datum::Null) | None => {
            let fault = fault(FaultKind::Field("request"), "request is required".into(), &id);
            Err(Fault { is_missing: true, ..fault })
        }
        Some(_) => Err(fault(FaultKind::Field("request-kind"), "request is not an object".into(), &id)),
    }
}

/// The mutant that cuts long lines.
pub(super) fn cut(line: &[u8], most: usize) -> Vec<u8> {
    if line.len() <= most {
        return line.to_vec();
    }
    let value = json::parse(line).unwrap_or(Datum::Null);
    self::line(&text(&value, "invoke_id"), "plugin_response", Datum::map([("cut", Datum::from(most as u64))]))
}

/// The mutant that writes line ends as they are.
pub(super) fn unescaped(line: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(line).replace("\\n", "\n").into_bytes()
}

/// The mutant that leaves out what is empty, false or 0.
pub(super) fn without_empty(chunk: &Datum) -> Datum {
    let is_empty = |value: &Datum| match value {
        Datum::Null | Datum::Bool(false) => true,
        Datum::Array(items, _) => items.is_empty(),
        Datum::Map(entries, _) => entries.is_empty(),
        other => other.as_int() == Some(0),
    };
    let entries = chunk.as_map().unwrap_or_default().iter().filter(|(_, value)| !is_empty(value));
    Datum::Map(entries.cloned().collect(), crate::datum::Head::Preferred)
}

/// The mutants that change values on their way: each one for which there is another.
pub(super) fn each_value(value: &Datum, other: &impl Fn(&Datum) -> Option<Datum>) -> Datum {
    match value {
        Datum::Array(items, head) => {
            Datum::Array(items.iter().map(|item| each_value(item, other)).collect(), *head)
        }
        Datum::Map(entries, head) => {
            let entries = entries.iter().map(|(key, value)| (key.clone(), each_value(value, other)));
            Datum::Map(entries.collect(), *head)
        }
        plain => other(plain).unwrap_or_else(|| plain.clone()),
    }
}
