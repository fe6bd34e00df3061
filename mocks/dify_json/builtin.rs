//! The plugin that `--builtin` serves: the tools of the conformance contract, without a process.

use crate::datum::Datum;
use crate::package::Files;

/// One thing that a call gives, so many milliseconds after its request.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) after: u64,
    pub(super) what: Yield,
}

/// What a call gives.
#[derive(Clone, Debug)]
pub(super) enum Yield {
    Chunk(Datum),
    Fail {
        kind: &'static str,
        message: String,
    },
    End,
    /// The plugin's process ends.
    Die,
}

/// The actions that the package `catalogue` answers, from its table; none of any other package.
pub(super) fn catalogue(files: &Files) -> Vec<Datum> {
    let table = files.get("catalogue.json").and_then(|text| crate::codec::json::parse(text).ok());
    table.as_ref().and_then(Datum::as_array).map(<[Datum]>::to_vec).unwrap_or_default()
}

/// The fields that an action of the table requires.
pub(super) fn required<'a>(
    catalogue: &'a [Datum],
    kind: &str,
    action: &str,
) -> Option<(&'a Datum, Vec<String>)> {
    let is = |entry: &&Datum, key: &str, value: &str| {
        entry.get(key).is_some_and(|text| *text == Datum::text(value))
    };
    let entry = catalogue.iter().find(|entry| is(entry, "type", kind) && is(entry, "action", action))?;
    let names = entry.get("required").and_then(Datum::as_array).unwrap_or_default();
    Some((entry, names.iter().filter_map(Datum::as_text).map(|name| name.into_owned()).collect()))
}

/// Runs a request to an action of the table.
pub(super) fn look_up(catalogue: &[Datum], kind: &str, action: &str, request: &Datum) -> Vec<Item> {
    let Some((entry, names)) = required(catalogue, kind, action) else {
        return fail("ValueError", format!("there is no action {kind}/{action}"));
    };
    let lacks = |name: &String| matches!(request.get(name), None | Some(Datum::Null));
    match names.into_iter().filter(lacks).collect::<Vec<_>>() {
        lacking if lacking.is_empty() => done(entry.get("answer").cloned()),
        lacking => fail("ValidationError", format!("required: {}", lacking.join(", "))),
    }
}

/// Runs a request to a catalogued action.
pub(super) fn run(kind: &str, action: &str, request: Datum) -> Vec<Item> {
    match (kind, action) {
        ("tool", "invoke_tool") => invoke(request),
        ("tool", "validate_tool_credentials") => done([Datum::map([("result", Datum::from(true))])]),
        _ => fail("NotImplementedError", format!("the built-in plugin has nothing behind {kind}/{action}")),
    }
}

fn invoke(mut request: Datum) -> Vec<Item> {
    let text_of =
        |of: &Datum, key: &str| of.get(key).and_then(Datum::as_text).unwrap_or_default().into_owned();
    let mut params = request.take("tool_parameters").unwrap_or_else(|| Datum::map::<String>([]));
    if text_of(&request, "provider") != "plugfest" {
        return fail("ValueError", format!("there is no provider `{}`", text_of(&request, "provider")));
    }
    let tool = text_of(&request, "tool");
    if tool == "echo" {
        return done([message("text", "text", params.take("text").unwrap_or(Datum::Null))]);
    }
    let text = |key: &str| text_of(&params, key);
    let number = |key: &str| number(&params, key);
    let millis = |key: &str| number(key).max(0.0).mul_add(1000.0, 0.0) as u64;
    match tool.as_str() {
        "chunks" => chunks(number("count") as u64, number("size") as u64, millis("gap")),
        "fail" => fail("ValueError", text("message")),
        "sleep" => later(millis("seconds"), "slept"),
        "spin" => later(millis("seconds"), "spun"),
        "die" => vec![Item { after: 0, what: Yield::Die }],
        "json" => match crate::codec::json::parse(text("value").as_bytes()) {
            Ok(value) => done([message("json", "json_object", value)]),
            Err(error) => fail("ValueError", error.to_string()),
        },
        "noise" => later(0, "done"),
        other => fail("ValueError", format!("the built-in plugin has no tool `{other}`")),
    }
}

fn number(params: &Datum, key: &str) -> f64 {
    match params.get(key) {
        Some(Datum::Float(value, _)) => *value,
        Some(other) => other.as_int().unwrap_or_default() as f64,
        None => 0.0,
    }
}

/// A tool message as the SDK writes it.
fn message(kind: &str, field: &str, value: Datum) -> Datum {
    let message = Datum::map([(field, value)]);
    Datum::map([("type", Datum::text(kind)), ("message", message), ("meta", Datum::Null)])
}

fn done(chunks: impl IntoIterator<Item = Datum>) -> Vec<Item> {
    let chunks = chunks.into_iter().map(|chunk| Item { after: 0, what: Yield::Chunk(chunk) });
    chunks.chain([Item { after: 0, what: Yield::End }]).collect()
}

fn later(after: u64, text: &str) -> Vec<Item> {
    done([message("text", "text", Datum::text(text))])
        .into_iter()
        .map(|item| Item { after, ..item })
        .collect()
}

fn fail(kind: &'static str, message: String) -> Vec<Item> {
    vec![Item { after: 0, what: Yield::Fail { kind, message } }, Item { after: 0, what: Yield::End }]
}

fn chunks(count: u64, size: u64, gap: u64) -> Vec<Item> {
    let text = |n: u64| {
        let head = format!("{n}:");
        let pad = size.saturating_sub(head.len() as u64) as usize;
        head + &"a".repeat(pad)
    };
    let chunk =
        |n| Item { after: n * gap, what: Yield::Chunk(message("text", "text", Datum::text(text(n)))) };
    let end = Item { after: count.saturating_sub(1) * gap, what: Yield::End };
    (0..count).map(chunk).chain([end]).collect()
}

/// What the entry point of a package says that it does, where it is one of the suites' (see `crate::package::shelf`).
pub(super) enum Entry {
    Serves,
    Exits(String),
    Silent,
}

/// Reads the first line of an entry point.
pub(super) fn entry(source: &[u8]) -> Entry {
    let text = String::from_utf8_lossy(source);
    match text.lines().next().and_then(|line| line.strip_prefix("# plugfest: ")) {
        Some("silent") => Entry::Silent,
        Some(line) if line.starts_with("exits ") => Entry::Exits(line["exits ".len()..].to_owned()),
        _ => Entry::Serves,
    }
}
