//! The JSON Schemas in reports/schemas: that of scenario files is generated and takes every shipped scenario; that of
//! the jsonl report takes what runs write, every key of it.

use std::collections::BTreeSet;
use std::path::Path;

use assert_cmd::Command;
use plugfest::corpus::Corpus;
use serde_json::{Value, json};

fn stored(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("reports/schemas").join(name);
    let text = std::fs::read_to_string(&path).expect("the schema");
    serde_json::from_str(&text).expect("JSON")
}

/// What is wrong with a value, by the keywords that our schemas use; none that it does not know may stand in them.
fn wrong(schema: &Value, value: &Value, root: &Value, at: &str) -> Vec<String> {
    let Some(keywords) = schema.as_object() else {
        return if schema == &json!(false) { vec![format!("{at} must not be there")] } else { Vec::new() };
    };
    keywords.iter().flat_map(|(keyword, rule)| broken(keyword, rule, schema, value, root, at)).collect()
}

fn broken(keyword: &str, rule: &Value, schema: &Value, value: &Value, root: &Value, at: &str) -> Vec<String> {
    let list = || rule.as_array().cloned().unwrap_or_default();
    let no = |why: String| vec![format!("{at}: {why}")];
    match keyword {
        "$schema" | "title" | "description" | "$defs" | "additionalProperties" => Vec::new(),
        "$ref" => {
            let path = rule.as_str().expect("a path").trim_start_matches('#');
            wrong(root.pointer(path).expect("a definition"), value, root, at)
        }
        "type" => {
            let types = if rule.is_array() { list() } else { vec![rule.clone()] };
            let fits = types.iter().any(|name| is_of(value, name.as_str().expect("a name")));
            if fits { Vec::new() } else { no(format!("{value} is no {rule}")) }
        }
        "const" if value == rule => Vec::new(),
        "const" => no(format!("{value} is not {rule}")),
        "enum" if list().contains(value) => Vec::new(),
        "enum" => no(format!("{value} is none of {rule}")),
        "minimum" if value.as_f64() >= rule.as_f64() => Vec::new(),
        "minimum" => no(format!("{value} is less than {rule}")),
        "anyOf" | "oneOf" => {
            let results: Vec<Vec<String>> = list().iter().map(|one| wrong(one, value, root, at)).collect();
            let fitting = results.iter().filter(|result| result.is_empty()).count();
            match fitting {
                0 => results.into_iter().min_by_key(Vec::len).unwrap_or_default(),
                1 => Vec::new(),
                _ if keyword == "anyOf" => Vec::new(),
                many => no(format!("{many} of oneOf fit")),
            }
        }
        "items" => {
            let items = value.as_array().into_iter().flatten().enumerate();
            items.flat_map(|(nth, item)| wrong(rule, item, root, &format!("{at}[{nth}]"))).collect()
        }
        "required" => {
            let missing = list()
                .into_iter()
                .filter(|key| value.is_object() && value.get(key.as_str().unwrap_or("")).is_none());
            missing.map(|key| format!("{at}: {key} is missing")).collect()
        }
        "properties" => {
            let free = schema.get("additionalProperties").unwrap_or(&Value::Null);
            let entries = value.as_object().into_iter().flatten();
            entries
                .flat_map(|(key, inner)| {
                    wrong(rule.get(key).unwrap_or(free), inner, root, &format!("{at}/{key}"))
                })
                .collect()
        }
        other => panic!("the schema uses `{other}`, which this test does not know"),
    }
}

fn is_of(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("there is no type `{other}`"),
    }
}

fn of_toml(text: &str) -> Value {
    let table: toml::Table = text.parse().expect("TOML");
    serde_json::to_value(table).expect("JSON can say it")
}

#[test]
fn the_schema_of_scenarios_is_what_the_loader_reads() {
    let fresh = stored("scenario.json") == plugfest::scenario::schema::schema();
    assert!(fresh, "reports/schemas/scenario.json is stale: cargo xtask tidy --write");
}

#[test]
fn every_shipped_scenario_fits_its_schema() {
    let schema = plugfest::scenario::schema::schema();
    let other = ["suite.toml", "requirements.toml", "rules.toml", "open.toml"];
    let mut count = 0;
    for (path, text) in Corpus::embedded().files() {
        if path.ends_with(".toml") && !other.iter().any(|name| path.ends_with(name)) {
            assert_eq!(wrong(&schema, &of_toml(text), &schema, path), Vec::<String>::new());
            count += 1;
        }
    }
    assert!(count > 200, "{count}");
}

#[test]
fn what_the_loader_does_not_know_does_not_fit() {
    let schema = plugfest::scenario::schema::schema();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/broken");
    for name in ["unknown-key.toml", "unknown-verb.toml", "two-verbs.toml"] {
        let text = std::fs::read_to_string(folder.join(name)).expect("a file");
        assert_ne!(wrong(&schema, &of_toml(&text), &schema, name), Vec::<String>::new());
    }
}

/// Runs the arcaflow plugin's reference, or something that is none; gives the jsonl report.
fn report(folder: &Path, words: &[&str]) -> Vec<Value> {
    let path = folder.join("run.jsonl");
    let output = Command::cargo_bin("plugfest")
        .expect("the binary is built")
        .current_dir(folder)
        .args(["run", "arcaflow", "plugin", "--report", "jsonl=run.jsonl"])
        .args(words)
        .output()
        .expect("it runs");
    let text = std::fs::read_to_string(&path).expect("the report");
    assert!(!text.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn the_jsonl_report_fits_its_schema_and_says_everything_in_it() {
    let schema = stored("jsonl.json");
    let folder = tempfile::tempdir().expect("a folder");
    let baseline = folder.path().join("b.toml");
    std::fs::write(
        &baseline,
        "[[accept]]\ncase = \"hello/once-and-complete\"\nrequirement = \"ARCA3-WORK-01\"\nfinding = \"broken x\"\nreason = \"r\"\nsource = \"s\"\ncapture = \"c\"\n",
    )
    .expect("a file");
    let talks = ["--", "sh", "-c", "echo Hello"];
    let bad: Vec<&str> =
        ["hello/once", "work/echo", "--baseline", "b.toml"].into_iter().chain(talks).collect();
    let mut lines = report(folder.path(), &bad);
    lines.extend(report(folder.path(), &["--vehicle", "simulator"]));
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for line in &lines {
        assert_eq!(wrong(&schema, line, &schema, "line"), Vec::<String>::new());
        seen.insert(line["event"].as_str().expect("an event").to_owned());
    }
    let events = schema["oneOf"].as_array().expect("events");
    let known: BTreeSet<String> = events
        .iter()
        .map(|event| event["properties"]["event"]["const"].as_str().expect("a name").to_owned())
        .collect();
    assert_eq!(seen, known);
}

#[test]
fn check_prints_the_schema() {
    let output =
        Command::cargo_bin("plugfest").expect("built").args(["check", "--schema"]).output().expect("it runs");
    let text = String::from_utf8(output.stdout).expect("text");
    assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON"), plugfest::scenario::schema::schema());
}
