//! `plugfest completions SHELL`

use clap::CommandFactory;

use super::{Cli, Wrong, say};
use crate::exit;

/// For which shell.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: plugfest completions bash > ~/.local/share/bash-completion/completions/plugfest"
)]
pub struct Args {
    /// The shell.
    shell: clap_complete::Shell,
}

/// Prints what the shell needs to complete the command line.
///
/// # Errors
/// The output cannot be written.
pub(super) fn completions(args: &Args) -> Result<i32, Wrong> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "plugfest", &mut script);
    say(String::from_utf8_lossy(&script).trim_end())?;
    Ok(exit::GOOD)
}
