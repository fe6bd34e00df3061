//! Reading scenario files.

use std::sync::Arc;

use super::Duration;
use super::error::FileErrors;
use super::model::{Isolation, Launch, Opening, Row, Rule, RuleKind, Scenario, Step, Verb, ViewSpec};
use super::table::{Document, Table, Text};
use crate::datum::notation::parse_datum;
use crate::datum::{Bindings, Datum};
use crate::package::shelf;
use crate::play::verbs;

/// Reads one scenario.
///
/// # Errors
/// Everything that is wrong with the file by itself; what needs the suite is told where its names are bound.
pub fn scenario(suite: &str, id: &str, file: &str, text: &str) -> Result<Scenario, FileErrors> {
    salvage(suite, id, file, text).map_err(|wreck| wreck.errors)
}

/// A file that could not be read whole.
#[derive(Debug)]
pub struct Wreck {
    /// What is wrong with it by itself.
    pub errors: FileErrors,
    /// What it says nevertheless, if it is TOML: its names are looked up too, so that a user is told everything at once.
    pub rest: Option<Scenario>,
    /// Whether a step, view or rule is missing in the rest: names that seem unknown may stand there.
    pub lost: bool,
}

/// Reads one scenario, or what there is of it.
///
/// # Errors
/// A wreck, if anything is wrong.
pub fn salvage(suite: &str, id: &str, file: &str, text: &str) -> Result<Scenario, Box<Wreck>> {
    let document = Document::parse(file, text);
    let scenario = read(suite, id, file, text, &document.root());
    let (is_toml, lost) = (document.is_toml(), document.lost_something());
    match document.errors() {
        Ok(()) => Ok(scenario),
        Err(errors) => Err(Box::new(Wreck { errors, rest: is_toml.then_some(scenario), lost })),
    }
}

/// What reading a scenario asks of its file: the source of the schema.
pub fn shape(text: &str) -> super::shape::Shape {
    let document = Document::parse("", text).noting();
    read("", "", "", text, &document.root());
    document.noted()
}

fn read(suite: &str, id: &str, file: &str, text: &str, root: &Table<'_>) -> Scenario {
    let scenario = Scenario {
        suite: suite.into(),
        id: id.into(),
        file: file.into(),
        text: Arc::from(text),
        summary: root.text("summary").map_or(String::new(), |text| text.text),
        role: root.need_text("role"),
        modes: root.texts("modes"),
        profiles: root.texts("profiles"),
        capabilities: root.texts("capabilities"),
        covers: root.text("covers"),
        needs: root.texts("needs"),
        probe: root.flag("probe").unwrap_or(false),
        slow: root.flag("slow").unwrap_or(false),
        isolation: isolation(root),
        flood: root.text("flood").and_then(|text| size(root, &text)),
        opening: opening(root),
        start: root.table("start").map(|table| launch(&table)).unwrap_or_default(),
        timing: root.table("timing").map(|table| timing(&table)).unwrap_or_default(),
        off: root.table("off").map(|table| off(&table)).unwrap_or_default(),
        twin: root.text("twin"),
        views: root.tables("view").iter().flat_map(views).collect(),
        steps: steps(root),
        rules: root.tables("rule").iter().flat_map(|table| repeated(table, rule)).collect(),
        rows: rows(root),
    };
    if !judges(&scenario) && root.has("role") && !root.is_troubled() {
        root.problem(
            root.span.clone(),
            "this scenario covers nothing: it has no expect, quiet, drive, forbid, require or check",
        );
    }
    for (first, second) in twins(&scenario.rules) {
        root.problem(second.span.clone(), format!("the id `{}` is used twice", first.text));
    }
    root.finish();
    scenario
}

/// Ids that two rules have; what `for` makes of one table is one.
fn twins(rules: &[Rule]) -> Vec<(&Text, &Text)> {
    let ids: Vec<&Text> = rules.iter().filter_map(|rule| rule.id.as_ref()).collect();
    let twin = |(nth, id): (usize, &&'_ Text)| {
        let first = ids[..nth].iter().find(|first| first.text == id.text && first.span != id.span)?;
        Some((*first, ids[nth]))
    };
    ids.iter().enumerate().filter_map(twin).collect()
}

/// Whether anything in a scenario can be broken.
fn judges(scenario: &Scenario) -> bool {
    let step = |step: &Step| matches!(step.verb, Verb::Expect(_) | Verb::Quiet(_) | Verb::Drive(_));
    let rule = |rule: &Rule| {
        matches!(rule.kind, RuleKind::Forbid(_) | RuleKind::Require { .. } | RuleKind::Check(_))
    };
    scenario.steps.iter().any(step) || scenario.rules.iter().any(rule)
}

fn isolation(root: &Table<'_>) -> Option<Isolation> {
    let text = root.text("isolation")?;
    match text.text.as_str() {
        "process" => Some(Isolation::Process),
        "connection" => Some(Isolation::Connection),
        _ => {
            root.unknown("isolation", &text, ["process", "connection"]);
            None
        }
    }
}

fn size(root: &Table<'_>, text: &Text) -> Option<u64> {
    let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];
    let read = units.iter().find_map(|(unit, factor)| {
        let number: u64 = text.text.strip_suffix(unit)?.trim().parse().ok()?;
        Some(number * factor)
    });
    if read.is_none() {
        root.problem(text.span.clone(), "a size is a number with a unit: \"256MiB\"");
    }
    read
}

fn opening(root: &Table<'_>) -> Opening {
    match root.text("opening") {
        None => Opening::Default,
        Some(text) if text.text == "false" => Opening::Omitted,
        Some(text) if text.text == "true" => Opening::Default,
        Some(text) => Opening::Named(text),
    }
}

/// Reads `start` of a scenario, a role or a step.
pub fn launch(table: &Table<'_>) -> Launch {
    let pairs = |key| table.table(key).map(|table: Table<'_>| table.every_text()).unwrap_or_default();
    let named = |pairs: Vec<(Text, Text)>| pairs.into_iter().map(|(key, value)| (key.text, value)).collect();
    let launch = Launch {
        package: table.text("package").map(|text| package(table, text)),
        parent: table.flag("parent").unwrap_or_default(),
        mode: table.text("mode").map(|text| text.text),
        args: table.has("args").then(|| table.texts("args")),
        env: named(pairs("env")),
        files: named(pairs("files")),
    };
    table.finish();
    launch
}

/// The name of a package of the suites; one that a row of `vary` gives is not known yet.
fn package(table: &Table<'_>, name: Text) -> String {
    let known = || shelf::names().chain([shelf::MISSING]);
    if !name.text.contains("${") && !known().any(|known| known == name.text) {
        table.unknown("package", &name, known());
    }
    name.text
}

/// Reads `[timing]`.
pub fn timing(table: &Table<'_>) -> std::collections::BTreeMap<String, Duration> {
    let read = |(key, value): (Text, Text)| Some((key.text, duration_of(table, &value)?));
    table.every_text().into_iter().filter_map(read).collect()
}

fn off(table: &Table<'_>) -> Vec<(Text, String)> {
    let mut switched = Vec::new();
    for (rule, reason) in table.every_text() {
        if reason.text.trim().is_empty() {
            table.problem(reason.span, "say why the rule is switched off");
        }
        switched.push((rule, reason.text));
    }
    switched
}

/// Reads a view, as often as its `for` says.
pub fn views(table: &Table<'_>) -> Vec<ViewSpec> {
    repeated(table, |table| {
        let lane = table.need_text("lane");
        let of = table.text("of");
        if !table.has("match") {
            table.problem(table.span.clone(), "`match` is missing: the pattern of the messages in this view");
        }
        Some(ViewSpec { lane, of, matching: table.pattern("match")? })
    })
}

/// Reads the steps and expands `for` and `[[repeat]]`.
fn steps(root: &Table<'_>) -> Vec<Step> {
    let tables = root.tables("step");
    let repeats = root.tables("repeat");
    let blocks: Vec<Block<'_, '_>> = repeats.iter().map(block).collect();
    let mut steps = Vec::new();
    let mut done: Vec<usize> = Vec::new();
    for (index, table) in tables.iter().enumerate() {
        if done.contains(&index) {
            continue;
        }
        let id = table.text("id").map(|text| text.text).unwrap_or_default();
        match blocks.iter().find(|block| block.steps.iter().any(|step| step.text == id)) {
            None => steps.extend(repeated(table, step)),
            Some(block) => {
                let members: Vec<usize> = (0..tables.len()).filter(|at| block.holds(&tables[*at])).collect();
                for vars in loops(block.table) {
                    for at in &members {
                        let read = step(&tables[*at].with_vars(&vars));
                        if read.is_none() {
                            root.lose();
                        }
                        steps.extend(read);
                    }
                }
                done.extend(members);
            }
        }
    }
    steps
}

/// A `[[repeat]]`: steps that are repeated together.
struct Block<'a, 't> {
    table: &'a Table<'t>,
    steps: Vec<Text>,
}

impl Block<'_, '_> {
    fn holds(&self, table: &Table<'_>) -> bool {
        table.text("id").is_some_and(|id| self.steps.iter().any(|step| step.text == id.text))
    }
}

fn block<'a, 't>(table: &'a Table<'t>) -> Block<'a, 't> {
    let steps = table.texts("steps");
    if !table.has("for") {
        table.problem(table.span.clone(), "`for` is missing: how often the steps are repeated");
    }
    table.finish();
    Block { table, steps }
}

/// Reads a table once for each value of its `for`.
fn repeated<T>(table: &Table<'_>, read: impl Fn(&Table<'_>) -> Option<T>) -> Vec<T> {
    let expand = |vars: Bindings| {
        let table = table.with_vars(&vars);
        table.has("for");
        let read = read(&table);
        table.finish();
        if read.is_none() {
            table.lose();
        }
        read
    };
    loops(table).into_iter().filter_map(expand).collect()
}

/// The values of `for`, first name outermost; one empty set without `for`.
fn loops(table: &Table<'_>) -> Vec<Bindings> {
    let Some(names) = table.table("for") else { return vec![Bindings::default()] };
    let mut sets = vec![Bindings::default()];
    for (name, count) in names.every_text() {
        let Ok(count) = count.text.parse::<i64>() else {
            names.problem(count.span, "`for` counts: for = { i = 60 }");
            continue;
        };
        let extend = |set: Bindings| {
            let name = name.text.clone();
            (0..count).map(move |value| {
                let mut set = set.clone();
                set.set(name.clone(), value);
                set
            })
        };
        sets = sets.into_iter().flat_map(extend).collect();
    }
    sets
}

/// Reads one step.
pub fn step(table: &Table<'_>) -> Option<Step> {
    let given: Vec<&str> = verbs().filter(|verb| table.has(verb)).collect();
    if given.len() != 1 {
        table.forget();
    }
    let verb = match given.as_slice() {
        [verb] => read_verb(verb, table),
        [] => {
            let known = verbs().chain(["id", "on", "since", "after", "within", "floor", "covers"]);
            let wrong = table.keys().find(|key| !known.clone().any(|known| known == key.text));
            match wrong {
                Some(key) => table.unknown("verb", key, verbs()),
                None => table.problem(table.span.clone(), "a step needs one verb: expect, send, .."),
            }
            return None;
        }
        [first, second, ..] => {
            table.problem(
                table.key_span(second),
                format!("a step has one verb; this one has `{first}` already"),
            );
            return None;
        }
    };
    let step = Step {
        id: table.text("id"),
        span: table.span.clone(),
        on: table.text("on"),
        since: table.text("since"),
        within: duration(table, "within"),
        after: duration(table, "after"),
        floor: duration(table, "floor"),
        covers: table.text("covers"),
        rows: table.texts("rows"),
        condition: table.text("if"),
        verb: verb?,
    };
    table.finish();
    Some(step)
}

fn read_verb(verb: &str, table: &Table<'_>) -> Option<Verb> {
    match verb {
        "expect" => table.pattern("expect").map(Verb::Expect),
        "quiet" => duration(table, "quiet").map(Verb::Quiet),
        "drive" => table.text("drive").map(Verb::Drive),
        verb => crate::play::read_act(verb, table).map(Verb::Act),
    }
}

/// The keys of which a rule has one.
pub(super) const RULES: [&str; 6] = ["forbid", "require", "check", "allow", "answer", "every"];

/// Reads one rule.
pub fn rule(table: &Table<'_>) -> Option<Rule> {
    let kind = rule_kind(table);
    let rule = Rule {
        id: table.text("id"),
        span: table.span.clone(),
        on: table.texts("on"),
        from: table.text("from"),
        until: table.text("until"),
        covers: table.text("covers"),
        profiles: table.texts("profiles"),
        modes: table.texts("modes"),
        role: table.text("role"),
        rows: table.texts("rows"),
        kind: kind?,
    };
    Some(rule)
}

fn rule_kind(table: &Table<'_>) -> Option<RuleKind> {
    let given: Vec<&&str> = RULES.iter().filter(|kind| table.has(kind)).collect();
    if given.len() != 1 {
        table.forget();
        table.problem(table.span.clone(), format!("a rule has one of {}", RULES.join(", ")));
        return None;
    }
    match **given.first()? {
        "forbid" => Some(RuleKind::Forbid(table.pattern("forbid")?)),
        "require" => {
            let of = table.pattern("of");
            let least = table.count("least").unwrap_or(1);
            Some(RuleKind::Require { pattern: table.pattern("require")?, of, least })
        }
        "check" => Some(RuleKind::Check(table.text("check")?)),
        "allow" => {
            let most = table.count("most");
            Some(RuleKind::Allow { pattern: table.pattern("allow")?, most })
        }
        "answer" => {
            let most = table.count("most");
            let with = table.tables("with").iter().filter_map(step).collect();
            Some(RuleKind::Answer { pattern: table.pattern("answer")?, with, most })
        }
        _ => {
            let acts = table.tables("do").iter().filter_map(step).collect();
            Some(RuleKind::Every { interval: duration(table, "every")?, acts })
        }
    }
}

/// Reads `[vary.NAME]`.
fn rows(root: &Table<'_>) -> Vec<Row> {
    let rows: Vec<Row> = root.named_tables("vary").iter().map(|(name, table)| row(name, table)).collect();
    if rows.is_empty() { vec![Row::default()] } else { rows }
}

fn row(name: &Text, table: &Table<'_>) -> Row {
    let value = |key: &Text| -> Option<(String, Datum)> {
        if let Some(edn) = table.inner_text(&key.text, "edn") {
            return match parse_datum(&edn.text) {
                Ok(datum) => Some((key.text.clone(), datum)),
                Err(error) => {
                    table.problem(edn.span, error.message);
                    None
                }
            };
        }
        Some((key.text.clone(), table.scalar(&key.text)?))
    };
    Row { name: name.text.clone(), values: table.keys().filter_map(value).collect() }
}

/// Reads a duration.
pub fn duration(table: &Table<'_>, key: &'static str) -> Option<Duration> {
    let text = table.text(key)?;
    duration_of(table, &text)
}

fn duration_of(table: &Table<'_>, text: &Text) -> Option<Duration> {
    match Duration::parse(&text.text) {
        Ok(duration) => Some(duration),
        Err(message) => {
            table.problem(text.span.clone(), message);
            None
        }
    }
}
