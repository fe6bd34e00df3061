//! Real implementations, each exactly as its baseline says: one test a file of fixtures/subjects.
//!
//! A peer that is not set up here is not run, and named; `cargo xtask test` sets up what this machine can.

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(1));
    let folder = std::fs::read_dir(root().join("fixtures/subjects")).expect("subjects");
    let mut subjects: Vec<PathBuf> = folder
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "toml"))
        .collect();
    subjects.sort();
    assert!(!subjects.is_empty(), "no subject in fixtures/subjects");
    libtest_mimic::run(&arguments, subjects.into_iter().map(trial).collect()).exit();
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn trial(subject: PathBuf) -> Trial {
    let name = subject.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let missing = program(&subject).filter(|program| !program.exists());
    if let Some(program) = &missing {
        println!("not-run: every case of {name}: {} is not set up", program.display());
    }
    let kind = if missing.is_some() { "not-run" } else { "" };
    Trial::test(name, move || as_its_baseline_says(&subject))
        .with_kind(kind)
        .with_ignored_flag(missing.is_some())
}

/// The program of a subject that is built by a peer's set-up.
fn program(subject: &Path) -> Option<PathBuf> {
    let text = std::fs::read_to_string(subject).expect("the subject can be read");
    let start = text.find("\"fixtures/peers/")? + 1;
    let end = text[start..].find('"')?;
    Some(root().join(&text[start..start + end]))
}

fn as_its_baseline_says(subject: &Path) -> Result<(), Failed> {
    let output = Command::cargo_bin("plugfest")?
        .current_dir(root())
        .args(["run", "--subject"])
        .arg(subject)
        .output()?;
    let told = String::from_utf8_lossy(&output.stdout);
    if output.status.code() == Some(0) {
        return Ok(());
    }
    Err(format!("{:?}\n{told}\n{}", output.status, String::from_utf8_lossy(&output.stderr)).into())
}
