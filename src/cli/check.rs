//! `plugfest check DIR`

use std::path::PathBuf;

use super::{Wrong, corpus, say};
use crate::corpus::unbound;
use crate::exit;

/// What to check.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Folders with scenarios of your own; the shipped suites if none is named.
    dirs: Vec<PathBuf>,
    /// Prints the JSON Schema of scenario files, for editors, and checks nothing.
    #[arg(long)]
    schema: bool,
}

/// Checks every scenario in every profile.
///
/// # Errors
/// Everything that is wrong.
pub(super) fn check(args: &Args) -> Result<i32, Wrong> {
    if args.schema {
        say(crate::scenario::schema::text().trim_end())?;
        return Ok(exit::GOOD);
    }
    let corpus = corpus(&args.dirs)?;
    let mut errors = Vec::new();
    let mut count = 0;
    for name in corpus.suites() {
        match corpus.suite(&name) {
            Ok(suite) => {
                count += suite.scenarios.len();
                errors.extend(unbound(&suite));
            }
            Err(found) => errors.extend(found),
        }
    }
    if !errors.is_empty() {
        return Err(Wrong::Files(errors));
    }
    say(format_args!("{count} scenarios, nothing wrong"))?;
    Ok(exit::GOOD)
}
