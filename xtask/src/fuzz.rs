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
    let wanted: Vec<&str> =
        TARGETS.into_iter().filter(|target| only.is_none_or(|only| only == *target)).collect();
    if let Some((what, how)) = missing(&works) {
        println!("not-run: {}: {what} is not installed; to get it: {how}", wanted.join(", "));
        return Ok(0);
    }
    let mut worst = 0;
    for target in wanted {
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

/// What is not installed, and how to get it; `works` tells whether cargo of the nightly toolchain takes these words.
fn missing(works: &dyn Fn(&[&str]) -> bool) -> Option<(&'static str, &'static str)> {
    if !works(&["--version"]) {
        return Some(("a nightly toolchain", "rustup toolchain install nightly"));
    }
    (!works(&["fuzz", "--version"])).then_some(("cargo-fuzz", "cargo install cargo-fuzz"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_how_to_get_it() {
        assert_eq!(missing(&|_| false).map(|(what, _)| what), Some("a nightly toolchain"));
        let cargo_alone = |words: &[&str]| words != ["fuzz", "--version"];
        assert_eq!(missing(&cargo_alone), Some(("cargo-fuzz", "cargo install cargo-fuzz")));
        assert_eq!(missing(&|_| true), None);
    }

    #[test]
    fn every_target_is_run() {
        let manifest = std::fs::read_to_string(root().join("xtask/fuzz/Cargo.toml")).expect("the manifest");
        let named = manifest.split("[[bin]]").skip(1).filter_map(|bin| bin.split('"').nth(1));
        assert_eq!(named.collect::<Vec<_>>(), TARGETS);
    }
}
