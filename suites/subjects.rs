//! Real implementations, each exactly as its baseline says.
//!
//! A peer that is not set up here is not run, and named; `cargo xtask test` sets up what this machine can.

use std::path::{Path, PathBuf};

use assert_cmd::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The program of a subject that is built by a peer's set-up.
fn program(subject: &Path) -> Option<PathBuf> {
    let text = std::fs::read_to_string(subject).expect("the subject can be read");
    let start = text.find("fixtures/peers/")?;
    let end = text[start..].find('"')?;
    Some(root().join(&text[start..start + end]))
}

#[test]
fn every_subject_is_as_its_baseline_says() {
    let mut bad = Vec::new();
    let folder = root().join("fixtures/subjects");
    let mut subjects: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("subjects").flatten().map(|entry| entry.path()).collect();
    subjects.sort();
    assert!(!subjects.is_empty());
    for subject in subjects.iter().filter(|path| path.extension().is_some_and(|kind| kind == "toml")) {
        if let Some(program) = program(subject).filter(|program| !program.exists()) {
            println!("not-run: {}: {} is not set up", subject.display(), program.display());
            continue;
        }
        let output = Command::cargo_bin("plugfest")
            .expect("the binary is built")
            .current_dir(root())
            .args(["run", "--subject"])
            .arg(subject)
            .output()
            .expect("it runs");
        let told = String::from_utf8_lossy(&output.stdout);
        println!("{told}");
        if output.status.code() != Some(0) {
            bad.push(format!("{}: {:?}\n{told}", subject.display(), output.status));
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}
