//! `cargo xtask`: what developers of plugfest run.

mod bench;
mod conformance;
mod fuzz;
mod matrix;
mod mutants;
mod peer;
mod soak;
mod test;
mod tidy;

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use clap::{Parser, Subcommand};

/// What developers of plugfest run.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Runs a suite, like `plugfest run`: the bundled references, or a subject whose set-up is done first.
    Conformance {
        /// The arguments of `plugfest run`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Sets up the peers and runs all tests; further arguments go to `cargo test`.
    Test {
        /// Instead: repeats the self-conformance so often beside eight busy loops; `args` select suite, role and ids.
        #[arg(long, value_name = "N")]
        soak: Option<usize>,
        /// The arguments of `cargo test`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Measures what the budgets promise and writes reports/bench.md.
    Bench(bench::Args),
    /// Answers recorded frames, for a measurement.
    #[command(hide = true)]
    ApisixEcho {
        /// Where it listens.
        socket: PathBuf,
    },
    /// Runs the fuzz targets for a few seconds each.
    Fuzz {
        /// Only this target.
        target: Option<String>,
        /// How long each runs.
        #[arg(long, default_value_t = 5)]
        seconds: u32,
    },
    /// Prints which case kills which mutant; names survivors.
    Mutants {
        /// Only this suite.
        suite: Option<String>,
    },
    /// Checks what compilers do not: formatting, lints, generated files, paths and sleeps.
    Tidy {
        /// Writes generated files instead of comparing them.
        #[arg(long)]
        write: bool,
    },
}

/// Where libraries are looked for first; cargo puts its own folders before those of the user.
const LIBRARIES: &str = "LD_LIBRARY_PATH";

fn main() -> ExitCode {
    let result = match Cli::parse().task {
        Task::Conformance { args } => conformance::run(&args),
        Task::Test { soak: Some(times), args } => soak::run(times, &args),
        Task::Test { soak: None, args } => test::run(&args),
        Task::Fuzz { seconds, target } => fuzz::run(seconds, target.as_deref()),
        Task::Bench(args) => bench::run(&args),
        Task::ApisixEcho { socket } => bench::echo(&socket),
        Task::Mutants { suite } => mutants::run(suite.as_deref()),
        Task::Tidy { write } => tidy::run(write),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

/// What a task gives: an exit status, or why it could not be done.
type Done = Result<u8, String>;

/// The folder of the workspace.
fn root() -> PathBuf {
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    own.parent().map(PathBuf::from).unwrap_or(own)
}

/// The folder of what cargo builds.
fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Cargo, as it called us.
fn cargo() -> Command {
    let mut cargo = Command::new(cargo_path());
    without_cargo(&mut cargo);
    cargo.current_dir(root());
    cargo
}

fn cargo_path() -> PathBuf {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()).into()
}

/// The command gets the environment that we would have if cargo had not run us. Build scripts that look at what cargo
/// says of our package would run again each time; a path for libraries would reach every subject, which is not the
/// environment that `plugfest` alone gives it, and be searched at each of its starts.
fn without_cargo(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_MANIFEST_") || text.starts_with("CARGO_PKG_") {
            command.env_remove(&name);
        }
    }
    let Some(libraries) = std::env::var_os(LIBRARIES) else { return };
    let cargo = cargo_path();
    let toolchain = cargo.ancestors().nth(2).filter(|path| path.is_absolute());
    let is_of_cargo =
        |path: &PathBuf| path.starts_with(target()) || toolchain.is_some_and(|own| path.starts_with(own));
    let of_user: Vec<PathBuf> = std::env::split_paths(&libraries).filter(|path| !is_of_cargo(path)).collect();
    match std::env::join_paths(&of_user) {
        Ok(paths) if !of_user.is_empty() => command.env(LIBRARIES, paths),
        _ => command.env_remove(LIBRARIES),
    };
}

/// Runs a command to its end; gives its status.
fn run(command: &mut Command) -> Done {
    let status =
        command.status().map_err(|error| format!("{}: {error}", command.get_program().to_string_lossy()))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}
