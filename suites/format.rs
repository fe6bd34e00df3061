//! Every example of the format's page is read and passes on the reference.

use std::sync::Arc;

use plugfest::corpus::Corpus;
use plugfest::mocks;
use plugfest::play::{Knobs, Play, Script};
use plugfest::scenario::scenario;
use plugfest::sim::{self, Faults, Setting, SimEnd};
use plugfest::transcript::Memory;

/// The TOML blocks of a page, each with the line on which it begins.
fn examples(page: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in page.lines().enumerate() {
        match (&mut open, line) {
            (None, "```toml") => open = Some((number + 2, String::new())),
            (Some(_), "```") => found.extend(open.take()),
            (Some((_, text)), line) => *text += &format!("{line}\n"),
            (None, _) => {}
        }
    }
    found
}

#[test]
fn every_example_runs() {
    let page = include_str!("README.md");
    let suite = Corpus::embedded().suite("arcaflow").expect("the suite is right");
    let reference = mocks::reference("arcaflow", "plugin").expect("a reference");
    let subject = mocks::subject(reference, "plugfest", None);
    let examples = examples(page);
    assert!(examples.len() >= 5, "{} examples", examples.len());
    for (line, text) in examples {
        let place = format!("README.md:{line}");
        let scenario = scenario("arcaflow", "example", &place, &text)
            .unwrap_or_else(|errors| panic!("{}", errors.render(false)));
        for row in &scenario.rows {
            let script = Script::build(&suite, &scenario, &subject, row, "", "v3", Knobs::default());
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
}
