//! `cargo xtask mutants`: the kill matrix.

use std::collections::BTreeSet;

use plugfest::corpus::Corpus;
use plugfest::{mocks, mutation};

use crate::Done;

pub fn run(only: Option<&str>) -> Done {
    let corpus = Corpus::embedded();
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let (mut killed, mut bad) = (0, 0);
    let suites: BTreeSet<&str> = mocks::REFERENCES.iter().map(|reference| reference.suite).collect();
    for name in suites.into_iter().filter(|name| only.is_none_or(|only| only == *name)) {
        let suite = corpus.suite(name).map_err(|errors| errors[0].render(false))?;
        println!("{name}");
        for mutant in mocks::mutants(name) {
            let kill = mutation::kill(&suite, mutant, folder.path())?;
            let by: Vec<&str> = kill.by.iter().take(3).map(String::as_str).collect();
            let verdict = match (kill.by.is_empty(), kill.wrongly.is_empty()) {
                (true, _) => "SURVIVES".to_owned(),
                (_, false) => format!("also breaks {:?}", kill.wrongly.keys().collect::<Vec<_>>()),
                _ => format!("killed by {}{}", by.join(", "), if kill.by.len() > 3 { " .." } else { "" }),
            };
            killed += usize::from(kill.is_clean());
            bad += usize::from(!kill.is_clean());
            println!("  {:8} {:36} {:18} {verdict}", mutant.role, mutant.name, mutant.breaks);
        }
    }
    println!("{killed} killed, {bad} not");
    Ok(u8::from(bad > 0))
}
