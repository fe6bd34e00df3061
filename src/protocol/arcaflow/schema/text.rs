//! Texts: their length in bytes, their pattern, and regular expressions as values.

use regex::Regex;

use super::field::Fields;
use super::{Bounds, Fault, Read};
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

    pub(super) fn accept(&self, datum: &Datum) -> Read<Datum> {
        let text = to_text(datum)?;
        self.length.admit(text.len() as i128, "the length")?;
        match &self.pattern {
            Some(pattern) if !pattern.is_match(&text) => Err(Fault::new(format!("does not match {pattern}"))),
            _ if datum.as_text().is_some() => Ok(datum.clone()),
            _ => Ok(Datum::text(text)),
        }
    }
}

/// A value that is itself a regular expression.
pub(super) fn accept_pattern(datum: &Datum) -> Read<Datum> {
    compile(&to_text(datum)?).map(|_| datum.clone())
}

pub(super) fn accept_enum(values: &[String], datum: &Datum) -> Read<Datum> {
    let text = to_text(datum)?;
    if values.contains(&text) {
        Ok(Datum::text(text))
    } else {
        Err(Fault::new(format!("`{text}` is none of {values:?}")))
    }
}

/// A text, or a number as one (sdk-go schema/string.go, `stringInputMapper`).
pub(super) fn to_text(datum: &Datum) -> Read<String> {
    match datum {
        Datum::Int(int) => Ok(int.value().to_string()),
        Datum::Float(value, _) => Ok(format!("{value:.6}")),
        other => match other.as_text() {
            Some(text) => Ok(text.into_owned()),
            None => Err(Fault::new(format!("is {}, not a text", datum.kind()))),
        },
    }
}

fn compile(text: &str) -> Read<Regex> {
    Regex::new(text).map_err(|_| Fault::new(format!("`{text}` is no regular expression of RE2")))
}
