//! TOML with spans, read key by key; what was never asked for is unknown.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::rc::Rc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{FileErrors, Problem};
use super::shape::{Holds, Shape};
use crate::datum::{Bindings, Datum, Pattern, Turns};

/// A place in a file.
pub type Span = Range<usize>;

/// A value with its place.
#[derive(Clone, Debug)]
struct Item {
    span: Span,
    value: Value,
}

#[derive(Clone, Debug)]
enum Value {
    Text(String),
    Int(i64),
    Float(f64),
    Bool(bool),
    List(Vec<Item>),
    Table(Vec<(Text, Item)>),
}

impl Value {
    fn kind(&self) -> &'static str {
        match self {
            Value::Text(_) => "a text",
            Value::Int(_) => "an integer",
            Value::Float(_) => "a float",
            Value::Bool(_) => "a boolean",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
        }
    }
}

/// A text with its place in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// The text, loop variables replaced.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

/// What is wrong with a file so far.
pub type Problems = RefCell<Vec<Problem>>;

/// The patterns of a file: a step with `for` stands for thousands with a few different ones.
#[derive(Debug, Default)]
struct Compiled {
    /// By their texts.
    patterns: RefCell<BTreeMap<String, Pattern>>,
    /// What texts with loop variables say in every turn, by those texts; nothing where each turn is read by itself.
    turns: RefCell<BTreeMap<String, Option<Turns>>>,
}

/// Stands for every key of a table with free keys, in its [`Shape`].
pub const ANY: &str = "*";

/// A table that is being read.
#[derive(Debug)]
pub struct Table<'a> {
    entries: &'a [(Text, Item)],
    /// Where the table stands.
    pub span: Span,
    /// Loop variables (`for`), replaced in every text.
    vars: Bindings,
    /// Every key that was asked for, some more than once.
    asked: RefCell<Vec<&'static str>>,
    forgotten: Cell<bool>,
    problems: &'a Problems,
    lost: &'a Cell<bool>,
    compiled: &'a Compiled,
    /// What is asked of it, where somebody wants to know.
    shape: Option<Rc<RefCell<Shape>>>,
}

/// A parsed file.
#[derive(Debug)]
pub struct Document {
    root: Vec<(Text, Item)>,
    problems: Problems,
    lost: Cell<bool>,
    compiled: Compiled,
    file: String,
    text: String,
    /// What is no TOML; as long as something is, nothing else is told.
    syntax: Vec<Problem>,
    shape: Option<Rc<RefCell<Shape>>>,
}

impl Document {
    /// Reads a file's text; syntax errors are kept with the other problems.
    pub fn parse(file: &str, text: &str) -> Self {
        let (table, errors) = DeTable::parse_recoverable(text);
        let problem = |error: &toml::de::Error| Problem::new(error.span().unwrap_or(0..0), error.message());
        let syntax = errors.iter().map(problem).collect();
        let problems = RefCell::default();
        let root = entries(table.get_ref(), &problems);
        let compiled = Compiled::default();
        let lost = Cell::default();
        Self { root, problems, lost, compiled, file: file.into(), text: text.into(), syntax, shape: None }
    }

    /// The same document; what is asked of it is noted.
    #[must_use]
    pub fn noting(self) -> Self {
        Self { shape: Some(Rc::default()), ..self }
    }

    /// What was asked of it.
    pub fn noted(&self) -> Shape {
        self.shape.as_ref().map(|shape| shape.borrow().clone()).unwrap_or_default()
    }

    /// The outermost table.
    pub fn root(&self) -> Table<'_> {
        Table {
            entries: &self.root,
            span: 0..self.text.len().min(1),
            vars: Bindings::default(),
            asked: RefCell::default(),
            forgotten: Cell::default(),
            problems: &self.problems,
            lost: &self.lost,
            compiled: &self.compiled,
            shape: self.shape.clone(),
        }
    }

    /// Whether the file is TOML at all.
    pub fn is_toml(&self) -> bool {
        self.syntax.is_empty()
    }

    /// Whether a table could not be read at all.
    pub fn lost_something(&self) -> bool {
        self.lost.get()
    }

    /// What was found wrong, for adding to it.
    pub fn problems(&self) -> &Problems {
        &self.problems
    }

    /// Everything that is wrong, if anything is.
    pub fn errors(self) -> Result<(), FileErrors> {
        let problems = if self.syntax.is_empty() { self.problems.into_inner() } else { self.syntax };
        if problems.is_empty() {
            return Ok(());
        }
        Err(FileErrors { file: self.file, text: self.text, problems })
    }
}

fn entries(table: &DeTable<'_>, problems: &Problems) -> Vec<(Text, Item)> {
    let entry = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
        let text: &std::borrow::Cow<'_, str> = key.get_ref();
        (Text { text: text.to_string(), span: key.span() }, item(value, problems))
    };
    let mut entries: Vec<_> = table.iter().map(entry).collect();
    entries.sort_by_key(|(key, _)| key.span.start);
    entries
}

fn item(value: &Spanned<DeValue<'_>>, problems: &Problems) -> Item {
    let span = value.span();
    let value = match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::Int(number),
            Err(_) => {
                problems.borrow_mut().push(Problem::new(span.clone(), "an integer out of range"));
                Value::Int(0)
            }
        },
        DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(0.0)),
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Datetime(value) => Value::Text(value.to_string()),
        DeValue::Array(items) => Value::List(items.iter().map(|value| item(value, problems)).collect()),
        DeValue::Table(table) => Value::Table(entries(table, problems)),
    };
    Item { span, value }
}

impl<'a> Table<'a> {
    /// Whether a key is there; asking makes it known.
    pub fn has(&self, key: &'static str) -> bool {
        self.find(key).is_some()
    }

    /// Whether the value of a key is a table.
    pub fn is_table(&self, key: &'static str) -> bool {
        matches!(self.find(key), Some(Item { value: Value::Table(_), .. }))
    }

    /// The place of a key.
    pub fn key_span(&self, key: &str) -> Span {
        let found = self.entries.iter().find(|(name, _)| name.text == key);
        found.map_or(self.span.clone(), |(name, _)| name.span.clone())
    }

    /// The keys in order, for tables with free keys.
    pub fn keys(&self) -> impl Iterator<Item = &'a Text> {
        self.entries.iter().map(|(key, _)| key)
    }

    /// A text.
    pub fn text(&self, key: &'static str) -> Option<Text> {
        self.note(key, Holds::Text);
        let item = self.find(key)?;
        self.text_of(item, key)
    }

    /// A text that must be there; an empty one if it is not.
    pub fn need_text(&self, key: &'static str) -> Text {
        self.note(key, Holds::Needed);
        self.text(key).unwrap_or_else(|| {
            if !self.entries.iter().any(|(name, _)| name.text == key) {
                self.problem(self.span.clone(), format!("`{key}` is missing"));
            }
            Text { text: String::new(), span: self.span.clone() }
        })
    }

    /// A text, or a list of texts.
    pub fn texts(&self, key: &'static str) -> Vec<Text> {
        self.note(key, Holds::Texts);
        match self.find(key) {
            None => Vec::new(),
            Some(Item { value: Value::List(items), .. }) => {
                items.iter().filter_map(|item| self.text_of(item, key)).collect()
            }
            Some(item) => self.text_of(item, key).into_iter().collect(),
        }
    }

    /// True or false.
    pub fn flag(&self, key: &'static str) -> Option<bool> {
        self.note(key, Holds::Flag);
        match self.find(key)? {
            Item { value: Value::Bool(value), .. } => Some(*value),
            item => self.wrong(item, key, "true or false"),
        }
    }

    /// An integer of 0 or more.
    pub fn count(&self, key: &'static str) -> Option<u64> {
        self.note(key, Holds::Count);
        match self.find(key)? {
            Item { value: Value::Int(value), .. } if *value >= 0 => Some(*value as u64),
            Item { value: Value::Text(text), .. } => {
                let text = self.replaced(text);
                text.parse().ok().or_else(|| self.wrong(self.find(key)?, key, "an integer of 0 or more"))
            }
            item => self.wrong(item, key, "an integer of 0 or more"),
        }
    }

    /// An integer of 0 or more, or a list of them.
    pub fn counts(&self, key: &'static str) -> Option<Result<u64, Vec<u64>>> {
        self.note(key, Holds::Counts);
        match self.find(key)? {
            Item { value: Value::List(items), .. } => {
                let count = |item: &Item| match item.value {
                    Value::Int(value) if value >= 0 => Some(value as u64),
                    _ => self.wrong(item, key, "an integer of 0 or more"),
                };
                Some(Err(items.iter().filter_map(count).collect()))
            }
            _ => self.count(key).map(Ok),
        }
    }

    /// A table.
    pub fn table(&self, key: &'static str) -> Option<Table<'a>> {
        self.note(key, Holds::Table);
        match self.find(key)? {
            Item { value: Value::Table(entries), span } => Some(self.inner(key, entries, span)),
            item => self.wrong(item, key, "a table"),
        }
    }

    /// A list of tables (`[[key]]`), or one table.
    pub fn tables(&self, key: &'static str) -> Vec<Table<'a>> {
        self.note(key, Holds::Tables);
        match self.find(key) {
            None => Vec::new(),
            Some(Item { value: Value::List(items), .. }) => {
                let table = |item: &'a Item| match &item.value {
                    Value::Table(entries) => Some(self.inner(key, entries, &item.span)),
                    _ => self.wrong(item, key, "a table"),
                };
                items.iter().filter_map(table).collect()
            }
            Some(Item { value: Value::Table(entries), span }) => vec![self.inner(key, entries, span)],
            Some(item) => {
                self.wrong::<()>(item, key, "a list of tables");
                Vec::new()
            }
        }
    }

    /// The tables of a table with free keys, with their names.
    pub fn named_tables(&self, key: &'static str) -> Vec<(Text, Table<'a>)> {
        self.table(key).map(|outer| outer.every_table()).unwrap_or_default()
    }

    /// Every entry of this table as a table.
    pub fn every_table(&self) -> Vec<(Text, Table<'a>)> {
        self.note(ANY, Holds::Table);
        let table = |(key, item): &'a (Text, Item)| match &item.value {
            Value::Table(entries) => Some((key.clone(), self.inner(ANY, entries, &item.span))),
            _ => self.wrong(item, &key.text, "a table"),
        };
        self.entries.iter().filter_map(table).collect()
    }

    /// Every entry of a table with free keys as text (numbers and booleans by their text).
    pub fn every_text(&self) -> Vec<(Text, Text)> {
        self.note(ANY, Holds::Text);
        let pair = |(key, item): &(Text, Item)| Some((key.clone(), self.text_of(item, &key.text)?));
        self.entries.iter().filter_map(pair).collect()
    }

    /// A pattern in the notation.
    pub fn pattern(&self, key: &'static str) -> Option<Pattern> {
        self.note(key, Holds::Text);
        self.turn(key).or_else(|| self.compile(&self.text(key)?))
    }

    /// The pattern of this turn of a loop, where it can be made of what every turn says.
    fn turn(&self, key: &'static str) -> Option<Pattern> {
        self.vars.names().next()?;
        let Item { value: Value::Text(text), .. } = self.find(key)? else { return None };
        if !text.contains("${") {
            return None;
        }
        let mut turns = self.compiled.turns.borrow_mut();
        if !turns.contains_key(text) {
            turns.insert(text.clone(), Turns::parse(text));
        }
        turns.get(text)?.as_ref()?.turn(&|text| self.replaced(text)).ok()
    }

    /// A pattern, or a list of patterns.
    pub fn patterns(&self, key: &'static str) -> Vec<Pattern> {
        self.texts(key).iter().filter_map(|text| self.compile(text)).collect()
    }

    /// Values that acts send: patterns that leave nothing open.
    pub fn closed_patterns(&self, key: &'static str) -> Vec<Pattern> {
        self.note(key, Holds::Texts);
        if let Some(pattern) = self.turn(key).filter(|pattern| pattern.closed().is_ok()) {
            return vec![pattern];
        }
        let texts = self.texts(key);
        let closed = |text: &Text| {
            let pattern = self.compile(text)?;
            if let Err(error) = pattern.closed() {
                self.problem(self.inside(text, error.span), error.message);
            }
            Some(pattern)
        };
        texts.iter().filter_map(closed).collect()
    }

    /// One value that an act sends; a list of them is a mistake.
    pub fn closed_pattern(&self, key: &'static str) -> Option<Pattern> {
        if let [_, second, ..] = self.texts(key).as_slice() {
            self.problem(second.span.clone(), format!("`{key}` takes one value, not a list of them"));
        }
        self.closed_patterns(key).pop()
    }

    /// Compiles a text of this file, once for all texts that say the same.
    pub fn compile(&self, text: &Text) -> Option<Pattern> {
        if let Some(known) = self.compiled.patterns.borrow().get(&text.text) {
            return Some(known.clone());
        }
        match Pattern::parse(&text.text) {
            Ok(pattern) => {
                self.compiled.patterns.borrow_mut().insert(text.text.clone(), pattern.clone());
                Some(pattern)
            }
            Err(mistakes) => {
                for mistake in mistakes {
                    self.problem(self.inside(text, mistake.span), mistake.message);
                }
                None
            }
        }
    }

    /// The place in the file of a place inside a text; exact for literal texts without loop variables.
    fn inside(&self, text: &Text, inner: Span) -> Span {
        // three quotes on each side, and perhaps the line end after the first three, which is no part of the text
        let quotes = (text.span.len().saturating_sub(text.text.len())).div_ceil(2);
        let start = text.span.start + quotes + inner.start;
        let end = text.span.start + quotes + inner.end.max(inner.start + 1);
        start.min(text.span.end)..end.min(text.span.end)
    }

    /// The same table with loop variables.
    pub fn with_vars(&self, vars: &Bindings) -> Table<'a> {
        let mut all = vars.clone();
        for (name, value) in self.vars.iter().filter(|(name, _)| vars.get(name).is_none()) {
            all.set(name, value.clone());
        }
        Table {
            entries: self.entries,
            span: self.span.clone(),
            vars: all,
            asked: RefCell::default(),
            forgotten: Cell::default(),
            problems: self.problems,
            lost: self.lost,
            compiled: self.compiled,
            shape: self.shape.clone(),
        }
    }

    /// A value of a free key: a text, a number or a boolean.
    pub fn scalar(&self, key: &str) -> Option<Datum> {
        self.note(ANY, Holds::Scalar);
        let (_, item) = self.entries.iter().find(|(name, _)| name.text == key)?;
        match &item.value {
            Value::Text(text) => Some(self.replaced(text).into()),
            Value::Int(value) => Some((*value).into()),
            Value::Float(value) => Some((*value).into()),
            Value::Bool(value) => Some((*value).into()),
            _ => self.wrong(item, key, "a text, a number, a boolean or { edn = \"..\" }"),
        }
    }

    /// The text under `inner` of a free key that holds a table.
    pub fn inner_text(&self, key: &str, inner: &str) -> Option<Text> {
        let (_, item) = self.entries.iter().find(|(name, _)| name.text == key)?;
        let Value::Table(entries) = &item.value else { return None };
        let (_, item) = entries.iter().find(|(name, _)| name.text == inner)?;
        self.text_of(item, inner)
    }

    /// Notes a problem.
    pub fn problem(&self, span: Span, message: impl Into<String>) {
        self.problems.borrow_mut().push(Problem::new(span, message));
    }

    /// Whether something is wrong with the file already.
    pub fn is_troubled(&self) -> bool {
        !self.problems.borrow().is_empty()
    }

    /// Notes an unknown name.
    pub fn unknown<'n>(&self, what: &str, name: &Text, known: impl IntoIterator<Item = &'n str>) {
        self.problems.borrow_mut().push(Problem::unknown(name.span.clone(), what, &name.text, known));
    }

    /// Makes every key known: what is wrong with this table is told already.
    pub fn forget(&self) {
        self.forgotten.set(true);
    }

    /// Notes that this table is missing in what was read.
    pub fn lose(&self) {
        self.lost.set(true);
    }

    /// Notes every key that was never asked for.
    pub fn finish(&self) {
        if self.forgotten.get() {
            return;
        }
        let asked = self.asked.borrow();
        for (key, _) in self.entries.iter().filter(|(key, _)| !asked.contains(&key.text.as_str())) {
            let known: BTreeSet<&str> = asked.iter().copied().collect();
            self.unknown("key", key, known);
        }
    }

    fn find(&self, key: &'static str) -> Option<&'a Item> {
        self.asked.borrow_mut().push(key);
        self.entries.iter().find(|(name, _)| name.text == key).map(|(_, item)| item)
    }

    fn inner(&self, key: &str, entries: &'a [(Text, Item)], span: &Span) -> Table<'a> {
        let shape = self.shape.as_ref().map(|shape| shape.borrow_mut().inner(key));
        Table {
            entries,
            span: span.clone(),
            vars: self.vars.clone(),
            asked: RefCell::default(),
            forgotten: Cell::default(),
            problems: self.problems,
            lost: self.lost,
            compiled: self.compiled,
            shape,
        }
    }

    /// Notes what is asked.
    fn note(&self, key: &str, holds: Holds) {
        if let Some(shape) = &self.shape {
            shape.borrow_mut().note(key, holds);
        }
    }

    fn text_of(&self, item: &Item, key: &str) -> Option<Text> {
        let text = match &item.value {
            Value::Text(text) => self.replaced(text),
            Value::Int(value) => value.to_string(),
            Value::Float(value) => value.to_string(),
            Value::Bool(value) => value.to_string(),
            _ => return self.wrong(item, key, "a text"),
        };
        Some(Text { text, span: item.span.clone() })
    }

    /// Replaces the loop variables and nothing else.
    fn replaced(&self, text: &str) -> String {
        if !text.contains("${") {
            return text.to_owned();
        }
        let replace = |text: String, (name, value): (&str, &Datum)| {
            text.replace(&format!("${{{name}}}"), &value.as_inserted().unwrap_or_default())
        };
        self.vars.iter().fold(text.to_owned(), replace)
    }

    fn wrong<T>(&self, item: &Item, key: &str, wanted: &str) -> Option<T> {
        self.problem(item.span.clone(), format!("`{key}` must be {wanted}, this is {}", item.value.kind()));
        None
    }
}
