//! What is tested: a command, an address, and what is known of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::scenario::Duration;
use crate::scenario::error::FileErrors;
use crate::scenario::table::{Document, Table};

/// A subject: subject.toml, or what the command line says.
#[derive(Clone, Debug, Default)]
pub struct Subject {
    /// Its name in reports.
    pub name: String,
    /// The suite that judges it.
    pub suite: String,
    /// The side of the protocol that it plays.
    pub role: String,
    /// The profile that sets the exit code; the suite's default if `None`.
    pub profile: Option<String>,
    /// The command that starts it, with place holders; empty if something else does.
    pub command: Vec<String>,
    /// The command of its driver.
    pub driver: Option<Vec<String>>,
    /// Operations that are commands of their own.
    pub ops: BTreeMap<String, Vec<String>>,
    /// What it declares.
    pub capabilities: BTreeSet<String>,
    /// The file of accepted findings.
    pub baseline: Option<String>,
    /// The modes that it has; all of the role's if empty.
    pub modes: Vec<String>,
    /// Its values of `[timing]`.
    pub timing: BTreeMap<String, Duration>,
    /// Additions to its environment.
    pub env: BTreeMap<String, String>,
    /// The folder of its file; relative commands are looked up from there upwards.
    pub folder: Option<String>,
}

impl Subject {
    /// A subject that a command line names.
    pub fn of_command(suite: &str, role: &str, command: Vec<String>) -> Self {
        let name = command.join(" ");
        Self { name, suite: suite.into(), role: role.into(), command, ..Self::default() }
    }

    /// Reads a subject.toml.
    ///
    /// # Errors
    /// Everything that is wrong with the file.
    pub fn read(path: &Path) -> Result<Self, FileErrors> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| FileErrors::unreadable(&file, format!("cannot be read: {error}")))?;
        let mut subject = Self::parse(&file, &text)?;
        subject.name = path.file_stem().map_or(file, |stem| stem.to_string_lossy().into_owned());
        subject.folder = path.parent().map(|folder| folder.display().to_string());
        Ok(subject)
    }

    fn parse(file: &str, text: &str) -> Result<Self, FileErrors> {
        let document = Document::parse(file, text);
        let root = document.root();
        let words = |key| root.texts(key).into_iter().map(|text| text.text).collect::<Vec<_>>();
        let subject = Self {
            name: String::new(),
            suite: root.need_text("suite").text,
            role: root.need_text("role").text,
            profile: root.text("profile").map(|text| text.text),
            command: words("command"),
            driver: root.has("driver").then(|| words("driver")),
            ops: root.named_tables("op").iter().map(|(name, table)| (name.text.clone(), op(table))).collect(),
            capabilities: words("capabilities").into_iter().collect(),
            baseline: root.text("baseline").map(|text| text.text),
            modes: words("modes"),
            timing: root.table("timing").map(|table| crate::scenario::timing(&table)).unwrap_or_default(),
            env: root.table("env").map(|table| texts(&table)).unwrap_or_default(),
            folder: None,
        };
        if subject.command.is_empty() && subject.driver.is_none() && subject.ops.is_empty() {
            root.problem(
                root.span.clone(),
                "a subject has a `command`, a `driver` or an [op.NAME] with a `command`",
            );
        }
        root.finish();
        document.errors().map(|()| subject)
    }

    /// The same subject with every relative path of its commands found: from here, or from its file upwards.
    pub fn located(self) -> Self {
        let find = |part: &String| self.locate(part);
        let command = self.command.iter().map(find).collect();
        let driver = self.driver.as_ref().map(|driver| driver.iter().map(find).collect());
        let ops = self
            .ops
            .iter()
            .map(|(name, command)| (name.clone(), command.iter().map(find).collect()))
            .collect();
        Self { command, driver, ops, ..self }
    }

    /// A relative path, as it is found from here or from the folder of the subject's file upwards.
    pub fn locate(&self, part: &str) -> String {
        let relative = part.contains('/') && !part.starts_with('/') && !Path::new(part).exists();
        let folder = self.folder.as_deref().map(Path::new);
        let folder = folder.map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
        let absolute = folder.and_then(|folder| folder.canonicalize().ok());
        let found = absolute.iter().flat_map(|folder| folder.ancestors()).map(|folder| folder.join(part));
        let found = found.filter(|_| relative).find(|path| path.exists());
        found.map_or_else(|| part.to_owned(), |path| path.display().to_string())
    }

    /// Whether it declares a capability, by itself or by the group that it belongs to.
    pub fn has(&self, capability: &str) -> bool {
        let group = capability.split_once('.').map(|(group, _)| group);
        self.capabilities.contains(capability)
            || group.is_some_and(|group| {
                self.capabilities.contains(group) && !self.capabilities.contains(&format!("-{capability}"))
            })
    }

    /// Whether a place holder occurs in one of its commands.
    pub fn takes(&self, holder: &str) -> bool {
        let holder = format!("{{{holder}}}");
        let commands = std::iter::once(&self.command).chain(&self.driver).chain(self.ops.values());
        commands.flatten().any(|part| part.contains(&holder))
    }
}

fn op(table: &Table<'_>) -> Vec<String> {
    let command = table.texts("command").into_iter().map(|text| text.text).collect();
    table.finish();
    command
}

fn texts(table: &Table<'_>) -> BTreeMap<String, String> {
    table.every_text().into_iter().map(|(key, value)| (key.text, value.text)).collect()
}
