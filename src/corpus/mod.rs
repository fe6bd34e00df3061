//! The files of the suites: embedded in the binary, and folders of users beside them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

pub use self::faults::unbound;
use self::faults::{add, misplaced, misspelt, without_echoes};
use self::frame::{idle_rules, odd_requirements, odd_rules, without_steps};
use crate::parallel::side_by_side;
use crate::requirement::Registry;
use crate::scenario::error::{FileErrors, Problem};
use crate::scenario::table::Document;
use crate::scenario::{Scenario, Suite, read_rules, salvage, scenario};

mod faults;
mod frame;

/// Every file of the shipped suites: path below `suites/` and text.
const EMBEDDED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/suites.rs"));

/// What known implementations break: the name of each baseline and its text.
pub const BASELINES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/baselines.rs"));

/// The files that are not scenarios.
const OTHER: [&str; 4] = ["suite.toml", "requirements.toml", "rules.toml", "open.toml"];

/// Files of suites by their path: `arcaflow/messages/unknown-id.toml`.
#[derive(Clone, Debug)]
pub struct Corpus {
    /// A scenario is one file; the files of a suite itself may have additions of the user.
    files: BTreeMap<String, Vec<File>>,
}

#[derive(Clone, Debug)]
struct File {
    /// As messages name it.
    name: String,
    text: Cow<'static, str>,
}

impl Corpus {
    /// The shipped suites.
    pub fn embedded() -> Self {
        let file = |(path, text): &(&str, &'static str)| {
            ((*path).to_owned(), vec![File { name: format!("suites/{path}"), text: Cow::Borrowed(*text) }])
        };
        Self { files: EMBEDDED.iter().map(file).collect() }
    }

    /// Adds the files of a folder; its first level are the names of suites.
    ///
    /// # Errors
    /// A folder that cannot be read, holds no scenario, has one outside of a suite, or repeats a path of the corpus.
    pub fn add(&mut self, folder: &Path) -> Result<(), Vec<FileErrors>> {
        let shown = folder.display().to_string();
        let mut found = Vec::new();
        collect(folder, folder, &mut found).map_err(|error| vec![FileErrors::unreadable(&shown, error)])?;
        let stray = misplaced(&found, &self.suites());
        if !stray.is_empty() {
            return Err(stray);
        }
        let suites = self.suites_with(&found);
        found.retain(|(path, ..)| path.split_once('/').is_some_and(|(suite, _)| suites.contains(suite)));
        if found.is_empty() {
            let message = "holds no scenario: put them at SUITE/SECTION/NAME.toml below it";
            return Err(vec![FileErrors::unreadable(&shown, message)]);
        }
        let mut errors = Vec::new();
        for (path, name, text) in found {
            let there = self.files.entry(path.clone()).or_default();
            if there.iter().any(|file| file.text == text) {
                continue;
            }
            match there.first() {
                Some(_) if path.ends_with("/suite.toml") => {
                    errors.push(FileErrors::unreadable(&name, "a shipped suite keeps its suite.toml"));
                }
                Some(first) if !OTHER.iter().any(|other| path.ends_with(other)) => {
                    let message = format!("has the id of {}, and says something else: rename it", first.name);
                    errors.push(FileErrors::unreadable(&name, message));
                }
                _ => there.push(File { name, text: Cow::Owned(text) }),
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// The names of the suites, with those that files of a user bring.
    fn suites_with(&self, found: &[(String, String, String)]) -> BTreeSet<String> {
        let brought = found.iter().filter_map(|(path, ..)| path.strip_suffix("/suite.toml"));
        self.suites().into_iter().chain(brought.map(str::to_owned)).collect()
    }

    /// The names of the suites.
    pub fn suites(&self) -> Vec<String> {
        let with_suite = |path: &String| path.strip_suffix("/suite.toml").map(str::to_owned);
        self.files.keys().filter_map(with_suite).collect()
    }

    /// Every file: path and text.
    pub fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files
            .iter()
            .flat_map(|(path, files)| files.iter().map(|file| (path.as_str(), file.text.as_ref())))
    }

    /// Reads a suite with all its scenarios.
    ///
    /// # Errors
    /// Everything that is wrong with its files, all files at once.
    pub fn suite(&self, name: &str) -> Result<Suite, Vec<FileErrors>> {
        let (mut suite, mut errors) = match self.frame(name) {
            Ok(suite) => (suite, Vec::new()),
            Err(errors) => (Suite::default(), errors),
        };
        let has_frame = errors.is_empty();
        if has_frame {
            errors = self.odd_frame(name, &suite);
        }
        let has_sound_frame = errors.is_empty();
        let mut lossy = BTreeSet::new();
        for read in
            side_by_side(&self.scenarios(name), |(id, file)| salvage(name, id, &file.name, &file.text))
        {
            match read {
                Ok(scenario) => suite.scenarios.push(Arc::new(scenario)),
                Err(wreck) => {
                    lossy.extend(wreck.lost.then(|| wreck.errors.file.clone()));
                    suite.scenarios.extend(wreck.rest.map(Arc::new));
                    errors.push(wreck.errors);
                }
            }
        }
        if has_frame {
            add(&mut errors, misspelt(&suite));
        }
        if errors.is_empty() {
            errors = self.idle_rules(name, &suite);
        }
        if errors.is_empty() {
            return Ok(suite);
        }
        if has_sound_frame {
            let unbound = unbound(&suite).into_iter().map(|error| without_echoes(error, &lossy));
            add(&mut errors, unbound.collect());
        }
        Err(errors)
    }

    /// What means nothing in suite.toml or, if that is right, in rules.toml, whatever the scenarios are.
    fn odd_frame(&self, name: &str, suite: &Suite) -> Vec<FileErrors> {
        let mut bare = suite.clone();
        bare.rules.clear();
        let errors = self.errors_of(name, "suite.toml", &suite.text, without_steps(&bare));
        match errors.is_empty() {
            true => self.errors_of(name, "rules.toml", &suite.rules_text, without_steps(suite)),
            false => errors,
        }
    }

    /// Rules on lanes that no case has.
    fn idle_rules(&self, name: &str, suite: &Suite) -> Vec<FileErrors> {
        self.errors_of(name, "rules.toml", &suite.rules_text, idle_rules(suite))
    }

    /// Problems of a file beside the scenarios; of several the last gives its name, and the text is that of all.
    fn errors_of(&self, suite: &str, other: &str, text: &str, problems: Vec<Problem>) -> Vec<FileErrors> {
        let files = self.files.get(&format!("{suite}/{other}"));
        let file = files.and_then(|files| files.last()).map_or("", |file| &file.name).to_owned();
        let errors = FileErrors { file, text: text.into(), problems };
        if errors.problems.is_empty() { Vec::new() } else { vec![errors] }
    }

    /// Reads a suite for runs of these roles. The scenarios of others are left unread if we ship all of it: that they
    /// are right is what our tests are for, and reading is most of the time until the first case.
    ///
    /// # Errors
    /// Everything that is wrong with what is read.
    pub fn suite_for(&self, name: &str, roles: &BTreeSet<&str>) -> Result<Suite, Vec<FileErrors>> {
        let Some(unread) = self.of_others(name, roles) else { return self.suite(name) };
        let mut suite = self.frame(name)?;
        let mut wanted = self.scenarios(name);
        wanted.retain(|(id, _)| !unread.iter().any(|(other, _)| other == id));
        let read = side_by_side(&wanted, |(id, file)| scenario(name, id, &file.name, &file.text));
        let read: Result<Vec<Scenario>, FileErrors> = read.into_iter().collect();
        suite.scenarios = read.map_err(|error| vec![error])?.into_iter().map(Arc::new).collect();
        suite.unread = unread;
        Ok(suite)
    }

    /// The scenarios of a suite that are of none of these roles; nothing if one of its files is not ours.
    fn of_others(&self, name: &str, roles: &BTreeSet<&str>) -> Option<Vec<(String, &'static str)>> {
        let mut files =
            self.files.iter().filter(|(path, _)| path.split_once('/').is_some_and(|(of, _)| of == name));
        if !files.all(|(_, files)| files.iter().all(|file| matches!(file.text, Cow::Borrowed(_)))) {
            return None;
        }
        let of_others = |(id, file): (&str, &File)| match file.text {
            Cow::Borrowed(text) if role_of(text).is_some_and(|role| !roles.contains(role)) => {
                Some((id.to_owned(), text))
            }
            _ => None,
        };
        Some(self.scenarios(name).into_iter().filter_map(of_others).collect())
    }

    /// The files of a suite's scenarios with their ids.
    fn scenarios(&self, name: &str) -> Vec<(&str, &File)> {
        let in_suite = |path| str::strip_prefix(path, name)?.strip_prefix('/');
        let paths = self.files.iter().filter_map(|(path, files)| Some((in_suite(path)?, files)));
        let scenarios = paths.filter(|(path, _)| !OTHER.contains(path));
        let ids = scenarios.filter_map(|(path, files)| Some((path.strip_suffix(".toml")?, files)));
        ids.flat_map(|(id, files)| files.iter().map(move |file| (id, file))).collect()
    }

    /// Reads what a suite says beside its scenarios.
    ///
    /// # Errors
    /// Everything that is wrong with these files.
    pub fn frame(&self, name: &str) -> Result<Suite, Vec<FileErrors>> {
        let mut errors = Vec::new();
        let mut keep = |error: FileErrors| errors.push(error);
        let files = |other: &str| self.files.get(&format!("{name}/{other}")).map_or(&[][..], Vec::as_slice);
        let Some(main) = files("suite.toml").first() else {
            return Err(vec![FileErrors::unreadable(
                &format!("{name}/suite.toml"),
                "there is no such suite",
            )]);
        };
        let mut suite = Suite::parse(name, &main.name, &main.text).map_err(|error| vec![error])?;
        for file in files("requirements.toml") {
            let registry = Registry::parse(&file.name, &file.text).map_err(&mut keep).unwrap_or_default();
            if let Err(id) = Arc::make_mut(&mut suite.registry).merge(registry) {
                keep(id_clash(file, &id));
            }
            odd_requirements(&suite, &file.name, &file.text).map_err(&mut keep).unwrap_or_default();
        }
        for file in files("rules.toml") {
            suite.rules_text = Arc::from(format!("{}{}", suite.rules_text, file.text));
            let rules = read_rules(&file.name, &file.text).map_err(&mut keep).unwrap_or_default();
            odd_rules(&suite, &rules, &file.name, &file.text).map_err(&mut keep).unwrap_or_default();
            suite.rules.extend(rules);
        }
        if let [_, .., last] = files("rules.toml") {
            suite.rules = read_rules(&last.name, &suite.rules_text).map_err(&mut keep).unwrap_or_default();
        }
        for file in files("open.toml") {
            suite.open.extend(open(&file.name, &file.text).map_err(&mut keep).unwrap_or_default());
        }
        if errors.is_empty() { Ok(suite) } else { Err(errors) }
    }
}

/// The role that a scenario of ours is for, without reading all of it.
fn role_of(text: &str) -> Option<&str> {
    let value = text.lines().find_map(|line| line.strip_prefix("role")?.trim_start().strip_prefix('='))?;
    value.trim().strip_prefix('"')?.strip_suffix('"')
}

/// A requirement that an earlier file has.
fn id_clash(file: &File, id: &str) -> FileErrors {
    let at = file.text.find(&format!("[{id}]")).unwrap_or_default();
    let mut problem = Problem::new(at..at + id.len() + 2, format!("the suite has a requirement `{id}`"));
    problem.help = Some("begin the ids of your own requirements with a prefix of your own".into());
    FileErrors { file: file.name.clone(), text: file.text.to_string(), problems: vec![problem] }
}

/// Reads open.toml: requirements without a scenario yet, and their committed count.
fn open(file: &str, text: &str) -> Result<BTreeMap<String, String>, FileErrors> {
    let document = Document::parse(file, text);
    let root = document.root();
    let ids = root.texts("ids");
    if root.count("count") != Some(ids.len() as u64) {
        root.problem(root.key_span("count"), format!("`count` must be {}, the number of ids", ids.len()));
    }
    root.finish();
    document.errors().map(|()| ids.into_iter().map(|id| (id.text, String::new())).collect())
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<(String, String, String)>) -> Result<(), String> {
    let cannot = |error: std::io::Error| format!("cannot be read: {error}");
    let mut entries: Vec<_> =
        fs::read_dir(folder).map_err(cannot)?.collect::<Result<_, _>>().map_err(cannot)?;
    entries.sort_by_key(|entry| entry.path());
    for entry in entries {
        let path = entry.path();
        if path.is_dir() {
            collect(root, &path, found)?;
        } else if path.extension().is_some_and(|kind| kind == "toml") {
            let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            let below = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            found.push((below, path.display().to_string(), text));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suite_for_a_role_is_the_suite_without_the_scenarios_of_others() {
        let corpus = Corpus::embedded();
        for name in corpus.suites() {
            let whole = corpus.suite(&name).expect("a suite that we ship is right");
            for role in whole.role_names() {
                let suite = corpus.suite_for(&name, &BTreeSet::from([role])).expect("the same files");
                let ids = |suite: &Suite| -> Vec<String> {
                    let of_role = suite.scenarios.iter().filter(|scenario| scenario.role.text == role);
                    of_role.map(|scenario| scenario.id.clone()).collect()
                };
                assert_eq!(ids(&suite), ids(&whole), "{name} {role}");
                assert_eq!(ids(&suite).len(), suite.scenarios.len(), "{name} {role}: others were read too");
                assert_eq!(suite.hash(), whole.hash(), "{name} {role}");
            }
        }
    }

    #[test]
    fn a_suite_with_files_of_a_user_is_read_whole() {
        let mut corpus = Corpus::embedded();
        let file = File { name: "mine.toml".into(), text: Cow::Owned("summary = 1".into()) };
        corpus.files.insert("arcaflow/acme/mine.toml".into(), vec![file]);
        let errors = corpus.suite_for("arcaflow", &BTreeSet::from(["plugin"])).expect_err("it is wrong");
        assert_eq!(errors[0].file, "mine.toml");
    }
}
