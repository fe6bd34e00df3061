//! From the start of `plugfest` to its first case.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use super::{Bench, Budget, Figure};

/// Rounds of each; the fastest counts.
const ROUNDS: usize = 15;

pub(super) fn measure(bench: &Bench) -> Result<Vec<Figure>, String> {
    let fifo = bench.folder.join("fifo");
    let made = crate::run(Command::new("mkfifo").arg(&fifo))?;
    if made != 0 {
        return Err(format!("mkfifo failed with status {made}"));
    }
    let subject = format!(": > {}", fifo.display());
    let shell = ["sh", "-c", subject.as_str(), "sh"];
    let mut figures = Vec::new();
    for (suite, role, id) in
        [("arcaflow", "plugin", "hello/once"), ("dify-session", "plugin", ""), ("apisix", "runner", "")]
    {
        let (mut ours, mut bare) = (f64::MAX, f64::MAX);
        for _ in 0..ROUNDS {
            bare = bare.min(until_opened(&fifo, Command::new(shell[0]).args(&shell[1..]))?);
            let mut run = Command::new(&bench.program);
            run.args(["run", suite, role]).args((!id.is_empty()).then_some(id));
            run.args(["--jobs", "1", "--time-scale", "0.02", "--", shell[0]]).args(&shell[1..]);
            ours = ours.min(until_opened(&fifo, &mut run)?);
        }
        figures.push(Figure {
            what: format!("until a subject of {suite} {role} runs, beside the subject alone"),
            ours: ours * 1000.0,
            bare: Some(bare * 1000.0),
            unit: "ms",
            budget: Budget::Beyond(30.0),
        });
    }
    Ok(figures)
}

/// How long it takes until somebody opens the pipe for writing; then the program is ended.
fn until_opened(fifo: &Path, command: &mut Command) -> Result<f64, String> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let begun = Instant::now();
    let mut child: Child = command.spawn().map_err(|error| error.to_string())?;
    std::fs::File::open(fifo).map_err(|error| error.to_string())?;
    let taken = begun.elapsed().as_secs_f64();
    end(&mut child)?;
    Ok(taken)
}

/// As a user would end it, so that it leaves nothing behind. It may begin another case, which waits at the pipe.
fn end(child: &mut Child) -> Result<(), String> {
    let ended = child.try_wait().map_err(|error| error.to_string())?;
    if ended.is_none() {
        crate::run(Command::new("kill").args(["-INT", &child.id().to_string()]).stderr(Stdio::null()))?;
        child.wait().map_err(|error| error.to_string())?;
    }
    Ok(())
}
