//! `plugfest driver NAME`

use super::{Wrong, known};
use crate::driver;

/// A built-in driver.
#[derive(clap::Args, Debug)]
#[command(after_help = driver::USAGE)]
pub struct Args {
    /// Its name: dify-http.
    name: String,
    /// Where the management API is: `http://host:port`.
    #[arg(long)]
    url: String,
    /// The command that starts the daemon for each case; without it one runs there already.
    #[arg(last = true)]
    daemon: Vec<String>,
}

/// Takes operations as JSON lines until the end of input.
///
/// # Errors
/// A driver that is none, an address that is none, a key that is missing.
pub(super) fn driver(args: Args) -> Result<i32, Wrong> {
    known("driver", &args.name, [driver::DIFY_HTTP])?;
    crate::play::parse_url(&args.url)?;
    let key = std::env::var(driver::KEY)
        .map_err(|_| Wrong::Said(format!("the variable {} has to hold the key of the API", driver::KEY)))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let status = runtime.block_on(driver::dify_http::serve(args.url, key, args.daemon));
    runtime.shutdown_background();
    status.map_err(Wrong::Said)
}
