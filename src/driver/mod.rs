//! Built-in drivers: programs that tell a deployed subject what to do, by the contract of drivers.

pub mod dify_http;
mod management;

/// The driver of the deployed Dify daemon.
pub const DIFY_HTTP: &str = "dify-http";
/// The variable with the key of its management API.
pub const KEY: &str = "PLUGFEST_DIFY_KEY";
/// The variable with the key of its admin API, for `reinstall`.
pub const ADMIN_KEY: &str = "PLUGFEST_DIFY_ADMIN_KEY";

/// What the command line says of it.
pub const USAGE: &str = "\
dify-http drives the deployed Dify daemon by its management API. Operations are JSON lines on standard input,
answers JSON lines on standard output. PLUGFEST_DIFY_KEY holds its SERVER_KEY, PLUGFEST_DIFY_ADMIN_KEY its ADMIN_API_KEY
(for `reinstall`). With a command after `--` the operation `start` starts the daemon: url, key and settings of
the runtime reach it as DIFY_PLUGIN_SERVERLESS_CONNECTOR_URL and so on. In a subject file: driver = \"dify-http\",
url, api_key, and perhaps daemon = [\"COMMAND\"].";

/// The command line of a driver as a subject file names it.
pub fn command(program: &str, words: &[String], url: Option<&str>, daemon: &[String]) -> Vec<String> {
    if words.first().map(String::as_str) != Some(DIFY_HTTP) {
        return words.to_vec();
    }
    let mut command = vec![program.to_owned(), "driver".into(), DIFY_HTTP.into()];
    command.extend(url.iter().flat_map(|url| ["--url".to_owned(), (*url).to_owned()]));
    command.extend(words[1..].iter().cloned());
    if !daemon.is_empty() {
        command.push("--".into());
        command.extend(daemon.iter().cloned());
    }
    command
}
