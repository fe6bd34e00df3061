//! The command line of plugfest.

mod check;
mod completions;
mod driver;
mod eject;
mod explain;
mod init;
mod judge;
mod list;
mod mock;
mod package;
mod relay;
mod run;

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::corpus::Corpus;
use crate::exit;
use crate::scenario::error::FileErrors;

/// Conformance suite and test harness for plugin protocols.
#[derive(Parser, Debug)]
#[command(name = "plugfest", version, about, after_help = EXITS)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXITS: &str = "Exit status: 0 all good, or exactly the baseline; 1 the subject breaks a MUST, or the baseline is \
                     stale; 2 a file or the command line is wrong; 3 we could not do our part; 70 a defect of plugfest.";

#[derive(Subcommand, Debug)]
enum Command {
    /// Runs the cases of a suite against a subject, or against the bundled references.
    Run(Box<run::Args>),
    /// Lists scenarios, requirements and mutants.
    List(list::Args),
    /// Explains a requirement: its rule, source, scenarios and mutants.
    Explain(explain::Args),
    /// Checks scenario files.
    Check(check::Args),
    /// Writes the shipped suites into a folder, to read and to copy from.
    Eject(eject::Args),
    /// Writes a subject.toml.
    Init(init::Args),
    /// Judges a stored run again.
    Judge(judge::Args),
    /// Runs a reference implementation.
    Mock(mock::Args),
    /// Packs the folder of a plugin into a .difypkg, the same bytes every time.
    Package(package::Args),
    /// Prints a script that completes the command line in a shell.
    Completions(completions::Args),
    /// Tells a deployed subject what to do (used by the harness).
    #[command(hide = true)]
    Driver(driver::Args),
    /// Stands in for a process that the subject starts (used by the harness).
    Relay(relay::Args),
}

/// Runs the command line; gives the exit status.
pub fn main() -> i32 {
    let command = match plain().map_or_else(|| Cli::try_parse().map(|cli| cli.command), Ok) {
        Ok(command) => command,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { exit::WRONG_INPUT } else { exit::GOOD };
        }
    };
    let result = match command {
        Command::Run(args) => run::run(*args),
        Command::List(args) => list::list(&args),
        Command::Explain(args) => explain::explain(&args),
        Command::Check(args) => check::check(&args),
        Command::Eject(args) => eject::eject(&args),
        Command::Init(args) => init::init(&args),
        Command::Completions(args) => completions::completions(&args),
        Command::Judge(args) => judge::judge(&args),
        Command::Mock(args) => mock::mock(&args),
        Command::Package(args) => package::package(&args),
        Command::Driver(args) => driver::driver(args),
        Command::Relay(args) => relay::relay(&args),
    };
    result.unwrap_or_else(|wrong| {
        wrong.print();
        exit::WRONG_INPUT
    })
}

/// The commands that are started again and again in each run, whose words need no parser: to build one takes longer
/// than many a case.
fn plain() -> Option<Command> {
    let mut words = std::env::args_os().skip(1).map(std::ffi::OsString::into_string);
    let command = words.next()?.ok()?;
    let words = words.collect::<Result<Vec<_>, _>>().ok()?;
    match (command.as_str(), words.split_first()) {
        ("mock", _) => Some(Command::Mock(mock::Args { words })),
        ("relay", Some((socket, rest))) if !socket.starts_with('-') => {
            Some(Command::Relay(relay::Args { socket: socket.into(), rest: rest.to_vec() }))
        }
        _ => None,
    }
}

/// Input that is wrong, with what to do about it.
enum Wrong {
    /// Files, with their places.
    Files(Vec<FileErrors>),
    /// Something else.
    Said(String),
}

/// Prints a line.
///
/// # Errors
/// The output cannot be written.
fn say(line: impl Display) -> Result<(), Wrong> {
    written(writeln!(anstream::stdout(), "{line}"))
}

/// What became of our output; a reader that has left wants no more, which is no error.
fn written(result: io::Result<()>) -> Result<(), Wrong> {
    result.or_else(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Ok(()),
        _ => Err(Wrong::Said(format!("the output cannot be written: {error}"))),
    })
}

impl Wrong {
    fn print(&self) {
        match self {
            Wrong::Files(files) => {
                let styled = std::io::stderr().is_terminal();
                files.iter().for_each(|file| anstream::eprintln!("{}", file.render(styled)));
            }
            Wrong::Said(text) => anstream::eprintln!("error: {text}"),
        }
    }
}

impl From<Vec<FileErrors>> for Wrong {
    fn from(files: Vec<FileErrors>) -> Self {
        Wrong::Files(files)
    }
}

impl From<FileErrors> for Wrong {
    fn from(file: FileErrors) -> Self {
        Wrong::Files(vec![file])
    }
}

impl From<String> for Wrong {
    fn from(text: String) -> Self {
        Wrong::Said(text)
    }
}

/// The shipped suites and the folders of the user.
fn corpus(folders: &[PathBuf]) -> Result<Corpus, Wrong> {
    let mut corpus = Corpus::embedded();
    for folder in folders {
        corpus.add(folder)?;
    }
    Ok(corpus)
}

/// So many names fit into a message.
const NAMED: usize = 24;

/// A name that must be one of these.
fn known<'a>(what: &str, name: &str, names: impl IntoIterator<Item = &'a str>) -> Result<(), Wrong> {
    let all: Vec<&str> = names.into_iter().collect();
    if all.contains(&name) {
        return Ok(());
    }
    let list = match all.len() {
        0 => "there is none at all".into(),
        many if many > NAMED => format!("{many} are known: `plugfest list --json` tells them"),
        _ => format!("known: {}", all.join(", ")),
    };
    let near = crate::scenario::error::nearest(name, all)
        .map_or(String::new(), |near| format!(", did you mean `{near}`?"));
    Err(Wrong::Said(format!("there is no {what} `{name}`{near} ({list})")))
}
