//! Notation with meaning: what a message must look like, or the value that an act sends.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::{Display, from_fn};
use std::ops::Range;
use std::sync::Arc;

use super::compare::{Compare, duplicate, equal, same, value_of};
use super::matcher::{self, Matcher};
use super::notation::{Form, Node, SyntaxError, parse};
use super::{Bindings, Datum, Head, Kind, Mismatch, MismatchKind, brief, mentioned};

/// What a pattern looks at: a message, an observation, or a value inside one (which may be absent).
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// Message, for everything but the outermost value of an observation.
    pub kind: Kind,
    /// The value; `None` where a key or element is missing.
    pub datum: Option<&'a Datum>,
}

impl<'a> View<'a> {
    /// A value inside a message.
    pub fn of(datum: &'a Datum) -> Self {
        Self { kind: Kind::Message, datum: Some(datum) }
    }

    /// The value, where only a present value of a message will do. What was wanted is put into words only where it
    /// is not there: most patterns are tried on what is not for them.
    ///
    /// # Errors
    /// A mismatch that says what was wanted.
    pub fn message(self, wanted: impl Display) -> Result<&'a Datum, Mismatch> {
        if self.kind != Kind::Message {
            return Err(Mismatch::new(MismatchKind::Observation, wanted, self));
        }
        self.datum.ok_or_else(|| Mismatch::new(MismatchKind::Missing, wanted, "nothing"))
    }

    /// Compares with a value.
    ///
    /// # Errors
    /// The difference, or that there is no value of a message.
    pub(super) fn equals(self, wanted: &Datum, compare: Compare) -> Result<(), Mismatch> {
        equal(wanted, self.message(from_fn(|f| f.write_str(&brief(wanted))))?, compare)
    }
}

/// Longest reason of malformed bytes that is shown, in characters.
const REASON: usize = 500;

impl Display for View<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.kind, self.datum) {
            (Kind::Message, Some(datum)) => f.write_str(&brief(datum)),
            (Kind::Message, None) => f.write_str("nothing"),
            (kind, None | Some(Datum::Null)) => write!(f, "{kind}"),
            (Kind::Malformed, Some(Datum::Text(reason, _))) => {
                let reason: String = reason.chars().take(REASON).collect();
                write!(f, "{}({})", self.kind, Datum::text(reason))
            }
            (kind, Some(datum)) => write!(f, "{kind}({})", brief(datum)),
        }
    }
}

/// A named predicate of a protocol, for `$check(NAME)`.
pub type Checks<'a> = &'a dyn Fn(&str, &Datum) -> Result<(), String>;

/// What one match may read, and what it found out.
pub struct Scope<'a> {
    /// How values are compared.
    pub compare: Compare,
    /// The names bound before.
    pub bindings: &'a Bindings,
    /// The named predicates of the protocol.
    pub checks: Checks<'a>,
    /// Names that this match binds; they count once the whole pattern has matched.
    pub bound: Vec<(String, Datum)>,
    /// Values that this match adds to the sets of `$unique`.
    pub unique: Vec<(String, Datum)>,
    /// Labels of `$oneof` that were taken.
    pub labels: Vec<String>,
}

impl<'a> Scope<'a> {
    /// A scope for one match.
    pub fn new(compare: Compare, bindings: &'a Bindings, checks: Checks<'a>) -> Self {
        Self { compare, bindings, checks, bound: Vec::new(), unique: Vec::new(), labels: Vec::new() }
    }

    /// The value of a name, bound before or in this match.
    pub fn get(&self, name: &str) -> Option<&Datum> {
        let here = self.bound.iter().rev().find(|(bound, _)| bound == name).map(|(_, value)| value);
        here.or_else(|| self.bindings.get(name))
    }

    /// Tries something, and forgets what it found out if it fails.
    pub fn attempt<T>(&mut self, act: impl FnOnce(&mut Self) -> Result<T, Mismatch>) -> Result<T, Mismatch> {
        let mark = (self.bound.len(), self.unique.len(), self.labels.len());
        let result = act(self);
        if result.is_err() {
            self.bound.truncate(mark.0);
            self.unique.truncate(mark.1);
            self.labels.truncate(mark.2);
        }
        result
    }

    /// Makes what this match found out part of the bindings.
    pub fn found(self) -> Found {
        Found { bound: self.bound, unique: self.unique, labels: self.labels }
    }
}

/// What a successful match found out.
#[derive(Clone, Debug, Default)]
pub struct Found {
    bound: Vec<(String, Datum)>,
    unique: Vec<(String, Datum)>,
    /// Labels of `$oneof` that were taken.
    pub labels: Vec<String>,
}

impl Found {
    /// Adds names and sets to the bindings.
    pub fn commit(self, bindings: &mut Bindings) -> Vec<String> {
        self.remember(bindings);
        for (name, value) in self.bound {
            bindings.set(name, value);
        }
        self.labels
    }

    /// Adds only the sets: what a rule binds lives for one message.
    pub fn remember(&self, bindings: &mut Bindings) {
        for (set, value) in &self.unique {
            bindings.remember(set, value);
        }
    }

    /// The names that were bound.
    pub fn bound(&self) -> &[(String, Datum)] {
        &self.bound
    }
}

/// The names that a pattern needs and gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Must be bound before (`$get`, `${..}`).
    pub uses: BTreeSet<String>,
    /// Are bound when it matches (`$let`, named groups).
    pub binds: BTreeSet<String>,
    /// `$check` predicates.
    pub checks: BTreeSet<String>,
    /// Labels of `$oneof`.
    pub labels: BTreeSet<String>,
}

/// A compiled piece of notation.
#[derive(Clone, Debug)]
pub struct Pattern {
    span: Range<usize>,
    /// Shared, as every case has a script of its own.
    form: Arc<Shape>,
    /// Whether it needs or gives names: most parts of most patterns have none.
    is_named: bool,
}

/// What a pattern is made of.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    Exact(Datum),
    Template(String, Head),
    Chunks(bool, Vec<Pattern>),
    Array { before: Vec<Pattern>, after: Option<Vec<Pattern>>, head: Head },
    Map { entries: Vec<(Pattern, Pattern)>, open: bool, head: Head },
    Tag(u64, Head, Box<Pattern>),
    Embedded(Vec<Pattern>),
    Matcher(Arc<dyn Matcher>),
}

impl Shape {
    fn is_named(&self) -> bool {
        match self {
            Shape::Exact(_) => false,
            Shape::Template(..) => true,
            Shape::Chunks(_, items) | Shape::Embedded(items) => items.iter().any(|item| item.is_named),
            Shape::Array { before, after, .. } => {
                before.iter().chain(after.iter().flatten()).any(|item| item.is_named)
            }
            Shape::Map { entries, .. } => entries.iter().any(|(key, value)| key.is_named || value.is_named),
            Shape::Tag(_, _, inner) => inner.is_named,
            Shape::Matcher(matcher) => {
                let mut names = Names::default();
                matcher.names(&mut names);
                names != Names::default()
            }
        }
    }
}

impl Pattern {
    /// Reads and compiles.
    ///
    /// # Errors
    /// The first place that is not notation, or every matcher that does not exist or got wrong arguments.
    pub fn parse(text: &str) -> Result<Self, Vec<SyntaxError>> {
        Self::compile(&parse(text).map_err(|error| vec![error])?)
    }

    /// Gives meaning to a syntax tree.
    ///
    /// # Errors
    /// Every matcher that does not exist or got wrong arguments; every `...` out of place.
    pub fn compile(node: &Node) -> Result<Self, Vec<SyntaxError>> {
        let mut mistakes = Vec::new();
        let pattern = Self::compiled(node, &mut mistakes);
        if mistakes.is_empty() { Ok(pattern) } else { Err(mistakes) }
    }

    /// Gives meaning to what has one; what has none is a mistake, and null in a pattern that nobody will use.
    pub(super) fn compiled(node: &Node, mistakes: &mut Vec<SyntaxError>) -> Self {
        let form = match &node.form {
            Form::Scalar(datum) => Shape::Exact(datum.clone()),
            Form::Text(text, head) if text.contains("${") => Shape::Template(text.clone(), *head),
            Form::Text(text, head) => Shape::Exact(Datum::Text(text.clone().into(), *head)),
            Form::Chunks(is_text, items) => Shape::Chunks(*is_text, compile_all(items, mistakes)),
            Form::Array(items, head) => compile_array(items, *head, mistakes),
            Form::Map(entries, head) => compile_map(entries, *head, mistakes),
            Form::Tag(number, head, inner) => {
                Shape::Tag(*number, *head, Box::new(Self::compiled(inner, mistakes)))
            }
            Form::Embedded(items) => Shape::Embedded(compile_all(items, mistakes)),
            Form::Call(name, args) => matcher::build(name, args, node.span.clone(), mistakes)
                .map_or(Shape::Exact(Datum::Null), Shape::Matcher),
            Form::Rest => {
                let message = "`...` stands only in a list or a map".into();
                mistakes.push(SyntaxError { span: node.span.clone(), message });
                Shape::Exact(Datum::Null)
            }
        };
        Self::new(node.span.clone(), form)
    }

    /// A pattern that stands there in its text.
    pub(super) fn new(span: Range<usize>, form: Shape) -> Self {
        let is_named = form.is_named();
        Self { span, form: Arc::new(form), is_named }
    }

    pub(super) fn shape(&self) -> &Shape {
        &self.form
    }

    /// Where it stands in its text, in bytes.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Compares; the first difference in the order of the pattern.
    ///
    /// # Errors
    /// The difference.
    pub fn matches(&self, view: View<'_>, scope: &mut Scope<'_>) -> Result<(), Mismatch> {
        match &*self.form {
            Shape::Matcher(matcher) => matcher.matches(view, scope),
            Shape::Array { before, after, .. } => self.match_array(before, after.as_deref(), view, scope),
            Shape::Map { entries, open, .. } => self.match_map(entries, *open, view, scope),
            Shape::Tag(number, _, inner) => match view.message("a tag")? {
                Datum::Tag(got, _, datum) if got == number => inner.matches(View::of(datum), scope),
                other => Err(Mismatch::of_type(format_args!("tag {number}"), other)),
            },
            _ => {
                let wanted = self.value_in(scope)?;
                view.equals(&wanted, scope.compare)
            }
        }
    }

    /// Whether a value may fit, by the parts that are spelled out: a quick no for most of what does not.
    pub fn may_match(&self, view: View<'_>, compare: Compare) -> bool {
        let datum = match (&*self.form, view.datum) {
            (Shape::Matcher(matcher), datum) => return datum.is_none() || matcher.speaks_of(view.kind),
            (_, Some(datum)) if view.kind == Kind::Message => datum,
            _ => return false,
        };
        match &*self.form {
            Shape::Exact(wanted) => same(wanted, datum, compare),
            Shape::Map { entries, .. } => datum.as_map().is_some_and(|got| {
                entries.iter().all(|(key, pattern)| match &*key.form {
                    Shape::Exact(key) => pattern
                        .may_match(View { kind: Kind::Message, datum: value_of(got, key, compare) }, compare),
                    _ => true,
                })
            }),
            _ => true,
        }
    }

    pub(super) fn value_in(&self, scope: &Scope<'_>) -> Result<Cow<'_, Datum>, Mismatch> {
        if let Shape::Exact(datum) = &*self.form {
            return Ok(Cow::Borrowed(datum));
        }
        let mut bindings = Cow::Borrowed(scope.bindings);
        for (name, value) in &scope.bound {
            bindings.to_mut().set(name.clone(), value.clone());
        }
        self.value(&bindings)
            .map(Cow::Owned)
            .map_err(|why| Mismatch::new(MismatchKind::Value, why, "nothing to compare with"))
    }

    fn match_array(
        &self,
        before: &[Pattern],
        after: Option<&[Pattern]>,
        view: View<'_>,
        scope: &mut Scope<'_>,
    ) -> Result<(), Mismatch> {
        let datum = view.message("an array")?;
        let Some(items) = datum.as_array() else { return Err(Mismatch::of_type("array", datum)) };
        let tail = after.unwrap_or_default();
        for (index, pattern) in before.iter().enumerate() {
            let view = View { kind: Kind::Message, datum: items.get(index) };
            pattern.matches(view, scope).map_err(|mismatch| mismatch.under_index(index))?;
        }
        if items.len() < before.len() + tail.len() {
            let least = before.len() + tail.len();
            let (wanted, got) =
                (format_args!("at least {least} elements"), format_args!("{} elements", items.len()));
            return Err(Mismatch::new(MismatchKind::Length, wanted, got));
        }
        if after.is_none() && items.len() > before.len() {
            let extra = Mismatch::new(MismatchKind::Extra, "no further element", brief(&items[before.len()]));
            return Err(extra.under_index(before.len()));
        }
        let start = items.len() - tail.len();
        for (offset, pattern) in tail.iter().enumerate() {
            let index = start + offset;
            pattern
                .matches(View::of(&items[index]), scope)
                .map_err(|mismatch| mismatch.under_index(index))?;
        }
        Ok(())
    }

    fn match_map(
        &self,
        entries: &[(Pattern, Pattern)],
        open: bool,
        view: View<'_>,
        scope: &mut Scope<'_>,
    ) -> Result<(), Mismatch> {
        let datum = view.message("a map")?;
        let Some(got) = datum.as_map() else { return Err(Mismatch::of_type("map", datum)) };
        if let Some(key) = duplicate(got) {
            return Err(Mismatch::new(MismatchKind::Duplicate, "each key once", brief(key)).under(key));
        }
        let mut named = Vec::with_capacity(entries.len());
        for (key, pattern) in entries {
            let key = key.value_in(scope)?;
            let view = View { kind: Kind::Message, datum: value_of(got, &key, scope.compare) };
            pattern.matches(view, scope).map_err(|mismatch| mismatch.under(&key))?;
            named.push(key);
        }
        if open {
            return Ok(());
        }
        let is_named = |name: &Datum| named.iter().any(|key| same(key, name, scope.compare));
        match got.iter().find(|(name, _)| !is_named(name)) {
            Some((name, value)) => {
                Err(Mismatch::new(MismatchKind::Extra, "no such key", brief(value)).under(name))
            }
            None => Ok(()),
        }
    }

    /// The value that an act sends.
    ///
    /// # Errors
    /// What keeps it from being a value: an unbound name, a matcher that leaves something open.
    pub fn value(&self, bindings: &Bindings) -> Result<Datum, String> {
        let all = |patterns: &[Pattern]| {
            patterns.iter().map(|item| item.value(bindings)).collect::<Result<Vec<_>, _>>()
        };
        Ok(match &*self.form {
            Shape::Exact(datum) => datum.clone(),
            Shape::Template(text, head) => {
                let text = bindings.insert_into(text).map_err(|name| format!("`{name}` is not bound"))?;
                Datum::Text(text.into(), *head)
            }
            Shape::Chunks(is_text, chunks) => Datum::Chunks(*is_text, all(chunks)?),
            Shape::Array { after: Some(_), .. } | Shape::Map { open: true, .. } => {
                return Err("`...` leaves open what to send".into());
            }
            Shape::Array { before, head, .. } => Datum::Array(all(before)?, *head),
            Shape::Map { entries, head, .. } => {
                let entry =
                    |(key, value): &(Pattern, Pattern)| Ok((key.value(bindings)?, value.value(bindings)?));
                Datum::Map(entries.iter().map(entry).collect::<Result<_, String>>()?, *head)
            }
            Shape::Tag(number, head, inner) => Datum::Tag(*number, *head, Box::new(inner.value(bindings)?)),
            Shape::Embedded(items) => {
                let mut bytes = Vec::new();
                for item in all(items)? {
                    crate::codec::cbor::encode(&item, &mut bytes);
                }
                Datum::bytes(bytes)
            }
            Shape::Matcher(matcher) => return matcher.value(bindings),
        })
    }

    /// Whether acts may use it: nothing is left open.
    ///
    /// # Errors
    /// Where and why it is open.
    pub fn closed(&self) -> Result<(), SyntaxError> {
        let open = |message: &str| Err(SyntaxError { span: self.span.clone(), message: message.into() });
        match &*self.form {
            Shape::Exact(_) | Shape::Template(..) => Ok(()),
            Shape::Array { after: Some(_), .. } | Shape::Map { open: true, .. } => {
                open("`...` leaves open what to send")
            }
            Shape::Chunks(_, items) | Shape::Embedded(items) | Shape::Array { before: items, .. } => {
                items.iter().try_for_each(Pattern::closed)
            }
            Shape::Map { entries, .. } => {
                entries.iter().try_for_each(|(key, value)| key.closed().and_then(|()| value.closed()))
            }
            Shape::Tag(_, _, inner) => inner.closed(),
            Shape::Matcher(matcher) if matcher.is_closed() => Ok(()),
            Shape::Matcher(_) => open("a matcher leaves open what to send; acts need a value"),
        }
    }

    /// Collects the names that it needs and gives.
    pub fn names(&self, names: &mut Names) {
        if !self.is_named {
            return;
        }
        match &*self.form {
            Shape::Exact(_) => {}
            Shape::Template(text, _) => names.uses.extend(mentioned(text).into_iter().map(str::to_owned)),
            Shape::Chunks(_, items) | Shape::Embedded(items) => {
                items.iter().for_each(|item| item.names(names))
            }
            Shape::Array { before, after, .. } => {
                before.iter().chain(after.iter().flatten()).for_each(|item| item.names(names));
            }
            Shape::Map { entries, .. } => {
                for (key, value) in entries {
                    key.names(names);
                    value.names(names);
                }
            }
            Shape::Tag(_, _, inner) => inner.names(names),
            Shape::Matcher(matcher) => matcher.names(names),
        }
    }

    /// Whether it speaks of this kind of observation at its top (through `$oneof` and `$let` too).
    pub fn speaks_of(&self, kind: Kind) -> bool {
        match &*self.form {
            Shape::Matcher(matcher) => matcher.speaks_of(kind),
            _ => kind == Kind::Message,
        }
    }
}

fn compile_all(nodes: &[Node], mistakes: &mut Vec<SyntaxError>) -> Vec<Pattern> {
    nodes.iter().map(|node| Pattern::compiled(node, mistakes)).collect()
}

fn compile_array(items: &[Node], head: Head, mistakes: &mut Vec<SyntaxError>) -> Shape {
    let mut parts = items.splitn(2, |item| item.form == Form::Rest);
    let before = compile_all(parts.next().unwrap_or_default(), mistakes);
    let after = parts.next().map(|items| compile_all(items, mistakes));
    Shape::Array { before, after, head }
}

fn compile_map(nodes: &[(Node, Node)], head: Head, mistakes: &mut Vec<SyntaxError>) -> Shape {
    let (rests, named): (Vec<_>, Vec<_>) = nodes.iter().partition(|(key, _)| key.form == Form::Rest);
    for (second, _) in rests.iter().skip(1) {
        let message = "`...` stands once in a map".into();
        mistakes.push(SyntaxError { span: second.span.clone(), message });
    }
    let mut part = |node| Pattern::compiled(node, mistakes);
    let entries = named.into_iter().map(|(key, value)| (part(key), part(value))).collect();
    Shape::Map { entries, open: !rests.is_empty(), head }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datum::notation::parse_datum;

    fn check(pattern: &str, datum: &str) -> Result<(), String> {
        let bindings = Bindings::default();
        let mut scope = Scope::new(Compare::Typed, &bindings, &|_, _| Ok(()));
        let datum = parse_datum(datum).expect("a value");
        let pattern = Pattern::parse(pattern).expect("a pattern");
        let result = pattern.matches(View::of(&datum), &mut scope);
        assert!(result.is_err() || pattern.may_match(View::of(&datum), Compare::Typed), "a hasty no");
        result.map_err(|m| m.to_string())
    }

    #[test]
    fn what_is_spelled_out_otherwise_is_told_at_once() {
        let may = |pattern: &str, view: View<'_>| {
            Pattern::parse(pattern).expect("a pattern").may_match(view, Compare::ByValue)
        };
        let datum = parse_datum(r#"{"a": {"b": 1}, "c": "x"}"#).expect("a value");
        let message = View::of(&datum);
        assert!(may(r#"{"a": {"b": 1.0}, ...}"#, message) && may(r#"{"a": {"b": $int}, ...}"#, message));
        assert!(!may(r#"{"a": {"b": 2}, ...}"#, message) && !may(r#"{"d": 1, ...}"#, message));
        assert!(may(r#"{"d": $absent, ...}"#, message) && !may("$exit(0)", message));
        let exit = View { kind: Kind::Exit, datum: Some(&datum) };
        assert!(may("$exit($any)", exit) && !may("{...}", exit) && !may("$end", exit));
    }

    #[test]
    fn exact_by_default_and_open_where_it_says_so() {
        assert_eq!(check(r#"{"a": 1, ...}"#, r#"{"a": 1, "b": 2}"#), Ok(()));
        assert_eq!(
            check(r#"{"a": 1}"#, r#"{"a": 1, "b": 2}"#),
            Err("at /b: wanted no such key, got 2".into())
        );
        assert_eq!(check("[1, ..., 9]", "[1, 2, 3, 9]"), Ok(()));
        assert_eq!(check("[..., 9]", "[]"), Err("wanted at least 1 elements, got 0 elements".into()));
    }

    #[test]
    fn one_is_not_one_point_zero_in_cbor_and_widths_do_not_matter() {
        assert!(check("1", "1.0").is_err());
        assert_eq!(check("1", "1_3"), Ok(()));
        assert_eq!(check("\"ab\"", "(_ \"a\", \"b\")"), Ok(()));
    }

    #[test]
    fn a_duplicate_key_never_matches_silently() {
        assert_eq!(
            check(r#"{"a": 1, ...}"#, r#"{"a": 1, "a": 1}"#),
            Err("at /a: wanted each key once, got \"a\"".into())
        );
    }

    #[test]
    fn null_is_named_once() {
        assert!(check("$int", "null").is_err_and(|why| why.ends_with(", got null")));
    }

    #[test]
    fn absence_can_be_wanted() {
        assert_eq!(check(r#"{"a": $oneof([], null, $absent), ...}"#, r#"{"b": 1}"#), Ok(()));
        assert!(check(r#"{"a": $any, ...}"#, r#"{"b": 1}"#).is_err());
    }
}
