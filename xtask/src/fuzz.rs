//! `cargo xtask fuzz`: the fuzz targets, each for a few seconds, where nightly and cargo-fuzz are installed.

use std::process::{Command, Stdio};

use crate::{Done, root};

/// The targets, in xtask/fuzz/targets.
const TARGETS: [&str; 6] = ["cbor", "json_lines", "sse", "apisix", "notation", "scenario"];

/// Runs the targets, or says why they are not run.
pub(crate) fn run(seconds: u32, only: Option<&str>) -> Done {
    if let Some(name) = only.filter(|name| !TARGETS.contains(name)) {
        return Err(format!("there is no fuzz target `{name}` (known: {})", TARGETS.join(", ")));
    }
    for (what, words) in [("a nightly toolchain", &["--version"][..]), ("cargo-fuzz", &["fuzz", "--version"])]
    {
        if !works(words) {
            println!("not-run: {}: {what} is not installed", TARGETS.join(", "));
            return Ok(0);
        }
    }
    let mut worst = 0;
    for target in TARGETS.into_iter().filter(|target| only.is_none_or(|only| only == *target)) {
        let limit = format!("-max_total_time={seconds}");
        let status = crate::run(
            nightly()
                .args(["fuzz", "run", "--fuzz-dir", "xtask/fuzz", "--sanitizer", "none", target, "--"])
                .args([limit.as_str(), "-rss_limit_mb=2048"]),
        )?;
        println!("{target}: {}", if status == 0 { "nothing found" } else { "see xtask/fuzz/artifacts" });
        worst = worst.max(status);
    }
    Ok(worst)
}

fn works(words: &[&str]) -> bool {
    nightly()
        .args(words)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Cargo of the nightly toolchain, free of the toolchain that called us.
fn nightly() -> Command {
    let mut command = Command::new("cargo");
    command.arg("+nightly").current_dir(root()).env_remove("RUSTUP_TOOLCHAIN").env_remove("CARGO");
    command
}
