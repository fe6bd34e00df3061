//! From a clone to its first verdict, compile time included.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;

use super::{Bench, Budget, Figure};
use crate::{cargo, root};

/// What it may take on two cores.
const MOST_SECONDS: f64 = 240.0;
/// How many dependencies are named.
const NAMED: usize = 10;

pub(super) fn measure(bench: &Bench) -> Result<Vec<Figure>, String> {
    let (clone, target) = (bench.folder.join("clone"), bench.folder.join("target"));
    let mut git = Command::new("git");
    git.args(["clone", "--quiet"]).arg(root()).arg(&clone);
    let begun = Instant::now();
    succeeds(&mut git)?;
    // What `cargo xtask` compiles first; said apart because only so cargo tells what each crate took.
    succeeds(in_clone(&clone, &target).args(["build", "--quiet", "--package", "xtask", "--timings"]))?;
    first_line(in_clone(&clone, &target).args(["xtask", "conformance"]))?;
    let whole = figure("from clone to the first verdict", begun.elapsed().as_secs_f64());
    let mut figures = vec![Figure { budget: Budget::Most(MOST_SECONDS), ..whole }];
    figures.extend(dearest(&target.join("cargo-timings/cargo-timing.html"))?);
    Ok(figures)
}

fn figure(what: &str, seconds: f64) -> Figure {
    Figure { what: what.into(), ours: seconds, bare: None, unit: "s", budget: Budget::Told }
}

fn in_clone(clone: &Path, target: &Path) -> Command {
    let mut cargo = cargo();
    cargo.current_dir(clone).env("CARGO_TARGET_DIR", target);
    cargo
}

fn succeeds(command: &mut Command) -> Result<(), String> {
    let status = crate::run(command)?;
    if status == 0 { Ok(()) } else { Err(format!("{command:?} ended with status {status}")) }
}

/// Waits for the first line that a command prints, interrupts it with all that it started, and lets it end in peace.
fn first_line(command: &mut Command) -> Result<(), String> {
    let spawned = command.stdout(Stdio::piped()).process_group(0).spawn();
    let mut child = spawned.map_err(|error| error.to_string())?;
    let lines = child.stdout.take().map(|stdout| BufReader::new(stdout).lines());
    let mut lines = lines.into_iter().flatten().map_while(Result::ok);
    let first = lines.next();
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let _ = group.map(|group| kill_process_group(group, Signal::INT));
    lines.for_each(drop);
    child.wait().map_err(|error| error.to_string())?;
    first.map(drop).ok_or_else(|| "`cargo xtask conformance` printed nothing".into())
}

/// The crates that took longest to compile, of the page that `cargo build --timings` writes.
fn dearest(page: &Path) -> Result<Vec<Figure>, String> {
    let text = std::fs::read_to_string(page).map_err(|error| format!("{}: {error}", page.display()))?;
    let data = text.split_once("const UNIT_DATA = ").map(|(_, rest)| rest).unwrap_or_default();
    let units = serde_json::Deserializer::from_str(data).into_iter::<Value>().next();
    let Some(Ok(Value::Array(units))) = units else {
        return Err(format!("{}: no times of crates in it", page.display()));
    };
    let mut crates: BTreeMap<&str, f64> = BTreeMap::new();
    for unit in &units {
        let seconds = unit["duration"].as_f64().unwrap_or_default();
        *crates.entry(unit["name"].as_str().unwrap_or_default()).or_default() += seconds;
    }
    let mut crates: Vec<(&str, f64)> = crates.into_iter().collect();
    crates.sort_by(|a, b| b.1.total_cmp(&a.1));
    Ok(crates.iter().take(NAMED).map(|(name, seconds)| figure(&format!("of it {name}"), *seconds)).collect())
}
