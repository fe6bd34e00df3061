//! `plugfest eject DIR`

use std::fs;
use std::path::PathBuf;

use super::{Wrong, say};
use crate::corpus::Corpus;
use crate::exit;

/// Where to put the shipped suites.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The folder; it is made, and what it holds already is not touched.
    dir: PathBuf,
    /// Only this suite.
    suite: Option<String>,
}

/// Writes the files of the shipped suites, to read and to copy from. Run beside the shipped ones with `--suites DIR`
/// they change nothing until a file is renamed: a scenario with the id of a shipped one must say the same.
///
/// # Errors
/// An unknown suite; a folder or file that cannot be written, or is there already.
pub(super) fn eject(args: &Args) -> Result<i32, Wrong> {
    let corpus = Corpus::embedded();
    if let Some(suite) = &args.suite {
        super::known("suite", suite, corpus.suites().iter().map(String::as_str))?;
    }
    let wanted = |path: &str| args.suite.as_ref().is_none_or(|suite| path.starts_with(&format!("{suite}/")));
    let files: Vec<(&str, &str)> = corpus.files().filter(|(path, _)| wanted(path)).collect();
    if let Some((path, _)) = files.iter().find(|(path, _)| args.dir.join(path).exists()) {
        return Err(Wrong::Said(format!(
            "{} is there already: name a folder without it",
            args.dir.join(path).display()
        )));
    }
    for (path, text) in &files {
        let path = args.dir.join(path);
        let folder = path.parent().unwrap_or(&args.dir);
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&path, text))
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    say(format_args!("{} files in {}", files.len(), args.dir.display()))?;
    Ok(exit::GOOD)
}
