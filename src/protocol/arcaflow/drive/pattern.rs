//! Texts of a wanted length that match a pattern, and texts that do not.

use regex_syntax::hir::{Class, Hir, HirKind};

use crate::protocol::arcaflow::schema::Text;

/// How often an open repetition is repeated at most.
const REPEATS: u32 = 4096;

/// The shortest text of this type, or one of exactly so many bytes.
pub(super) fn text(kind: &Text, length: Option<i128>) -> Option<String> {
    let length = length.map(usize::try_from).transpose().ok()?;
    match &kind.pattern {
        None => {
            Some("a".repeat(length.unwrap_or(1).min(1 << 20))).filter(|text| fits(kind, text)).or_else(|| {
                let most = usize::try_from(kind.length.max?).ok()?;
                Some("a".repeat(most.min(1)))
            })
        }
        Some(pattern) => {
            let hir = regex_syntax::parse(pattern.as_str()).ok()?;
            let texts = (0..REPEATS).map(|more| matching(&hir, more).unwrap_or_default());
            let mut last = usize::MAX;
            let texts = texts
                .take_while(|text| std::mem::replace(&mut last, text.len()) != text.len() || text.is_empty());
            let short = length.filter(|length| *length <= 1 << 20);
            let padded = matching(&hir, 0).zip(short).map(|(text, length)| format!("{text:a<length$}"));
            let exact = |text: &String| length.is_none_or(|length| text.len() == length);
            let fine = |text: &String| exact(text) && pattern.is_match(text) && fits(kind, text);
            texts.take(REPEATS as usize).chain(padded).find(fine)
        }
    }
}

/// A text that matches the pattern, whatever its length limits are.
pub(super) fn of_length(kind: &Text, length: i128) -> Option<String> {
    let free = Text { length: Default::default(), pattern: kind.pattern.clone() };
    text(&free, Some(length)).or_else(|| usize::try_from(length).ok().map(|length| "a".repeat(length)))
}

/// A text within the length limits that does not match the pattern anywhere.
pub(super) fn mismatch(kind: &Text) -> Option<String> {
    let pattern = kind.pattern.as_ref()?;
    let near = text(kind, kind.length.min).or_else(|| text(kind, None))?;
    let others = ["!", "A", "0", " ", "a", "-", "\u{1}", "é"];
    let swapped = others
        .iter()
        .map(|other| near.chars().skip(1).fold((*other).to_owned(), |text, c| text + &c.to_string()));
    let whole = others.iter().map(|other| other.repeat(near.chars().count().max(1)));
    let longer = others.iter().map(|other| format!("{near}{other}"));
    let broken = swapped.chain(whole).chain(longer);
    broken.into_iter().find(|text| !pattern.is_match(text) && fits(kind, text))
}

fn fits(kind: &Text, text: &str) -> bool {
    let length = text.len() as i128;
    kind.length.min.is_none_or(|min| length >= min) && kind.length.max.is_none_or(|max| length <= max)
}

/// A text that an expression matches, each open repetition repeated so often beyond its least.
fn matching(hir: &Hir, more: u32) -> Option<String> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Some(String::new()),
        HirKind::Literal(literal) => String::from_utf8(literal.0.to_vec()).ok(),
        HirKind::Class(class) => character(class).map(String::from),
        HirKind::Repetition(repetition) => {
            let most = repetition.max.unwrap_or(u32::MAX);
            let count = repetition.min.saturating_add(more).min(most);
            let one = matching(&repetition.sub, 0)?;
            Some(one.repeat(count.min(REPEATS) as usize))
        }
        HirKind::Capture(capture) => matching(&capture.sub, more),
        HirKind::Concat(parts) => parts.iter().map(|part| matching(part, more)).collect(),
        HirKind::Alternation(parts) => parts.iter().find_map(|part| matching(part, more)),
    }
}

/// A plain character of a class.
fn character(class: &Class) -> Option<char> {
    let ranges: Vec<(char, char)> = match class {
        Class::Unicode(class) => class.ranges().iter().map(|range| (range.start(), range.end())).collect(),
        Class::Bytes(class) => {
            class.ranges().iter().map(|range| (char::from(range.start()), char::from(range.end()))).collect()
        }
    };
    let holds = |c: char| ranges.iter().any(|(start, end)| (*start..=*end).contains(&c));
    ('a'..='z')
        .chain('0'..='9')
        .chain(' '..='~')
        .find(|c| holds(*c))
        .or(ranges.first().map(|(start, _)| *start))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::arcaflow::schema::Bounds;

    fn kind(pattern: &str, min: i128, max: i128) -> Text {
        let length = Bounds { min: Some(min), max: Some(max) };
        Text { length, pattern: Some(regex::Regex::new(pattern).expect("a pattern")) }
    }

    #[test]
    fn texts_match_at_each_length_and_mismatches_do_not() {
        for (pattern, min, max) in
            [("^[a-z]+$", 2, 8), ("^v[0-9]+(\\.[0-9]+)?$", 2, 6), ("a", 1, 3), ("^(?:x|yy)*$", 0, 4)]
        {
            let kind = kind(pattern, min, max);
            let pattern = kind.pattern.clone().expect("a pattern");
            for length in [min, max] {
                let text = text(&kind, Some(length)).unwrap_or_else(|| panic!("{pattern}: {length}"));
                assert!(text.len() as i128 == length && pattern.is_match(&text), "{pattern}: {text}");
            }
            let wrong = mismatch(&kind).unwrap_or_else(|| panic!("{pattern}"));
            assert!(!pattern.is_match(&wrong) && fits(&kind, &wrong), "{pattern}: {wrong}");
        }
    }
}
