//! `cargo xtask test --soak N`: the self-conformance again and again while other programs want the cores too; no case
//! may get another verdict than it had in the first run.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::{Done, cargo, target};

/// How many threads do nothing but compute beside the runs.
const BUSY: usize = 8;

pub(crate) fn run(times: usize, selection: &[String]) -> Done {
    let built = crate::run(cargo().args(["build", "--quiet", "--bin", "plugfest"]))?;
    if built != 0 {
        return Ok(built);
    }
    let program = target().join("debug/plugfest");
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..BUSY {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let result = repeat(&program, times, selection);
        over.store(true, Ordering::Relaxed);
        result
    })
}

fn repeat(program: &Path, times: usize, selection: &[String]) -> Done {
    let mut first: Option<BTreeMap<String, String>> = None;
    let mut different = 0;
    for nth in 1..=times {
        let begun = Instant::now();
        let verdicts = verdicts(program, selection)?;
        let expected = first.get_or_insert_with(|| verdicts.clone());
        let others: Vec<String> = verdicts
            .iter()
            .filter(|(case, verdict)| expected.get(*case) != Some(*verdict) || is_bad(verdict))
            .map(|(case, verdict)| format!("  {verdict} {case}"))
            .collect();
        println!(
            "run {nth} of {times}: {} cases in {:.0} s, {} differ or fail",
            verdicts.len(),
            begun.elapsed().as_secs_f64(),
            others.len()
        );
        others.iter().for_each(|line| println!("{line}"));
        different += others.len();
    }
    Ok(u8::from(different > 0))
}

fn is_bad(verdict: &str) -> bool {
    !matches!(verdict, "pass" | "not-run" | "not-applicable")
}

/// What became of each case of the bundled references, as processes.
fn verdicts(program: &Path, selection: &[String]) -> Result<BTreeMap<String, String>, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let report = folder.path().join("run.jsonl");
    let mut command = Command::new(program);
    command.arg("run").args(selection).args(["--vehicle", "process", "--report"]);
    command.arg(format!("jsonl={}", report.display())).stdout(Stdio::null()).env("TMPDIR", folder.path());
    crate::run(&mut command)?;
    let text = std::fs::read_to_string(&report).map_err(|error| format!("{}: {error}", report.display()))?;
    let mut verdicts = BTreeMap::new();
    for line in text.lines() {
        let line: serde_json::Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
        let word = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
        if word("event") == "case-finished" {
            let case = format!("{} {} {} {}", word("suite"), word("role"), word("profile"), word("case"));
            let why = line["findings"][0]["message"].as_str().unwrap_or_default();
            if is_bad(&word("verdict")) {
                eprintln!("{case}: {} {why}", word("reason"));
            }
            verdicts.insert(case, word("verdict"));
        }
    }
    Ok(verdicts)
}
