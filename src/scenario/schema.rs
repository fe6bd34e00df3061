//! The JSON Schema of scenario files, for editors: what the loader asks for while it reads a file that holds
//! everything. Where it says less than the loader (names, patterns, units), `plugfest check` says the rest.

use serde_json::{Map, Value, json};

use super::parse::{RULES, shape};
use super::shape::{Holds, Key, Shape};
use super::table::ANY;
use crate::play::verbs;

/// A file with every verb, every kind of rule and every table that the format has.
const EVERYTHING: &str = r#"
role = ""
[start]
args = []
env = {}
files = {}
[timing]
[off]
[[view]]
for = { i = 1 }
match = "null"
[[repeat]]
for = { i = 1 }
steps = ["again"]
[[step]]
for = { i = 1 }
expect = "null"
[[step]]
id = "again"
expect = "null"
[[step]]
quiet = "1s"
[[step]]
drive = "a"
[[step]]
close = "write"
[[step]]
event = "null"
[[step]]
exit = 0
[[step]]
inspect = "files"
[[step]]
listen = "a"
[[step]]
open = "a"
[[step]]
part = "null"
[[step]]
pause = true
[[step]]
raw = "null"
[[step]]
request = { path = "/", headers = {}, body = "null" }
form = [{ name = "a", text = "b" }]
[[step]]
respond = { status = 200, headers = {}, body = "null" }
[[step]]
resume = true
[[step]]
send = "null"
layout = {}
[[step]]
signal = "TERM"
[[step]]
start = { args = [], env = {}, files = {} }
args = []
[[step]]
stderr = ""
[[step]]
trigger = { op = "" }
[[step]]
unlisten = "a"
[[rule]]
for = { i = 1 }
forbid = "null"
[[rule]]
require = "null"
[[rule]]
check = ""
[[rule]]
allow = "null"
[[rule]]
answer = "null"
with = []
[[rule]]
every = "1s"
do = []
[vary.row]
name = ""
"#;

/// What keys are for; editors show it.
const ABOUT: &[(&str, &str)] = &[
    ("summary", "The behaviour wanted, in a sentence."),
    ("role", "The side that the subject plays."),
    ("modes", "Transport variants in which it applies; all if absent."),
    ("profiles", "The texts under which it applies; all if absent."),
    ("capabilities", "What the subject must have declared; else the case is not applicable."),
    ("covers", "The requirement that this is charged to."),
    ("needs", "Requirements that must hold; else the case is blocked."),
    ("probe", "This scenario is the probe of what it covers."),
    ("slow", "Runs only with --slow."),
    ("isolation", "\"process\" or \"connection\"."),
    ("flood", "Most bytes that may come: \"256MiB\"."),
    ("opening", "false omits the role's opening; a name chooses another."),
    ("start", "Package, arguments, environment and files of the subject's process."),
    ("timing", "Overrides of [timing]."),
    ("off", "Rules of the suite that are switched off, each with its reason."),
    ("twin", "The nearest valid case, of a negative one."),
    ("view", "A lane cut out of another: the messages that fit."),
    ("step", "An act or an expectation, in order within its lane."),
    ("rule", "What holds for whatever comes whenever."),
    ("repeat", "Steps that are repeated together."),
    ("vary", "Named rows: each runs the scenario with its values."),
    ("on", "The lane."),
    ("id", "Its name, for `since`, `from`, `until` and reports."),
    ("since", "The step that times count from."),
    ("after", "Not before so long."),
    ("within", "At most so long."),
    ("floor", "What comes sooner than this is too early."),
    ("for", "Repeats it: { i = 60 } counts from 0; ${i} is replaced everywhere."),
    ("rows", "Only in these rows of vary."),
    ("if", "Only after this label of a $oneof was taken."),
    ("split", "Writes in pieces of these sizes."),
    ("expect", "The next message or observation of the lane fits this pattern."),
    ("quiet", "No message of the lane for so long."),
    ("drive", "Exchanges whose inputs come from what the subject announced."),
    ("send", "Messages, encoded."),
    ("raw", "These bytes, past every framing."),
    ("request", "One HTTP request."),
    ("respond", "One HTTP response."),
    ("trigger", "An operation of the subject's driver."),
    ("inspect", "A look at the subject's process or files."),
    ("forbid", "No message fits."),
    ("require", "Every message fits, or those that fit `of`."),
    ("allow", "Messages that may come."),
    ("answer", "Messages that are answered with `with`."),
    ("every", "Does the acts of `do` again and again."),
    ("check", "A stateful check of the protocol."),
];

/// The schema.
///
/// # Panics
/// The file that holds everything lacks a verb or a kind of rule; a test reads the schema.
pub fn schema() -> Value {
    let root = shape(EVERYTHING);
    let tables = |key: &str| root.keys.get(key).map(Key::tables).unwrap_or_default();
    let verbs: Vec<&str> = verbs().collect();
    let mut top = object(&root);
    let properties = &mut top["properties"];
    properties["step"] = json!({"type": "array", "items": {"$ref": "#/$defs/step"}});
    properties["rule"] = json!({"type": "array", "items": {"$ref": "#/$defs/rule"}});
    describe(properties);
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A scenario of plugfest",
        "description": "Generated by `cargo xtask tidy --write` from what the loader reads.",
    });
    if let (Some(schema), Value::Object(top)) = (schema.as_object_mut(), top) {
        schema.extend(top);
        let text = json!({"type": ["string", "integer", "number", "boolean"]});
        let defs = json!({"text": text, "step": one_of(&tables("step"), &verbs), "rule": one_of(&tables("rule"), &RULES)});
        schema.insert("$defs".into(), defs);
    }
    schema
}

/// The schema as its file holds it.
pub fn text() -> String {
    format!("{:#}\n", schema())
}

/// A table that has exactly one of these keys, and beside it what goes with that one.
fn one_of(shapes: &[Shape], kinds: &[&str]) -> Value {
    let kinds = kinds.iter().map(|kind| {
        let own = shapes.iter().find(|shape| shape.keys.contains_key(*kind));
        let mut table = object(own.unwrap_or_else(|| panic!("EVERYTHING has no `{kind}`")));
        for acts in ["with", "do"] {
            if let Some(list) = table["properties"].get_mut(acts) {
                *list = json!({"type": "array", "items": {"$ref": "#/$defs/step"}});
            }
        }
        describe(&mut table["properties"]);
        table["required"] = json!([kind]);
        table
    });
    json!({"oneOf": kinds.collect::<Vec<_>>()})
}

fn object(shape: &Shape) -> Value {
    let mut properties = Map::new();
    let mut needed = Vec::new();
    let mut free = json!(false);
    for (name, key) in &shape.keys {
        if name == ANY {
            free = value(key);
            continue;
        }
        if key.holds.contains(&Holds::Needed) {
            needed.push(name.as_str());
        }
        properties.insert(name.clone(), value(key));
    }
    let mut object = json!({"type": "object", "properties": properties, "additionalProperties": free});
    if !needed.is_empty() {
        object["required"] = json!(needed);
    }
    object
}

/// What a key may hold; if it was asked in several ways, any of them.
fn value(key: &Key) -> Value {
    let inner = || match key.tables().as_slice() {
        [] => json!({"type": "object"}),
        [first, ..] => object(first),
    };
    let text = || json!({"$ref": "#/$defs/text"});
    let mut ways: Vec<Value> = Vec::new();
    for holds in &key.holds {
        let way = match holds {
            Holds::Text | Holds::Needed => text(),
            Holds::Texts => json!({"anyOf": [text(), {"type": "array", "items": text()}]}),
            Holds::Flag => json!({"type": "boolean"}),
            Holds::Count => json!({"type": ["integer", "string"]}),
            Holds::Counts => {
                json!({"anyOf": [{"type": ["integer", "string"]}, {"type": "array", "items": {"type": "integer"}}]})
            }
            Holds::Table => inner(),
            Holds::Tables => json!({"type": "array", "items": inner()}),
            Holds::Scalar => {
                json!({"anyOf": [text(), {"type": "object", "properties": {"edn": {"type": "string"}}, "required": ["edn"], "additionalProperties": false}]})
            }
        };
        if !ways.contains(&way) {
            ways.push(way);
        }
    }
    if ways.len() == 1 { ways.remove(0) } else { json!({"anyOf": ways}) }
}

fn describe(properties: &mut Value) {
    for (key, about) in ABOUT {
        if let Some(Value::Object(property)) = properties.get_mut(key) {
            property.insert("description".into(), json!(about));
        }
    }
}
