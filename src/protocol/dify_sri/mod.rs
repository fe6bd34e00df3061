//! The Dify Serverless Runtime Interface: what its events and their texts mean.

mod watch;

use crate::codec::{json, sse_lines};
use crate::datum::Datum;
use crate::play::parse_url;
use crate::protocol::Watch;

/// The stages in their order.
pub const STAGES: [&str; 5] = ["healthz", "start", "build", "run", "end"];

/// Most bytes of a failure's text that the deployed daemon shows whole.
///
/// Source: langgenius/dify-plugin-daemon bdb5642, internal/tasks/install_plugin_utils.go.
const LONGEST_MESSAGE: usize = 1024;
/// What common line readers do not take any more.
const SHORT_LINE: usize = 64 << 10;

/// The predicates behind `$check(NAME)`.
///
/// # Errors
/// What is wrong with the value, in words.
pub fn check(name: &str, datum: &Datum) -> Result<(), String> {
    let text = || datum.as_text().map(|text| text.into_owned()).ok_or_else(|| "it is no text".to_owned());
    match name {
        "names-endpoint" => {
            let details = details(&text()?);
            let filled = |key: &str| match details.iter().find(|(known, _)| known == key) {
                Some((_, value)) if !value.is_empty() => Ok(()),
                Some(_) => Err(format!("{key} is empty")),
                None => Err(format!("it names no {key}")),
            };
            filled("endpoint").and_then(|()| filled("name"))
        }
        "plain-pairs" => text()?.split(',').try_for_each(|pair| match pair.split('=').count() {
            2 => Ok(()),
            1 => Err(format!("{pair:?} is no key and value; is there a comma too many?")),
            _ => Err(format!("the value in {pair:?} contains `=`")),
        }),
        "absolute-endpoint" => match endpoint(&text()?) {
            Some(url) if url.starts_with("https://") => Ok(()),
            Some(url) => parse_url(&url).map(|_| ()),
            None => Err("it names no endpoint".into()),
        },
        "short-details" => short_details(&details(&text()?)),
        "short-message" => match text()?.len() {
            length if length > LONGEST_MESSAGE => Err(format!("it has {length} bytes")),
            _ => Ok(()),
        },
        "short-line" => match longest_line(datum) {
            length if length >= SHORT_LINE => Err(format!("a line has {length} bytes")),
            _ => Ok(()),
        },
        "lines-fit" => match text()?.split('\n').map(str::len).max() {
            Some(longest) if longest >= sse_lines::LIMIT => Err(format!("a line has {longest} bytes")),
            _ => Ok(()),
        },
        "good-package" => match (datum.as_bytes(), crate::package::shelf::package("good")) {
            (Some(bytes), Some(package)) if *bytes == *package => Ok(()),
            (Some(bytes), _) => Err(format!("these {} bytes are not the package", bytes.len())),
            (None, _) => Err("they are no bytes".into()),
        },
        other => Err(format!("dify-sri has no check `{other}`")),
    }
}

/// The pairs of a run/success text, by the deployed daemon's rules: split at commas, then at the first `=`.
///
/// Source: langgenius/dify-plugin-daemon bdb5642, pkg/utils/parser/comma.go.
pub fn details(text: &str) -> Vec<(String, String)> {
    let pair = |pair: &str| {
        pair.split_once('=').map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
    };
    text.split(',').filter_map(pair).collect()
}

/// The deployed daemon keeps the endpoint in a column of 255, the name in one of 127. That there is one is said elsewhere.
fn short_details(details: &[(String, String)]) -> Result<(), String> {
    let value = |key: &str| details.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str());
    let url = value("endpoint").unwrap_or_default();
    match value("name").unwrap_or_default().len() {
        _ if url.contains(['?', '#']) => Err(format!("{url} has a query or a fragment")),
        _ if url.len() > 255 => Err(format!("the endpoint has {} bytes", url.len())),
        length if length > 127 => Err(format!("the name has {length} bytes")),
        _ => Ok(()),
    }
}

/// The bytes of the longest line of a stream; of an event as much as its line has at least.
fn longest_line(datum: &Datum) -> usize {
    match datum.as_text() {
        Some(text) => text.split('\n').map(str::len).max().unwrap_or_default(),
        None => "data:".len() + json::shortest(datum),
    }
}

fn endpoint(text: &str) -> Option<String> {
    details(text).into_iter().find(|(key, _)| key == "endpoint").map(|(_, value)| value)
}

/// The stateful checks of rules.
pub fn watch(name: &str) -> Option<Box<dyn Watch>> {
    watch::by_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_run_success() {
        let good = Datum::text("endpoint=http://h:1/x, name=n,id=i");
        let bad = Datum::text("endpoint=http://h/?a=b,name=,");
        for name in ["names-endpoint", "plain-pairs", "absolute-endpoint", "short-details"] {
            assert_eq!(check(name, &good), Ok(()), "{name}");
        }
        for name in ["names-endpoint", "plain-pairs", "short-details"] {
            assert!(check(name, &bad).is_err(), "{name}");
        }
        assert!(check("absolute-endpoint", &Datum::text("endpoint=/x,name=n")).is_err());
        let name = |length| Datum::text(format!("name={},endpoint=http://h/x", "n".repeat(length)));
        assert_eq!(check("short-details", &name(127)), Ok(()));
        assert!(check("short-details", &name(128)).is_err());
    }

    #[test]
    fn what_is_short() {
        let message = |end: &str| Datum::text("a".repeat(1023) + end);
        assert_eq!(check("short-message", &message("a")), Ok(()));
        assert!(check("short-message", &message("\u{e9}")).is_err());
        let text = |length| format!(r#"{{"Stage":"build","Obj":"","Log":["{}",1]}}"#, "a".repeat(length));
        let rest = "data:".len() + text(0).len();
        for (length, fits) in [(SHORT_LINE - rest - 1, true), (SHORT_LINE - rest, false)] {
            let event = json::parse(text(length).as_bytes()).unwrap();
            assert_eq!(check("short-line", &event).is_ok(), fits, "{length}");
            let stream = Datum::text(format!("\ndata:{}\n", text(length)));
            assert_eq!(check("short-line", &stream).is_ok(), fits, "{length}");
        }
    }

    /// The rows of that scenario are worth something only while they say the hash of the package that it launches.
    #[test]
    fn other_names_are_nearly_the_name_of_the_package() {
        let scenario = include_str!("../../../suites/dify-sri/instances/other-name.toml");
        let name = crate::package::shelf::filename_of("good").unwrap();
        let (_, hash) = name.trim_end_matches(".difypkg").rsplit_once('@').unwrap();
        let rows = scenario.lines().filter(|line| line.starts_with("name = "));
        let hashes = rows.map(|row| row.trim_end_matches('"').rsplit('@').next().unwrap());
        let differing = |other: &str| hash.bytes().zip(other.bytes()).filter(|(a, b)| a != b).count();
        assert_eq!(hashes.map(differing).collect::<Vec<_>>(), [1, 0, 0, 0]);
    }
}
