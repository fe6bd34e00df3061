//! Reading what a suite says beside its scenarios: `suite.toml` and `rules.toml`.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::Duration;
use super::error::FileErrors;
use super::model::{Body, LaneSpec, Launch, Rule, Scenario, Source, Step, ViewSpec};
use super::parse::{launch, rule, step, timing, views};
use super::table::{Document, Table, Text};
use crate::codec::http1::Format;
use crate::datum::Pattern;
use crate::protocol::CODECS;
use crate::requirement::Registry;

/// A suite: everything that is said about one protocol.
#[derive(Clone, Debug, Default)]
pub struct Suite {
    /// Its name: `arcaflow`.
    pub name: String,
    /// The text of suite.toml, for transcripts.
    pub text: Arc<str>,
    /// The text of rules.toml, for transcripts.
    pub rules_text: Arc<str>,
    /// Its profiles, the default first.
    pub profiles: Vec<String>,
    /// `[notes]`: what a reader of a report must know about a profile.
    pub notes: BTreeMap<String, String>,
    /// The scenarios that every mutant runs too.
    pub smoke: Vec<Text>,
    /// `[timing]`
    pub timing: BTreeMap<String, Duration>,
    /// `[bind]`: values that every case has.
    pub bind: Vec<(String, Pattern)>,
    /// `[roles.*]`, before profile and mode.
    roles: BTreeMap<String, Vec<RoleLayer>>,
    /// rules.toml
    pub rules: Vec<Rule>,
    /// requirements.toml
    pub registry: Arc<Registry>,
    /// open.toml: requirements without a scenario yet.
    pub open: BTreeMap<String, String>,
    /// The scenarios in order of their ids.
    pub scenarios: Vec<Arc<Scenario>>,
    /// Ids and texts of the scenarios that nobody needs in this run, in the same order.
    pub unread: Vec<(String, &'static str)>,
}

/// One layer of a role: the role itself, or what a profile or mode lays over it.
#[derive(Clone, Debug, Default)]
struct RoleLayer {
    profile: Option<String>,
    mode: Option<String>,
    lanes: Option<Vec<LaneSpec>>,
    views: Option<Vec<ViewSpec>>,
    start: Option<Launch>,
    opening: Option<Vec<Step>>,
    openings: BTreeMap<String, Vec<Step>>,
    goodbye: Option<Vec<Step>>,
    ends: Option<bool>,
    exchange: Option<Text>,
    planned: Vec<String>,
}

/// A role under one profile and mode.
#[derive(Clone, Debug, Default)]
pub struct Role {
    /// Its lanes; the first is the default.
    pub lanes: Vec<LaneSpec>,
    /// Views of them that every scenario has, unless it makes a lane of the same name itself.
    pub views: Vec<ViewSpec>,
    /// How the subject is started.
    pub start: Launch,
    /// What runs before the steps.
    pub opening: Vec<Step>,
    /// Other openings by name.
    pub openings: BTreeMap<String, Vec<Step>>,
    /// What runs after the steps.
    pub goodbye: Vec<Step>,
    /// Whether the subject ends by itself after the goodbye.
    pub ends: bool,
    /// The requirement that exchanges of ours on new lanes are charged to by default.
    pub exchange: Option<Text>,
}

impl Suite {
    /// A short hash of what the suite says: two reports with the same one judged by the same words.
    pub fn hash(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.text.as_bytes());
        hash.update(self.rules_text.as_bytes());
        let read = self.scenarios.iter().map(|scenario| (scenario.id.as_str(), &*scenario.text));
        let mut all: Vec<_> = read.chain(self.unread.iter().map(|(id, text)| (id.as_str(), *text))).collect();
        if !self.unread.is_empty() {
            all.sort_by_key(|(id, _)| format!("{id}.toml")); // in the order of the files
        }
        for (id, text) in all {
            hash.update(id.as_bytes());
            hash.update(text.as_bytes());
        }
        hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Reads `suite.toml`; the other files are added by the corpus.
    ///
    /// # Errors
    /// Everything that is wrong with the file.
    pub fn parse(name: &str, file: &str, text: &str) -> Result<Self, FileErrors> {
        let document = Document::parse(file, text);
        let root = document.root();
        let suite = Self {
            name: name.into(),
            text: Arc::from(text),
            rules_text: Arc::from(""),
            profiles: root.texts("profiles").into_iter().map(|text| text.text).collect(),
            notes: root.table("notes").map(|table| notes(&table)).unwrap_or_default(),
            smoke: root.texts("smoke"),
            timing: root.table("timing").map(|table| timing(&table)).unwrap_or_default(),
            bind: root.table("bind").map(|table| bind(&table)).unwrap_or_default(),
            roles: root
                .named_tables("roles")
                .iter()
                .map(|(name, table)| (name.text.clone(), role(table)))
                .collect(),
            rules: Vec::new(),
            registry: Arc::default(),
            open: BTreeMap::new(),
            scenarios: Vec::new(),
            unread: Vec::new(),
        };
        if let Some(stray) = suite.notes.keys().find(|name| !suite.profiles.contains(name)) {
            root.problem(root.span.clone(), format!("`notes` names `{stray}`, which is no profile"));
        }
        if suite.profiles.is_empty() {
            root.problem(
                root.span.clone(),
                "`profiles` is missing: the texts that can bind, the default first",
            );
        }
        root.finish();
        document.errors().map(|()| suite)
    }

    /// The names of its roles.
    pub fn role_names(&self) -> impl Iterator<Item = &str> {
        self.roles.keys().map(String::as_str)
    }

    /// The modes of a role; one nameless mode if it has none.
    pub fn modes(&self, role: &str) -> Vec<String> {
        let layers = self.roles.get(role).map(Vec::as_slice).unwrap_or_default();
        let modes: Vec<String> = layers.iter().filter_map(|layer| layer.mode.clone()).collect();
        if modes.is_empty() { vec![String::new()] } else { modes }
    }

    /// The modes of a role that have no scenarios yet.
    pub fn planned(&self, role: &str) -> Vec<String> {
        let layers = self.roles.get(role).map(Vec::as_slice).unwrap_or_default();
        layers.iter().flat_map(|layer| layer.planned.clone()).collect()
    }

    /// A role under a profile and mode.
    pub fn role(&self, name: &str, profile: &str, mode: &str) -> Option<Role> {
        let mut role = Role { ends: true, ..Role::default() };
        for layer in self.roles.get(name)? {
            let binds = |wanted: &Option<String>, actual: &str| {
                wanted.as_deref().is_none_or(|wanted| wanted == actual)
            };
            if binds(&layer.profile, profile) && binds(&layer.mode, mode) {
                layer.lay_over(&mut role);
            }
        }
        Some(role)
    }

    /// The ids of all its scenarios.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        let read = self.scenarios.iter().map(|scenario| scenario.id.as_str());
        read.chain(self.unread.iter().map(|(id, _)| id.as_str()))
    }

    /// The scenario with this id.
    pub fn scenario(&self, id: &str) -> Option<&Arc<Scenario>> {
        self.scenarios.iter().find(|scenario| scenario.id == id)
    }
}

impl RoleLayer {
    fn lay_over(&self, role: &mut Role) {
        if let Some(lanes) = &self.lanes {
            role.lanes.clone_from(lanes);
        }
        if let Some(views) = &self.views {
            role.views.clone_from(views);
        }
        if let Some(start) = &self.start {
            role.start.clone_from(start);
        }
        if let Some(opening) = &self.opening {
            role.opening.clone_from(opening);
        }
        if let Some(goodbye) = &self.goodbye {
            role.goodbye.clone_from(goodbye);
        }
        role.ends = self.ends.unwrap_or(role.ends);
        role.exchange = self.exchange.clone().or(role.exchange.take());
        role.openings.extend(self.openings.clone());
    }
}

fn notes(table: &Table<'_>) -> BTreeMap<String, String> {
    table.every_text().into_iter().map(|(name, note)| (name.text, note.text)).collect()
}

fn bind(table: &Table<'_>) -> Vec<(String, Pattern)> {
    let compile = |(name, text): (Text, Text)| Some((name.text, table.compile(&text)?));
    table.every_text().into_iter().filter_map(compile).collect()
}

/// A role and the layers of its profiles and modes.
fn role(table: &Table<'_>) -> Vec<RoleLayer> {
    let profiles = table.named_tables("profile");
    let modes = table.named_tables("mode");
    let mut layers = vec![layer(table)];
    for (name, table) in &modes {
        layers.push(RoleLayer { mode: Some(name.text.clone()), ..layer(table) });
    }
    for (name, table) in &profiles {
        layers.push(RoleLayer { profile: Some(name.text.clone()), ..layer(table) });
    }
    layers
}

fn layer(table: &Table<'_>) -> RoleLayer {
    let steps = |key| table.has(key).then(|| table.tables(key).iter().filter_map(step).collect());
    let bad = table.patterns("bad");
    let openings = table.named_tables("openings").into_iter().map(|(name, inner)| {
        let steps = inner.tables("steps").iter().filter_map(step).collect();
        inner.finish();
        (name.text, steps)
    });
    let layer = RoleLayer {
        profile: None,
        mode: None,
        lanes: table
            .has("lanes")
            .then(|| table.tables("lanes").iter().filter_map(|inner| lane(inner, &bad)).collect()),
        views: table.has("views").then(|| table.tables("views").iter().flat_map(views).collect()),
        start: table.table("start").map(|table| launch(&table)),
        opening: steps("opening"),
        openings: openings.collect(),
        goodbye: steps("goodbye"),
        ends: table.flag("ends"),
        exchange: table.text("exchange"),
        planned: table.texts("planned").into_iter().map(|text| text.text).collect(),
    };
    table.finish();
    layer
}

fn lane(table: &Table<'_>, bad: &[Pattern]) -> Option<LaneSpec> {
    let sources = [
        ("connect", "stdio", Source::Stdio),
        ("connect", "unix", Source::ConnectUnix),
        ("connect", "tcp", Source::ConnectTcp),
        ("connect", "driver", Source::Driver),
        ("accept", "unix", Source::AcceptUnix),
        ("accept", "tcp", Source::AcceptTcp),
        ("accept", "relay", Source::AcceptRelay),
        ("connect", "http", Source::ConnectHttp),
        ("accept", "http", Source::AcceptHttp),
    ];
    let (connect, accept) = (table.text("connect"), table.text("accept"));
    let given =
        connect.as_ref().map(|text| ("connect", text)).or(accept.as_ref().map(|text| ("accept", text)));
    let source = given.and_then(|(key, text)| {
        sources
            .iter()
            .find(|(known, name, _)| *known == key && *name == text.text)
            .map(|(_, _, source)| *source)
    });
    if source.is_none() {
        let message = "a lane says where its messages come from: connect = \"stdio\", \"unix\", \"tcp\", \"http\" or \
                       \"driver\", or accept = \"unix\", \"tcp\", \"http\" or \"relay\"";
        table.problem(table.span.clone(), message);
    }
    let own = table.patterns("bad");
    let is_http = matches!(source, Some(Source::ConnectHttp | Source::AcceptHttp));
    let codec = if is_http {
        Text { text: "http".into(), span: table.span.clone() }
    } else {
        table.need_text("codec")
    };
    if !is_http && !codec.text.is_empty() && !CODECS.contains(&codec.text.as_str()) {
        table.unknown("codec", &codec, CODECS);
    }
    let spec = LaneSpec {
        name: table.need_text("name"),
        source: source?,
        codec,
        default: table.need_text("default"),
        bad: own.into_iter().chain(bad.iter().cloned()).collect(),
        bodies: table.tables("bodies").iter().map(body).collect(),
    };
    table.finish();
    Some(spec)
}

/// The formats of the HTTP bodies of a path: texts, unless it says otherwise.
fn body(table: &Table<'_>) -> Body {
    let format = |key| {
        let Some(text) = table.text(key) else { return Format::Text };
        Format::from_name(&text.text).unwrap_or_else(|| {
            table.unknown("format of a body", &text, Format::ALL.map(|(name, _)| name));
            Format::Text
        })
    };
    let body = Body {
        path: table.need_text("path").text,
        request: format("request"),
        body: format("body"),
        error: format("error"),
    };
    table.finish();
    body
}

/// Reads `rules.toml`.
///
/// # Errors
/// Everything that is wrong with the file.
pub fn read_rules(file: &str, text: &str) -> Result<Vec<Rule>, FileErrors> {
    let document = Document::parse(file, text);
    let root = document.root();
    let tables = root.tables("rule");
    let mut rules = Vec::new();
    for table in &tables {
        if !table.has("id") {
            table.problem(
                table.span.clone(),
                "a suite's rule has an `id`, so that scenarios can switch it off",
            );
        }
        if !table.has("role") {
            table.problem(table.span.clone(), "a suite's rule says for which `role` it holds");
        }
        rules.extend(rule(table));
        table.finish();
    }
    root.finish();
    document.errors().map(|()| rules)
}
