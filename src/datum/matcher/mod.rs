//! The matchers of the notation: a closed set, one file each.
//!
//! To add one: a file with a type that implements [`Matcher`] and a `build` function, and a row in [`TABLE`].

mod absent;
mod any;
mod bool;
mod bytes;
mod check;
mod contains;
mod generate;
mod get;
mod int;
mod json;
mod len;
mod let_;
mod matches;
mod nonempty;
mod not;
mod observed;
mod oneof;
mod range;
mod starts;
mod text;
mod uint;
mod unique;
mod yaml;

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use super::notation::{Arg, Node, SyntaxError};
use super::pattern::Names;
use super::{Bindings, Datum, Kind, Mismatch, Pattern, Scope, View};

/// A condition on a value.
pub trait Matcher: Debug + Send + Sync {
    /// Compares.
    ///
    /// # Errors
    /// The difference.
    fn matches(&self, view: View<'_>, scope: &mut Scope<'_>) -> Result<(), Mismatch>;

    /// The one value that it stands for, if it stands for one.
    ///
    /// # Errors
    /// Why it stands for none.
    fn value(&self, _bindings: &Bindings) -> Result<Datum, String> {
        Err("a matcher leaves open what to send".into())
    }

    /// Whether it stands for one value, so that acts may use it.
    fn is_closed(&self) -> bool {
        false
    }

    /// Collects the names that it needs and gives.
    fn names(&self, _names: &mut Names) {}

    /// Whether it can match this kind at the top of a lane.
    fn speaks_of(&self, kind: Kind) -> bool {
        kind == Kind::Message
    }
}

type Built = Result<Arc<dyn Matcher>, String>;
type Build = fn(Args<'_>) -> Built;

/// Every matcher by name; observations are in [`Kind::OBSERVATIONS`].
const TABLE: &[(&str, Build)] = &[
    ("absent", absent::build),
    ("any", any::build),
    ("bool", bool::build),
    ("bytes", bytes::build),
    ("check", check::build),
    ("contains", contains::build),
    ("gen", generate::build),
    ("get", get::build),
    ("in", range::build),
    ("int", int::build),
    ("json", json::build),
    ("len", len::build),
    ("let", let_::build),
    ("matches", matches::build),
    ("nonempty", nonempty::build),
    ("not", not::build),
    ("oneof", oneof::build),
    ("starts", starts::build),
    ("text", text::build),
    ("uint", uint::build),
    ("unique", unique::build),
    ("yaml", yaml::build),
];

/// The names of all matchers and observations.
pub fn names() -> Vec<&'static str> {
    TABLE.iter().map(|(name, _)| *name).chain(Kind::OBSERVATIONS.map(Kind::name)).collect()
}

/// Builds the matcher of a `$call`; `None` after a mistake: an unknown name (with the nearest known one), or arguments
/// that do not fit. The mistakes inside of its arguments are told too.
pub(super) fn build(
    name: &str,
    args: &[Arg],
    span: Range<usize>,
    mistakes: &mut Vec<SyntaxError>,
) -> Option<Arc<dyn Matcher>> {
    let args = Args { args, mistakes };
    let built = if let Some(kind) = Kind::from_name(name) {
        observed::build(kind, args).map_err(|message| format!("${name}: {message}"))
    } else if let Some((_, build)) = TABLE.iter().find(|(known, _)| *known == name) {
        build(args).map_err(|message| format!("${name}: {message}"))
    } else {
        Err(unknown(name))
    };
    built.map_err(|message| mistakes.push(SyntaxError { span, message })).ok()
}

fn unknown(name: &str) -> String {
    let hint = match crate::scenario::error::nearest(name, names()) {
        Some(near) => format!(", did you mean `${near}`?"),
        None => format!(" (known: ${})", names().join(", $")),
    };
    format!("no matcher `${name}`{hint}")
}

/// The arguments of a call, taken by shape, and the mistakes inside of them.
struct Args<'a> {
    args: &'a [Arg],
    mistakes: &'a mut Vec<SyntaxError>,
}

impl Args<'_> {
    fn none(self) -> Result<(), String> {
        if self.args.is_empty() { Ok(()) } else { Err("takes no argument".into()) }
    }

    fn pattern(&mut self, node: &Node) -> Pattern {
        Pattern::compiled(node, self.mistakes)
    }

    /// Exactly one pattern or value.
    fn one(mut self) -> Result<Pattern, String> {
        match self.args {
            [Arg::Value(node)] => Ok(self.pattern(node)),
            [Arg::Word(word, _)] => Err(format!("`{word}` is no value; a text is written in double quotes")),
            _ => Err("takes one value or pattern".into()),
        }
    }

    /// A bare word, then perhaps a pattern.
    fn word_and_pattern(mut self) -> Result<(String, Option<Pattern>), String> {
        match self.args {
            [Arg::Word(word, _)] => Ok((word.clone(), None)),
            [Arg::Word(word, _), Arg::Value(node)] => Ok((word.clone(), Some(self.pattern(node)))),
            _ => Err("takes a bare name, then perhaps a pattern".into()),
        }
    }

    /// `a..b`
    fn bounds(self) -> Result<(Option<i128>, Option<i128>), String> {
        match self.args {
            [Arg::Bounds(low, high, _)] => Ok((*low, *high)),
            _ => Err("takes bounds, both included: 1..5, 1.. or ..5".into()),
        }
    }
}

/// What a bound of `$in` or `$len` says, for people.
fn bounds_text(low: Option<i128>, high: Option<i128>) -> String {
    let end = |bound: Option<i128>| bound.map_or(String::new(), |bound| bound.to_string());
    format!("{}..{}", end(low), end(high))
}

fn in_bounds(value: i128, low: Option<i128>, high: Option<i128>) -> bool {
    low.is_none_or(|low| value >= low) && high.is_none_or(|high| value <= high)
}

#[cfg(test)]
mod tests;
