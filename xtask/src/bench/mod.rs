//! `cargo xtask bench`: measures what the budgets promise, each beside its bare counterpart in the same run, and
//! writes reports/bench.md. `--check` fails over budget.
//!
//! A topic is a file here with a function that gives [`Figure`]s, and a row in [`TOPICS`].

mod apisix;
mod cases;
mod clone;
#[cfg(feature = "bench")]
mod decode;
mod growth;
mod memory;
mod page;
mod sdk;
mod start;
mod suites;
mod time;

use std::path::{Path, PathBuf};

use crate::{Done, cargo, root};
pub(crate) use apisix::echo;
use page::Page;

/// What can be measured.
const TOPICS: &[Topic] = &[
    Topic {
        name: "cases",
        title: "A case beyond its bytes",
        about: "Cases whose exchange is at most 4 KiB, beside the same bytes through a bare loop: in the simulator from \
                one queue into another, over standard streams written to the same program and read to the end.",
        measure: cases::measure,
    },
    Topic {
        name: "suites",
        title: "Self-conformance as processes",
        about: "Every case of the default profile that moves at most 1 MiB and neither waits (in the simulator, \
                where nothing but waiting takes time, it is over within 20 ms) nor writes in pieces, between which the \
                shell pauses for 2 ms. Each role alone, then all side by side as \
                `plugfest run` plays them.",
        measure: suites::measure,
    },
    Topic {
        name: "sdk",
        title: "Against real SDKs",
        about: "The cases of the topic above that the subject is given, at once as many as `plugfest run` plays, with \
                whatever deadlines its findings take; beside as many sessions of the same program that ask for nothing: \
                null, hello, client done.",
        measure: sdk::measure,
    },
    Topic {
        name: "start",
        title: "To the first case",
        about: "From the start of `plugfest run` until the subject runs, beside the same subject started alone.",
        measure: start::measure,
    },
    Topic {
        name: "apisix",
        title: "Calls of an APISIX runner",
        about: "20,000 calls of `noop`; a round of each in turns, the fastest counts.",
        measure: apisix::measure,
    },
    Topic {
        name: "decode",
        title: "Bytes into values",
        about: "One pass over the same bytes: our codec, and the library that people would use instead.",
        measure: decode::measure,
    },
    Topic {
        name: "memory",
        title: "Memory",
        about: "The most that was resident during `plugfest run`.",
        measure: memory::measure,
    },
    Topic {
        name: "growth",
        title: "Growth",
        about: "What a case, or a MiB of a message, costs when there are more of them; the bare figure is that of the line \
                above. The start of the program is taken off.",
        measure: growth::measure,
    },
    Topic {
        name: "clone",
        title: "From clone to verdict",
        about: "A clone in an empty folder, compiled with an empty target folder, until `cargo xtask conformance` shows its \
                first verdict; below it the crates that took longest, two at a time. Downloads are not part of it.",
        measure: clone::measure,
    },
];

/// A group of figures.
pub(super) struct Topic {
    /// As the command line names it.
    name: &'static str,
    /// Its heading in the report.
    title: &'static str,
    /// What is measured, for whoever reads the report.
    about: &'static str,
    measure: fn(&Bench) -> Result<Vec<Figure>, String>,
}

/// What topics measure with.
pub(super) struct Bench {
    /// The program, as users have it: built for release.
    pub(super) program: PathBuf,
    /// A folder for what they need; empty at the start of each topic.
    pub(super) folder: PathBuf,
}

/// One measured figure.
#[derive(Clone, Debug)]
pub(super) struct Figure {
    /// What was measured.
    pub(super) what: String,
    /// Ours.
    pub(super) ours: f64,
    /// The same without us, measured in the same run.
    pub(super) bare: Option<f64>,
    /// What both are counted in.
    pub(super) unit: &'static str,
    /// How much it may be.
    pub(super) budget: Budget,
}

/// How much a figure may be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Budget {
    /// So many times the bare counterpart.
    Times(f64),
    /// So much more than the bare counterpart.
    Beyond(f64),
    /// So much.
    Most(f64),
    /// It is told, not judged.
    Told,
}

impl Figure {
    /// Whether it is within its budget.
    pub(super) fn holds(&self) -> bool {
        let bare = self.bare.unwrap_or_default();
        match self.budget {
            Budget::Times(most) => self.ours <= most * bare,
            Budget::Beyond(most) => self.ours - bare <= most,
            Budget::Most(most) => self.ours <= most,
            Budget::Told => true,
        }
    }
}

/// What the command line asks for.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only these topics; the report is written only when all are measured.
    topics: Vec<String>,
    /// Fails when a figure is over its budget.
    #[arg(long)]
    check: bool,
}

/// Measures; gives the exit status.
///
/// # Errors
/// What could not be measured.
pub(crate) fn run(args: &Args) -> Done {
    if let Some(name) = args.topics.iter().find(|name| !TOPICS.iter().any(|topic| topic.name == **name)) {
        let known: Vec<&str> = TOPICS.iter().map(|topic| topic.name).collect();
        return Err(format!("there is no topic `{name}` (known: {})", known.join(", ")));
    }
    if cfg!(debug_assertions) || cfg!(not(feature = "bench")) {
        return as_release();
    }
    let status = crate::run(cargo().args(["build", "--release", "--quiet", "--bin", "plugfest"]))?;
    if status != 0 {
        return Ok(status);
    }
    let program = std::env::current_exe().map_err(|error| error.to_string())?.with_file_name("plugfest");
    let mut page = Page::default();
    let is_wanted =
        |topic: &&Topic| args.topics.is_empty() || args.topics.iter().any(|name| name == topic.name);
    for topic in TOPICS.iter().filter(is_wanted) {
        eprintln!("measuring {}", topic.name);
        match measured(topic, &program) {
            Ok(figures) => page.add(topic, figures),
            Err(why) => page.add_failed(topic, &why),
        }
    }
    println!("{}", page.text());
    if args.topics.is_empty() {
        page.write(&root().join("reports/bench.md"))?;
    }
    let over = page.over();
    over.iter().for_each(|what| eprintln!("over budget: {what}"));
    page.failed().iter().for_each(|topic| eprintln!("not measured: {topic}"));
    Ok(u8::from(args.check && !over.is_empty() || !page.failed().is_empty()))
}

/// A figure over its budget is measured again, since other programs may have had the cores; not what takes minutes.
fn measured(topic: &Topic, program: &Path) -> Result<Vec<Figure>, String> {
    let mut figures = once(topic, program)?;
    let again = if topic.name == "clone" { 0 } else { 2 };
    for _ in 0..again {
        if figures.iter().all(Figure::holds) {
            break;
        }
        for (first, again) in figures.iter_mut().zip(once(topic, program)?) {
            if !first.holds() {
                *first = again;
            }
        }
    }
    Ok(figures)
}

fn once(topic: &Topic, program: &Path) -> Result<Vec<Figure>, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    (topic.measure)(&Bench { program: program.to_path_buf(), folder: folder.path().to_path_buf() })
}

/// Measurements are made by an optimised build of ourselves.
fn as_release() -> Done {
    let words = std::env::args().skip(1);
    let build = ["run", "--quiet", "--release", "--package", "xtask", "--features", "bench", "--"];
    crate::run(cargo().args(build).args(words))
}

/// What stands in for the topic of which a build without its libraries knows the name only.
#[cfg(not(feature = "bench"))]
mod decode {
    pub(super) fn measure(_: &super::Bench) -> Result<Vec<super::Figure>, String> {
        Err("built without the libraries that are measured beside us".into())
    }
}
