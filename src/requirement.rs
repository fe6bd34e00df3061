//! The registry: what the documents and deployed systems demand, rule by rule.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::scenario::error::FileErrors;
use crate::scenario::table::{Document, Table};

/// How strongly a rule binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Recorded as a trait, never judged.
    May,
    /// Broken is a warning.
    Should,
    /// Broken is a failure.
    Must,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::May => "MAY",
            Level::Should => "SHOULD",
            Level::Must => "MUST",
        })
    }
}

/// One rule of a document or deployed system.
#[derive(Clone, Debug, Serialize)]
pub struct Requirement {
    /// Its id, the same in all reports.
    pub id: String,
    /// How strongly it binds, by profile.
    pub levels: BTreeMap<String, Level>,
    /// The role that it binds.
    pub role: String,
    /// The rule in our own words.
    pub rule: String,
    /// Where it comes from, in one line each.
    pub source: Vec<String>,
    /// The version of plugfest that first judged it.
    pub introduced: String,
    /// Why no portable test can exist.
    pub untestable: Option<String>,
}

impl Requirement {
    /// The level under a profile; a profile that does not know the rule makes it a `may`.
    pub fn level(&self, profile: &str) -> Level {
        self.levels.get(profile).copied().unwrap_or(Level::May)
    }

    /// Whether the rule binds at all under a profile.
    pub fn binds(&self, profile: &str) -> bool {
        self.levels.contains_key(profile)
    }
}

/// All requirements of a suite by id.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    by_id: BTreeMap<String, Requirement>,
}

impl Registry {
    /// Reads `requirements.toml`.
    ///
    /// # Errors
    /// Everything that is wrong with the file.
    pub fn parse(file: &str, text: &str) -> Result<Self, FileErrors> {
        let document = Document::parse(file, text);
        let root = document.root();
        let tables = root.every_table();
        let read = tables.iter().map(|(id, table)| (id.text.clone(), requirement(&id.text, table)));
        let registry = Self { by_id: read.collect() };
        document.errors().map(|()| registry)
    }

    /// A registry of which only levels under one profile are known: that of a stored run.
    pub fn of_levels(levels: &BTreeMap<String, Level>, profile: &str) -> Self {
        let requirement = |(id, level): (&String, &Level)| {
            let levels = BTreeMap::from([(profile.to_owned(), *level)]);
            let unknown = String::new;
            let requirement = Requirement {
                id: id.clone(),
                levels,
                role: unknown(),
                rule: unknown(),
                source: Vec::new(),
                introduced: unknown(),
                untestable: None,
            };
            (id.clone(), requirement)
        };
        Self { by_id: levels.iter().map(requirement).collect() }
    }

    /// The level of each under a profile.
    pub fn levels(&self, profile: &str) -> BTreeMap<String, Level> {
        self.iter().map(|requirement| (requirement.id.clone(), requirement.level(profile))).collect()
    }

    /// The requirement with this id.
    pub fn get(&self, id: &str) -> Option<&Requirement> {
        self.by_id.get(id)
    }

    /// All in order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &Requirement> {
        self.by_id.values()
    }

    /// Adds another registry.
    ///
    /// # Errors
    /// The first id that both have.
    pub fn merge(&mut self, other: Registry) -> Result<(), String> {
        for (id, requirement) in other.by_id {
            if self.by_id.contains_key(&id) {
                return Err(id);
            }
            self.by_id.insert(id, requirement);
        }
        Ok(())
    }
}

fn requirement(id: &str, table: &Table<'_>) -> Requirement {
    let profiles: Vec<String> = table.texts("profiles").into_iter().map(|text| text.text).collect();
    let requirement = Requirement {
        id: id.into(),
        levels: levels(table, &profiles),
        role: table.need_text("role").text,
        rule: table.need_text("rule").text,
        source: table.tables("source").iter().map(source).collect(),
        introduced: table.need_text("introduced").text,
        untestable: table.text("untestable").map(|text| text.text),
    };
    if requirement.source.is_empty() {
        table.problem(
            table.span.clone(),
            "`source` is missing: a document and section, or a repository and path",
        );
    }
    if requirement.untestable.as_ref().is_some_and(|why| why.trim().is_empty()) {
        table.problem(table.key_span("untestable"), "say why no portable test can exist");
    }
    table.finish();
    requirement
}

fn levels(table: &Table<'_>, profiles: &[String]) -> BTreeMap<String, Level> {
    let level = |text: &crate::scenario::table::Text| match text.text.as_str() {
        "must" => Some(Level::Must),
        "should" => Some(Level::Should),
        "may" => Some(Level::May),
        _ => {
            table.unknown("level", text, ["must", "should", "may"]);
            None
        }
    };
    if table.is_table("level") {
        let Some(by_profile) = table.table("level") else { return BTreeMap::new() };
        return by_profile
            .every_text()
            .iter()
            .filter_map(|(key, text)| Some((key.text.clone(), level(text)?)))
            .collect();
    }
    let Some(level) = level(&table.need_text("level")) else { return BTreeMap::new() };
    if profiles.is_empty() {
        table.problem(table.span.clone(), "`profiles` is missing: those in which the rule binds");
    }
    profiles.iter().map(|profile| (profile.clone(), level)).collect()
}

/// A source in one line, for people.
fn source(table: &Table<'_>) -> String {
    let parts =
        ["document", "section", "package", "repository", "commit", "path", "lines", "capture", "note"];
    let given: Vec<(&str, String)> =
        parts.into_iter().filter_map(|key| Some((key, table.text(key)?.text))).collect();
    table.finish();
    let words = given.into_iter().map(|(key, text)| match key {
        "section" => format!("section \"{text}\""),
        "commit" => format!("at {text}"),
        "lines" => format!("lines {text}"),
        "capture" => format!("seen in a capture: {text}"),
        "note" => format!("({text})"),
        _ => text,
    });
    words.collect::<Vec<_>>().join(" ")
}
