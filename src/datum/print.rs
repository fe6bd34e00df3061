//! `Display` of values: the notation that [`super::notation`] reads.

use std::fmt::{self, Display, Formatter, Write};

use super::{Datum, Generated, Head, Width};

impl Display for Datum {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Undefined => f.write_str("undefined"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Simple(number) => write!(f, "simple({number})"),
            Self::Int(int) => write!(f, "{}{}", int.value(), indicator(int.head)),
            Self::Float(value, width) => float(*value, *width, f),
            Self::Text(text, head) => {
                quote(text, f)?;
                f.write_str(indicator(*head))
            }
            Self::Bytes(bytes, head) => {
                hex(bytes, f)?;
                f.write_str(indicator(*head))
            }
            Self::Chunks(_, chunks) => {
                f.write_str("(_ ")?;
                commas(chunks.iter(), f, |chunk, f| chunk.fmt(f))?;
                f.write_char(')')
            }
            Self::Array(items, head) => {
                f.write_str(if *head == Head::Indefinite { "[_ " } else { "[" })?;
                commas(items.iter(), f, |item, f| item.fmt(f))?;
                write!(f, "]{}", indicator(*head))
            }
            Self::Map(entries, head) => {
                f.write_str(if *head == Head::Indefinite { "{_ " } else { "{" })?;
                commas(entries.iter(), f, |(key, value), f| write!(f, "{key}: {value}"))?;
                write!(f, "}}{}", indicator(*head))
            }
            Self::Tag(number, head, inner) => write!(f, "{number}{}({inner})", indicator(*head)),
            Self::Gen(generated) => generated.fmt(f),
            Self::Package(name) => {
                f.write_str("$package(")?;
                quote(name, f)?;
                f.write_char(')')
            }
        }
    }
}

impl Display for Generated {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(n) => write!(f, "$gen(text, {n})"),
            Self::Bytes(n) => write!(f, "$gen(bytes, {n})"),
            Self::Repeat(unit, n) => {
                f.write_str("$gen(repeat, ")?;
                quote(unit, f)?;
                write!(f, ", {n})")
            }
            Self::RepeatBytes(unit, n) => {
                f.write_str("$gen(repeat, ")?;
                hex(unit, f)?;
                write!(f, ", {n})")
            }
        }
    }
}

fn indicator(head: Head) -> &'static str {
    match head {
        Head::Preferred | Head::Indefinite => "",
        Head::One => "_0",
        Head::Two => "_1",
        Head::Four => "_2",
        Head::Eight => "_3",
    }
}

fn float(value: f64, width: Width, f: &mut Formatter<'_>) -> fmt::Result {
    if value.is_nan() {
        f.write_str(if value.is_sign_negative() { "-NaN" } else { "NaN" })?;
    } else if value.is_infinite() {
        f.write_str(if value < 0.0 { "-Infinity" } else { "Infinity" })?;
    } else {
        write!(f, "{value:?}")?;
    }
    f.write_str(match width {
        Width::Half => "_1",
        Width::Single => "_2",
        Width::Double => "",
    })
}

/// A JSON string literal in which control characters, also those of C1 and of bidirectional text, are escaped,
/// so that a subject's text does nothing to a terminal; `${` is doubled, so that it inserts nothing when read.
fn quote(text: &str, f: &mut Formatter<'_>) -> fmt::Result {
    f.write_char('"')?;
    let mut written = 0;
    for (at, c) in text.char_indices().filter(|(at, c)| is_escaped(*c, &text[*at..])) {
        f.write_str(&text[written..at])?;
        written = at + c.len_utf8();
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            '$' => f.write_str("$$")?,
            c => write!(f, "\\u{:04x}", c as u32)?,
        }
    }
    f.write_str(&text[written..])?;
    f.write_char('"')
}

/// Whether the first character of a text cannot stand for itself.
fn is_escaped(c: char, text: &str) -> bool {
    match c {
        '"' | '\\' => true,
        '$' => text.starts_with("${"),
        ' '..='~' => false,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => true,
        c => c.is_control(),
    }
}

fn hex(bytes: &[u8], f: &mut Formatter<'_>) -> fmt::Result {
    f.write_str("h'")?;
    for byte in bytes {
        write!(f, "{byte:02x}")?;
    }
    f.write_char('\'')
}

fn commas<T>(
    items: impl Iterator<Item = T>,
    f: &mut Formatter<'_>,
    one: impl Fn(T, &mut Formatter<'_>) -> fmt::Result,
) -> fmt::Result {
    for (n, item) in items.enumerate() {
        if n > 0 {
            f.write_str(", ")?;
        }
        one(item, f)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::datum::notation::parse_datum;
    use crate::strategy::datum::any_datum;

    proptest! {
        #[test]
        fn printing_and_reading_are_inverse(datum in any_datum()) {
            let text = datum.to_string();
            prop_assert_eq!(parse_datum(&text).map_err(|error| format!("{text}: {error:?}")).unwrap(), datum);
        }

        #[test]
        fn no_text_panics_the_reader(text in ".{0,80}") {
            let _ = parse_datum(&text);
        }
    }

    #[test]
    fn nothing_that_moves_a_cursor_is_printed() {
        let printed = crate::datum::Datum::text("\u{1b}[31mred\u{9b}2J\u{202e}").to_string();
        assert_eq!(printed, r#""\u001b[31mred\u009b2J\u202e""#);
    }
}
