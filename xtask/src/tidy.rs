//! `cargo xtask tidy`: what compilers do not check.

use std::process::Command;

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
    let mut bad = i32::from(!coverage_table_is_fresh(write)?);
    for (what, pattern, places) in PATTERNS {
        let found = Command::new("git")
            .current_dir(root())
            .args(["grep", "-nIE", pattern, "--"])
            .args(places)
            .arg(":!xtask/*")
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
            "--",
            "-D",
            "warnings",
        ]))? != 0,
    );
    Ok(u8::from(bad > 0))
}

/// Whether reports/README.md holds the table of coverage as it is now; writes it if asked to.
fn coverage_table_is_fresh(write: bool) -> Result<bool, String> {
    let path = root().join("reports/README.md");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let fresh = crate::matrix::refreshed(&text)?;
    if text == fresh {
        return Ok(true);
    }
    if write {
        std::fs::write(&path, fresh).map_err(|error| format!("{}: {error}", path.display()))?;
        return Ok(true);
    }
    println!("reports/README.md: the table of coverage is stale: cargo xtask tidy --write");
    Ok(false)
}
