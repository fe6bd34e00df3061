//! The largest memory of `plugfest run`, by the kernel's account.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::growth::{echoes, many};
use super::{Bench, Budget, Figure};

pub(super) fn measure(bench: &Bench) -> Result<Vec<Figure>, String> {
    let mib = |size: u64| size as f64 / 1024.0;
    let echo = |size: u64| -> Result<f64, String> {
        let folder = echoes(&bench.folder, size)?;
        Ok(mib(peak(
            bench,
            &folder,
            &["arcaflow", "plugin", "echo/", "--jobs", "1", "--", &own(bench), "mock", "arcaflow", "plugin"],
        )?))
    };
    let flood = |script: &str| -> Result<f64, String> {
        let one = ["arcaflow", "plugin", "hello/once", "--", "sh", "-c", script, "sh"];
        Ok(mib(peak(bench, Path::new(""), &one)?))
    };
    let repeated = |times: &str| -> Result<f64, String> {
        let folder = many(&bench.folder, 100)?;
        let words = ["arcaflow", "plugin", "many/", "--vehicle", "simulator", "--repeat", times];
        Ok(mib(peak(bench, &folder, &words)?))
    };
    let (once, often) = (repeated("1")?, repeated("50")?);
    let most = |what: &str, ours: f64, most: f64| Figure {
        what: what.into(),
        ours,
        bare: None,
        unit: "MiB",
        budget: Budget::Most(most),
    };
    Ok(vec![
        most("a message of 1 KiB, echoed", echo(1 << 10)?, 64.0),
        most("a message of 1 MiB, echoed", echo(1 << 20)?, 64.0),
        most("a message of 16 MiB, echoed: 8 times the message", echo(16 << 20)?, 128.0),
        most("a flood of 1 GiB on standard output", flood("head -c 1073741824 /dev/zero")?, 256.0),
        most("a flood of 1 GiB on standard error", flood("head -c 1073741824 /dev/zero >&2")?, 256.0),
        Figure {
            what: "5,000 cases beside 100: the same cases 50 times".into(),
            ours: often,
            bare: Some(once),
            unit: "MiB",
            budget: Budget::Times(1.25),
        },
    ])
}

fn own(bench: &Bench) -> String {
    bench.program.display().to_string()
}

/// Runs to the end; gives the most memory that was resident, in KiB.
fn peak(bench: &Bench, suites: &Path, words: &[&str]) -> Result<u64, String> {
    let mut command = Command::new(&bench.program);
    let (before, after) = words.split_at(words.iter().position(|word| *word == "--").unwrap_or(words.len()));
    command.arg("run").args(before);
    if !suites.as_os_str().is_empty() {
        command.arg("--suites").arg(suites);
    }
    command.args(after).stdin(Stdio::null()).stdout(Stdio::null());
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    while child.try_wait().map_err(|error| error.to_string())?.is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let now = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        most = most.max(now.unwrap_or_default());
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(most)
}
