//! `cargo xtask tidy`: what compilers do not check.

use std::process::Command;

use plugfest::baseline::Baseline;
use plugfest::corpus::Corpus;

use crate::{Done, cargo, root};

/// What must not stand in the repository: what it is, an extended regular expression, and where to look.
const PATTERNS: [(&str, &str, &[&str]); 3] = [
    ("tests that do not run, or code that is not written", r"#\[ignore|todo!\(|unimplemented!\(", &["*.rs"]),
    (
        "I/O or a clock where only logic lives",
        "tokio::|std::net|std::fs|Instant::now|SystemTime::now",
        &[
            "src/actor/*.rs",
            "src/play/*.rs",
            "src/codec/*.rs",
            "src/protocol/*.rs",
            "src/datum/*.rs",
            "mocks/*.rs",
        ],
    ),
    ("allowed lints without a reason", r"#!?\[allow\([^)]*\)\]", &["*.rs"]),
];

pub fn run(write: bool) -> Done {
    let mut bad = unreasoned()? + stale(write)?;
    for (what, pattern, places) in PATTERNS {
        let found = Command::new("git")
            .current_dir(root())
            .args(["grep", "-nIE", pattern, "--"])
            .args(places)
            .args([":!xtask/*", ":!*/captures.rs"])
            .output();
        let found = found.map_err(|error| format!("git: {error}"))?;
        if !found.stdout.is_empty() {
            bad += 1;
            println!("{what}:\n{}", String::from_utf8_lossy(&found.stdout));
        }
    }
    bad += i32::from(crate::run(cargo().args(["fmt", "--all", "--check"]))? != 0);
    bad += i32::from(
        crate::run(cargo().args([
            "clippy",
            "--quiet",
            "--workspace",
            "--all-targets",
            "--features",
            "xtask/bench",
            "--",
            "-D",
            "warnings",
        ]))? != 0,
    );
    Ok(u8::from(bad > 0))
}

/// A file that is made from others: its path, and its text as it should be, given the text that it has.
type Generated = (&'static str, fn(&str) -> Result<String, String>);

/// What is generated and committed.
const GENERATED: &[Generated] = &[
    ("reports/README.md", crate::matrix::refreshed),
    ("reports/mutants.md", |_| crate::mutants::page()),
    ("reports/schemas/scenario.json", |_| Ok(format!("{:#}\n", plugfest::scenario::schema::schema()))),
];

/// How many generated files are not as they should be; writes them if asked to.
fn stale(write: bool) -> Result<i32, String> {
    let mut bad = 0;
    for (name, fresh) in GENERATED {
        let path = root().join(name);
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let fresh = fresh(&text)?;
        if text == fresh {
            continue;
        }
        if write {
            std::fs::write(&path, fresh).map_err(|error| format!("{}: {error}", path.display()))?;
            println!("{name}: written");
            continue;
        }
        bad += 1;
        println!("{name} is stale: cargo xtask tidy --write");
    }
    Ok(bad)
}

/// How many files of accepted findings and of rules are wrong: an entry without its reason, source or capture, a rule
/// that is untestable without a why.
fn unreasoned() -> Result<i32, String> {
    let mut errors = Vec::new();
    let folder = root().join("reports/baselines");
    let entries = std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for entry in entries.flatten() {
        errors.extend(Baseline::read(&entry.path()).err());
    }
    let corpus = Corpus::embedded();
    for name in corpus.suites() {
        errors.extend(corpus.frame(&name).err().into_iter().flatten());
    }
    errors.iter().for_each(|error| println!("{}", error.render(false)));
    Ok(i32::try_from(errors.len()).unwrap_or(i32::MAX))
}
