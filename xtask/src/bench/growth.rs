//! How time grows with the number of cases, and with the length of messages.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use super::{Bench, Budget, Figure};

/// Rounds; the fastest counts.
const ROUNDS: usize = 5;
/// What a case or byte may cost more when there are many: caches are what makes the difference.
const LINEAR: f64 = 1.25;

pub(super) fn measure(bench: &Bench) -> Result<Vec<Figure>, String> {
    let mut figures = by_cases(bench)?;
    figures.extend(by_length(bench, &["--vehicle", "simulator"], "in the simulator")?);
    figures.extend(by_length(bench, &["--vehicle", "process"], "over standard streams")?);
    Ok(figures)
}

/// 100, 1,000 and 10,000 generated scenarios in a folder of the user, read, bound and played in the simulator.
fn by_cases(bench: &Bench) -> Result<Vec<Figure>, String> {
    let nothing = run(bench, &many(&bench.folder, 1)?, &["many/", "--vehicle", "simulator"])?;
    let mut figures = Vec::new();
    let mut bare = None;
    for count in [100, 1_000, 10_000] {
        let folder = many(&bench.folder, count)?;
        let taken = run(bench, &folder, &["many/", "--vehicle", "simulator"])? - nothing;
        std::fs::remove_dir_all(&folder).map_err(|error| error.to_string())?;
        let ours = taken * 1000.0 / (count - 1) as f64;
        let budget = if bare.is_some() { Budget::Times(LINEAR) } else { Budget::Told };
        figures.push(Figure { what: format!("{count} cases"), ours, bare, unit: "ms a case", budget });
        bare = Some(ours);
    }
    Ok(figures)
}

/// Messages of 1 KiB to 16 MiB, sent and echoed, beyond the same case with a short one.
fn by_length(bench: &Bench, vehicle: &[&str], how: &str) -> Result<Vec<Figure>, String> {
    let words: Vec<&str> = ["echo/"].iter().chain(vehicle).copied().collect();
    let nothing = run(bench, &echoes(&bench.folder, 1)?, &words)?;
    let mut figures = Vec::new();
    let mut bare = None;
    for (size, name) in [
        (1 << 10, "1 KiB"),
        (32 << 10, "32 KiB"),
        (1 << 20, "1 MiB"),
        (4 << 20, "4 MiB"),
        (16 << 20, "16 MiB"),
    ] {
        let taken = run(bench, &echoes(&bench.folder, size)?, &words)? - nothing;
        let millis = taken.max(0.0) * 1000.0;
        let what = format!("a message of {name}, {how}");
        if size < 1 << 20 {
            figures.push(Figure { what, ours: millis, bare: None, unit: "ms", budget: Budget::Told });
            continue;
        }
        let ours = millis * (1 << 20) as f64 / size as f64;
        let budget = if bare.is_some() { Budget::Times(LINEAR) } else { Budget::Told };
        figures.push(Figure { what, ours, bare, unit: "ms/MiB", budget });
        bare = Some(ours);
    }
    Ok(figures)
}

/// The fastest run of the arcaflow plugin's reference, in seconds.
fn run(bench: &Bench, suites: &Path, words: &[&str]) -> Result<f64, String> {
    let mut best = f64::MAX;
    for _ in 0..ROUNDS {
        let mut command = Command::new(&bench.program);
        command.args(["run", "arcaflow", "plugin"]).args(words).arg("--suites").arg(suites);
        let begun = Instant::now();
        let output = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
        best = best.min(begun.elapsed().as_secs_f64());
        if !output.status.success() {
            return Err(format!(
                "generated cases fail:\n{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            ));
        }
    }
    Ok(best)
}

/// A folder with so many scenarios, each with a text of its own.
pub(super) fn many(folder: &Path, count: usize) -> Result<PathBuf, String> {
    let folder = folder.join(format!("many-{count}"));
    for n in 0..count {
        write(
            &folder.join(format!("arcaflow/many/n{n:05}.toml")),
            &scenario(&format!("{n}"), &format!("\"text {n}\"")),
        )?;
    }
    Ok(folder)
}

/// A folder with one scenario, whose message has so many bytes.
pub(super) fn echoes(folder: &Path, size: u64) -> Result<PathBuf, String> {
    let folder = folder.join(format!("echo-{size}"));
    write(&folder.join("arcaflow/echo/one.toml"), &scenario("one", &format!("$gen(text, {size})")))?;
    Ok(folder)
}

fn scenario(name: &str, text: &str) -> String {
    format!(
        "summary = \"generated {name}\"\nrole = \"plugin\"\nprofiles = [\"v3\"]\ncovers = \"ARCA3-WORK-01\"\n\
         capabilities = [\"conformance-plugin.echo\"]\n\n[[step]]\nsend = '''{{\"id\": 1, \"run_id\": \"r\", \"data\": \
         {{\"id\": \"echo\", \"config\": {{\"message\": {text}}}}}}}'''\n\n[[step]]\nwithin = \"20s\"\nexpect = '''{{\"id\": 2, \
         \"run_id\": \"r\", \"data\": {{\"output_id\": \"success\", \"output_data\": {{\"message\": {text}}}, ...}}}}'''\n"
    )
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(path, text))
        .map_err(|error| format!("{}: {error}", path.display()))
}
