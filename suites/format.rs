//! Every example of the format's page is read and passes on the reference.

use std::sync::Arc;

use plugfest::corpus::Corpus;
use plugfest::mocks;
use plugfest::play::{Knobs, Play, Script};
use plugfest::scenario::{Scenario, Suite, scenario};
use plugfest::sim::{self, Faults, Setting, SimEnd};
use plugfest::transcript::Memory;

/// A block of the page.
struct Example {
    /// The line on which it begins.
    line: usize,
    /// What stands behind ```` ```toml ````: a suite (arcaflow if nothing does), or the path of a file of a user.
    about: String,
    text: String,
}

/// The TOML blocks of a page.
fn examples(page: &str) -> Vec<Example> {
    let mut found = Vec::new();
    let mut open: Option<Example> = None;
    for (number, line) in page.lines().enumerate() {
        match (&mut open, line.strip_prefix("```toml")) {
            (None, Some(about)) => {
                let about = about.trim().to_owned();
                open = Some(Example { line: number + 2, about, text: String::new() });
            }
            (Some(_), _) if line == "```" => found.extend(open.take()),
            (Some(example), _) => example.text += &format!("{line}\n"),
            (None, None) => {}
        }
    }
    found
}

/// The suite's first profile that the reference speaks.
fn profile<'a>(suite: &'a Suite, reference: &mocks::Reference) -> &'a str {
    let spoken = suite.profiles.iter().find(|name| reference.profiles.contains(&name.as_str()));
    spoken.map_or("", String::as_str)
}

/// Plays every row of a scenario against the reference of its role; nothing may be found.
fn passes(suite: &Suite, scenario: &Scenario, place: &str) {
    let reference = mocks::reference(&suite.name, &scenario.role.text).expect("a reference");
    let subject = mocks::subject(reference, "plugfest", None).into();
    let mode = &suite.modes(&scenario.role.text)[0];
    for row in &scenario.rows {
        let script =
            Script::build(suite, scenario, &subject, row, mode, profile(suite, reference), Knobs::default());
        let script = Arc::new(script.unwrap_or_else(|problems| panic!("{place}: {problems:?}")));
        let mut play = Play::new(script);
        let setting = Setting {
            programs: &mocks::program,
            packages: &mocks::package,
            faults: Faults::default(),
            seed: 1,
        };
        assert_eq!(sim::run(&mut play, &setting, &mut Memory::default()), SimEnd::Finished, "{place}");
        assert_eq!(play.outcome().findings, [], "{place} {}", row.name);
    }
}

#[test]
fn every_example_runs() {
    let examples = examples(include_str!("README.md"));
    assert!(examples.len() >= 15, "{} examples", examples.len());
    for example in examples.iter().filter(|example| !example.about.contains('/')) {
        let name = if example.about.is_empty() { "arcaflow" } else { &example.about };
        let place = format!("README.md:{}", example.line);
        let suite = Corpus::embedded().suite(name).expect("the suite is right");
        let scenario = scenario(name, "example", &place, &example.text)
            .unwrap_or_else(|errors| panic!("{}", errors.render(false)));
        passes(&suite, &scenario, &place);
    }
}

#[test]
fn files_of_users_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let examples = examples(include_str!("README.md"));
    let files: Vec<&Example> = examples.iter().filter(|example| example.about.contains('/')).collect();
    assert!(files.len() >= 2, "{} files", files.len());
    for file in &files {
        let path = folder.path().join(&file.about);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, &file.text).expect("written");
    }
    let mut corpus = Corpus::embedded();
    let told = |errors: Vec<plugfest::scenario::error::FileErrors>| -> String {
        errors.iter().map(|error| error.render(false)).collect()
    };
    corpus.add(folder.path()).unwrap_or_else(|errors| panic!("{}", told(errors)));
    let suite = corpus.suite("arcaflow").unwrap_or_else(|errors| panic!("{}", told(errors)));
    let own: Vec<_> = suite.scenarios.iter().filter(|scenario| scenario.id.starts_with("acme/")).collect();
    assert_eq!(own.len(), files.iter().filter(|file| file.about.contains("/acme/")).count());
    own.into_iter().for_each(|scenario| passes(&suite, scenario, &scenario.id));
}

/// The scenarios that a page names under a heading that begins so: what stands in backquotes and has a stroke.
fn named_under<'a>(page: &'a str, heading: &str) -> Vec<&'a str> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in page.lines() {
        if line.starts_with('#') {
            inside = line.trim_start_matches(['#', ' ']).starts_with(heading);
        }
        let quoted = line.split('`').skip(1).step_by(2).filter(|word| inside && word.contains('/'));
        found.extend(quoted);
    }
    found
}

#[test]
fn scenarios_of_the_tables_of_states_and_faults_exist() {
    let suite = Corpus::embedded().suite("arcaflow").expect("the suite is right");
    let page = include_str!("arcaflow/README.md");
    let named = named_under(page, "States and faults");
    assert!(named.len() > 40, "{} scenarios", named.len());
    for name in named {
        let (id, row) = name.split_once('[').map_or((name, ""), |(id, row)| (id, row.trim_end_matches(']')));
        let scenario = suite.scenarios.iter().find(|scenario| scenario.id == id);
        let scenario = scenario.unwrap_or_else(|| panic!("there is no scenario `{id}`"));
        assert!(
            scenario.rows.iter().any(|known| row.is_empty() || known.name == row),
            "{id} has no row `{row}`"
        );
    }
}
