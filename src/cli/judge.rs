//! `plugfest judge TRANSCRIPT`

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Wrong, say};
use crate::exit;
use crate::requirement::Level;
use crate::transcript;

/// What to judge.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// A stored run.
    transcript: PathBuf,
}

/// Judges a stored run again.
///
/// # Errors
/// A file that is none.
pub(super) fn judge(args: &Args) -> Result<i32, Wrong> {
    let path = args.transcript.display();
    let file = File::open(&args.transcript).map_err(|error| format!("{path}: {error}"))?;
    let (header, lines) = transcript::read(BufReader::new(file)).map_err(|why| format!("{path}: {why}"))?;
    let script = header.script().map_err(|why| format!("{path}: {why}"))?;
    let judgement = transcript::judge(Arc::new(script), &lines);
    for entry in judgement.play.chart().entries() {
        say(format_args!("{:9.1} ms {} {} {}", entry.at as f64 / 1e6, entry.lane, entry.way, entry.text))?;
    }
    if let Some((number, stored, now)) = &judgement.diverged {
        say(format_args!("diverged at doing {number}\n  stored: {stored}\n  now:    {now}"))?;
        return Ok(exit::DEFECT);
    }
    let mut code = if judgement.complete { exit::GOOD } else { exit::INCONCLUSIVE };
    if !judgement.complete {
        say("the stored run ends before its case does")?;
    }
    for finding in &judgement.outcome.findings {
        let level = header.levels.get(&finding.requirement).copied().unwrap_or(Level::Must);
        say(format_args!(
            "{level} {} {} at {}: {}",
            finding.requirement,
            finding.outcome.name(),
            finding.step,
            finding.message
        ))?;
        if level == Level::Must {
            code = exit::stronger(code, exit::BROKEN);
        }
    }
    say(format_args!("{}: {} findings", header.case, judgement.outcome.findings.len()))?;
    Ok(code)
}
