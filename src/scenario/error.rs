//! Errors of files.

/// The known name that a wrong one was probably meant to be.
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let best = known.into_iter().map(|name| (strsim::damerau_levenshtein(wrong, name), name)).min()?;
    (best.0 <= 1 + wrong.chars().count() / 4).then_some(best.1)
}
