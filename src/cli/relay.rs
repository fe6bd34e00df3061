//! `plugfest relay SOCKET`

use std::path::PathBuf;

use super::Wrong;

/// Where the harness listens.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The socket of the harness.
    pub(super) socket: PathBuf,
    /// What the subject adds to the command line; the harness sees it.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(super) rest: Vec<String>,
}

/// Relays our standard streams until the harness says exit.
///
/// # Errors
/// The harness cannot be reached.
pub(super) fn relay(args: &Args) -> Result<i32, Wrong> {
    let status = crate::shell::relay::main(&args.socket);
    status.map_err(|error| Wrong::Said(format!("{}: {error}", args.socket.display())))
}
