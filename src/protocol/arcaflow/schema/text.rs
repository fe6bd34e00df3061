//! Texts: their length in bytes, their pattern, and regular expressions as values.

use std::borrow::Cow;

use regex::Regex;

use super::field::Fields;
use super::{Accepted, Bounds, Fault, Read, as_it_stands};
use crate::datum::Datum;

/// The type of texts.
#[derive(Clone, Debug)]
pub struct Text {
    /// Least and most bytes.
    pub length: Bounds,
    /// What it must match somewhere.
    pub pattern: Option<Regex>,
}

impl Text {
    pub(super) fn read(fields: &Fields<'_>) -> Read<Self> {
        let pattern = fields.text("pattern")?.map(|text| compile(&text).map_err(|why| why.under("pattern")));
        Ok(Self { length: fields.bounds()?, pattern: pattern.transpose()? })
    }

    pub(super) fn accept<'a>(&self, datum: &'a Datum) -> Accepted<'a> {
        let text = to_text(datum)?;
        self.length.admit(text.len() as i128, "the length")?;
        match &self.pattern {
            Some(pattern) if !pattern.is_match(&text) => Err(Fault::new(format!("does not match {pattern}"))),
            _ if datum.as_text().is_some() => Ok(Cow::Borrowed(datum)),
            _ => Ok(Cow::Owned(Datum::text(text))),
        }
    }
}

/// A value that is itself a regular expression.
pub(super) fn accept_pattern(datum: &Datum) -> Accepted<'_> {
    compile(&to_text(datum)?).map(|_| Cow::Borrowed(datum))
}

pub(super) fn accept_enum<'a>(values: &[String], datum: &'a Datum) -> Accepted<'a> {
    let text = to_text(datum)?;
    if values.iter().any(|value| *value == text) {
        Ok(as_it_stands(datum, Datum::text(text)))
    } else {
        Err(Fault::new(format!("`{text}` is none of {values:?}")))
    }
}

/// A text, or a number as one (sdk-go schema/string.go, `stringInputMapper`).
pub(super) fn to_text(datum: &Datum) -> Read<Cow<'_, str>> {
    match datum {
        Datum::Int(int) => Ok(int.value().to_string().into()),
        Datum::Float(value, _) => Ok(format!("{value:.6}").into()),
        other => other.as_text().ok_or_else(|| Fault::new(format!("is {}, not a text", datum.kind()))),
    }
}

fn compile(text: &str) -> Read<Regex> {
    Regex::new(text).map_err(|_| Fault::new(format!("`{text}` is no regular expression of RE2")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_that_is_no_expression_or_too_large_is_refused() {
        assert!(compile("^[a-z]+$").is_ok());
        for wrong in ["(", "a{2,1}", "(a{1000}){1000}"] {
            assert!(compile(wrong).is_err(), "{wrong}");
        }
    }
}
