//! `plugfest init`

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

use super::{Wrong, known, say};
use crate::corpus::Corpus;
use crate::exit;
use crate::scenario::{Suite, Timing};

/// A subject to describe.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: plugfest init arcaflow plugin -- python my_plugin.py")]
pub struct Args {
    /// The suite that judges it.
    suite: String,
    /// The side of the protocol that it plays.
    role: String,
    /// The file to write.
    #[arg(long, value_name = "FILE", default_value = "subject.toml")]
    file: PathBuf,
    /// The command that starts it.
    #[arg(last = true)]
    command: Vec<String>,
}

/// Writes a subject.toml that says everything that one can say, what is usual as a comment.
///
/// # Errors
/// An unknown suite or role; a file that is there already, or cannot be written.
pub(super) fn init(args: &Args) -> Result<i32, Wrong> {
    let corpus = Corpus::embedded();
    known("suite", &args.suite, corpus.suites().iter().map(String::as_str))?;
    let suite = corpus.suite(&args.suite)?;
    known("role", &args.role, suite.role_names().collect::<Vec<_>>())?;
    let text = subject(&suite, &args.role, &args.command);
    let path = args.file.display();
    let file = OpenOptions::new().write(true).create_new(true).open(&args.file);
    let mut file = file.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => format!("{path} is there already: name another with --file"),
        _ => format!("{path}: {error}"),
    })?;
    file.write_all(text.as_bytes()).map_err(|error| format!("{path}: {error}"))?;
    say(format_args!("wrote {path}; run it with: plugfest run --subject {path}"))?;
    Ok(exit::GOOD)
}

fn subject(suite: &Suite, role: &str, command: &[String]) -> String {
    let mut text = String::from("# Who is tested. suites/README.md of plugfest documents every key.\n");
    let mut line = |line: String| text += &format!("{line}\n");
    let list = |words: &[String]| format!("{words:?}");
    line(format!("suite        = {:?}", suite.name));
    line(format!("role         = {role:?}"));
    let default = suite.profiles.first().map_or("", String::as_str);
    line(format!("profile      = {default:?}   # one of: {}", suite.profiles.join(", ")));
    let modes: Vec<String> = suite.modes(role).into_iter().filter(|mode| !mode.is_empty()).collect();
    if !modes.is_empty() {
        line(format!("modes        = {}", list(&modes)));
    }
    let command = if command.is_empty() { vec!["path/to/my-program".to_owned()] } else { command.to_vec() };
    line(format!("command      = {}", list(&command)));
    line("# attach     = \"127.0.0.1:5000\"     # instead of a command: where it runs already (unix:PATH, https://..)".into());
    line(
        "# stop       = [\"docker\", \"stop\", \"it\"]   # what ends it where our signals do not reach it"
            .into(),
    );
    line(format!(
        "capabilities = []   # what it offers for deeper scenarios: {}",
        capabilities(suite, role).join(", ")
    ));
    line(
        "# baseline   = \"baseline.toml\"   # accepted findings; plugfest run --baseline-update writes it"
            .into(),
    );
    line("\n# [env]                 # additions to its environment\n# LOG_LEVEL = \"error\"".into());
    line("\n# [timing]              # deadlines of ours that it needs longer for".into());
    for (name, duration) in &suite.timing {
        if let Ok(nanos) = duration.resolve(&Timing::new(), 1.0) {
            line(format!("# {name} = \"{}ms\"", nanos / 1_000_000));
        }
    }
    text
}

/// Every capability that a scenario of the role asks for.
fn capabilities(suite: &Suite, role: &str) -> Vec<String> {
    let scenarios = suite.scenarios.iter().filter(|scenario| scenario.role.text == role);
    let mut names: Vec<String> =
        scenarios.flat_map(|scenario| &scenario.capabilities).map(|text| text.text.clone()).collect();
    names.sort();
    names.dedup();
    names
}
