//! The Dify Serverless Runtime Interface: what its events and their texts mean.

mod watch;

use crate::codec::sse_lines;
use crate::datum::Datum;
use crate::play::parse_url;
use crate::protocol::Watch;

/// The stages in their order.
pub const STAGES: [&str; 5] = ["healthz", "start", "build", "run", "end"];

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
        "short-endpoint" => match endpoint(&text()?) {
            Some(url) if url.contains(['?', '#']) => Err(format!("{url} has a query or a fragment")),
            Some(url) if url.len() > 255 => Err(format!("the endpoint has {} bytes", url.len())),
            Some(_) => Ok(()),
            None => Err("it names no endpoint".into()),
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
        for name in ["names-endpoint", "plain-pairs", "absolute-endpoint", "short-endpoint"] {
            assert_eq!(check(name, &good), Ok(()), "{name}");
        }
        for name in ["names-endpoint", "plain-pairs", "short-endpoint"] {
            assert!(check(name, &bad).is_err(), "{name}");
        }
        assert!(check("absolute-endpoint", &Datum::text("endpoint=/x,name=n")).is_err());
    }
}
