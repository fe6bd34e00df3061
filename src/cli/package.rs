//! `plugfest package DIR`

use std::path::PathBuf;

use super::{Wrong, say};
use crate::{exit, package};

/// The folder, and where the package goes.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The folder of a plugin, with manifest.yaml in it.
    folder: PathBuf,
    /// The file to write; NAME.difypkg of the folder's name if absent.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Packs a folder; prints the name under which the package is launched.
///
/// # Errors
/// A folder that is no plugin's, or a file that cannot be written.
pub(super) fn package(args: &Args) -> Result<i32, Wrong> {
    let bytes = package::pack_folder(&args.folder)?;
    let folder = args.folder.canonicalize().unwrap_or_else(|_| args.folder.clone());
    let name = folder.file_name().map_or_else(|| "plugin".into(), |name| name.to_string_lossy().into_owned());
    let output = args.output.clone().unwrap_or_else(|| PathBuf::from(format!("{name}.difypkg")));
    std::fs::write(&output, &bytes).map_err(|error| format!("{}: {error}", output.display()))?;
    say(package::filename(&name, &bytes))?;
    Ok(exit::GOOD)
}
