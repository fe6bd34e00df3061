//! reports/bench.md

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use plugfest::parallel::cores;

use super::{Budget, Figure, Topic};

/// The report.
#[derive(Default)]
pub(super) struct Page {
    text: String,
    over: Vec<String>,
    failed: Vec<String>,
}

impl Page {
    /// Adds a topic.
    pub(super) fn add(&mut self, topic: &Topic, figures: Vec<Figure>) {
        let Topic { title, about, .. } = topic;
        let _ = write!(
            self.text,
            "\n## {title}\n\n{about}\n\n| what | ours | bare | at most |\n|---|---|---|---|\n"
        );
        for figure in &figures {
            let bare = figure.bare.map_or(String::new(), |bare| shown(bare, figure.unit));
            let over = if figure.holds() { "" } else { " **over**" };
            let _ = writeln!(
                self.text,
                "| {} | {} | {bare} | {}{over} |",
                figure.what,
                shown(figure.ours, figure.unit),
                allowed(figure)
            );
        }
        self.over.extend(figures.iter().filter(|figure| !figure.holds()).map(|figure| figure.what.clone()));
    }

    /// Adds a topic that could not be measured; the others keep their figures.
    pub(super) fn add_failed(&mut self, topic: &Topic, why: &str) {
        let _ = write!(self.text, "\n## {}\n\n**Not measured:** {}\n", topic.title, why.trim());
        self.failed.push(format!("{}: {}", topic.name, why.trim()));
    }

    /// The topics that could not be measured, each with the reason.
    pub(super) fn failed(&self) -> &[String] {
        &self.failed
    }

    /// What is over its budget.
    pub(super) fn over(&self) -> &[String] {
        &self.over
    }

    /// The tables.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Writes the report.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn write(&self, path: &Path) -> Result<(), String> {
        let text = format!("{HEAD}\n{}{}", machine(), self.text);
        std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
    }
}

const HEAD: &str = "# Measured\n\nWritten by `cargo xtask bench`, an optimised build. Each figure stands beside its bare \
                    counterpart, measured in the same run, in turns, the fastest round of each; `--check` fails when one \
                    is over its budget.\n";

/// What it was measured on; no names of machines.
fn machine() -> String {
    let processors = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let after = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key));
        line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned())
    };
    let model = after(&processors, "model name").unwrap_or_else(|| std::env::consts::ARCH.into());
    let cores = cores();
    let kib = after(&memory, "MemTotal").and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    let told = |program: &str, argument: &str| {
        let output = Command::new(program).arg(argument).output();
        output.map_or(String::new(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!(
        "Measured on: {model}, {cores} cores, {:.0} GiB memory, Linux {}, {}. Load average at the end: {}; above the number \
         of cores other programs had a part of them, and times of processes are too long.\n",
        kib.unwrap_or_default() / 1048576.0,
        told("uname", "-r"),
        told("rustc", "--version"),
        load.split(' ').next().unwrap_or("unknown"),
    )
}

fn allowed(figure: &Figure) -> String {
    let ratio = || figure.ours / figure.bare.unwrap_or(f64::NAN);
    match figure.budget {
        Budget::Times(most) => format!("{most} times (is {:.2})", ratio()),
        Budget::Beyond(most) => format!("{} more", shown(most, figure.unit)),
        Budget::Most(most) => shown(most, figure.unit),
        Budget::Told => String::new(),
    }
}

/// A value with its unit, three digits.
fn shown(value: f64, unit: &str) -> String {
    let digits = match value.abs() {
        value if value >= 100.0 => 0,
        value if value >= 10.0 => 1,
        value if value >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.digits$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(name: &'static str, title: &'static str) -> Topic {
        Topic { name, title, about: "About it.", measure: |_| Ok(Vec::new()) }
    }

    #[test]
    fn a_topic_that_fails_costs_its_own_figures_only() {
        let mut page = Page::default();
        let figure = |what: &str, ours| Figure {
            what: what.into(),
            ours,
            bare: None,
            unit: "ms",
            budget: Budget::Most(5.0),
        };
        page.add(&topic("first", "The first"), vec![figure("quick", 3.0)]);
        page.add_failed(&topic("second", "The second"), "no such program\n");
        page.add(&topic("third", "The third"), vec![figure("slow", 7.0)]);
        assert_eq!(page.failed(), ["second: no such program"]);
        assert_eq!(page.over(), ["slow"]);
        for part in [
            "| quick | 3.00 ms |",
            "## The second\n\n**Not measured:** no such program\n",
            "| slow | 7.00 ms |",
        ] {
            assert!(page.text().contains(part), "{part}: {}", page.text());
        }
    }
}
