//! Errors of files: each with file, line, caret and remedy; all of a file at once.

use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// One thing that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Bytes of the file.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// The name that nobody knows, if that is what is wrong.
    pub unknown: Option<Unknown>,
}

/// A name that is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// What it should name: `step`, `lane`, `capability`, ..
    pub what: String,
    /// As it stands in the file.
    pub name: String,
}

impl Problem {
    /// A problem that speaks for itself.
    pub fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), help: None, unknown: None }
    }

    /// A name that is not known, with the known one that it was probably meant to be.
    pub fn unknown<'a>(
        span: Range<usize>,
        what: &str,
        name: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut known: Vec<&str> = known.into_iter().filter(|name| !name.is_empty()).collect();
        known.sort_unstable();
        known.dedup();
        let help = match nearest(name, known.iter().copied()) {
            Some(near) => Some(format!("did you mean `{near}`?")),
            None if known.is_empty() => None,
            None => Some(format!("known: {}", known.join(", "))),
        };
        let unknown = Some(Unknown { what: what.into(), name: name.into() });
        Self { span, message: format!("unknown {what} `{name}`"), help, unknown }
    }

    /// The same at the unknown name itself, where so far the head of its table (`[[step]]`) is the place.
    #[must_use]
    pub fn at_its_name(self, text: &str) -> Self {
        let place = |problem: &Self| {
            let name = problem.unknown.as_ref()?.name.as_str();
            text.get(problem.span.clone()).filter(|head| head.starts_with("[["))?;
            let rest = text.get(problem.span.end..)?;
            let table = rest.find("\n[").map_or(rest, |end| &rest[..end]);
            let start = problem.span.end + word(table, name)?;
            Some(start..start + name.len())
        };
        let span = place(&self).unwrap_or(self.span.clone());
        Self { span, ..self }
    }
}

/// All that is wrong with one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileErrors {
    /// The file as messages name it.
    pub file: String,
    /// Its text; empty if it could not be read.
    pub text: String,
    /// In order of place.
    pub problems: Vec<Problem>,
}

impl FileErrors {
    /// A file that could not be read at all.
    pub fn unreadable(file: &str, why: impl Into<String>) -> Self {
        Self { file: file.into(), text: String::new(), problems: vec![Problem::new(0..0, why)] }
    }

    /// The errors as compilers show them; `styled` for a terminal.
    pub fn render(&self, styled: bool) -> String {
        let renderer = if styled { Renderer::styled() } else { Renderer::plain() };
        let renderer = renderer.decor_style(DecorStyle::Ascii);
        let mut problems: Vec<&Problem> = self.problems.iter().collect();
        problems.sort_by_key(|problem| (problem.span.start, problem.span.end));
        problems.dedup();
        let rendered: Vec<String> =
            problems.iter().map(|problem| self.render_one(problem, &renderer)).collect();
        rendered.join("\n\n")
    }

    fn render_one(&self, problem: &Problem, renderer: &Renderer) -> String {
        if self.text.is_empty() {
            return format!("error: {}: {}", self.file, problem.message);
        }
        let end = problem.span.end.min(self.text.len());
        let span = problem.span.start.min(end)..end;
        let snippet = Snippet::source(self.text.as_str())
            .path(self.file.as_str())
            .annotation(AnnotationKind::Primary.span(span));
        let mut group: Group<'_> = Level::ERROR.primary_title(problem.message.as_str()).element(snippet);
        if let Some(help) = &problem.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        renderer.render(&[group]).to_string()
    }
}

/// Where a name is used in a table: as `$get(name)` or `${name}`, else as a word.
fn word(table: &str, name: &str) -> Option<usize> {
    let used = |open: &str| Some(table.find(&format!("{open}{name}"))? + open.len());
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let alone = |at: &usize| {
        !is_part(table[..*at].chars().next_back()) && !is_part(table[at + name.len()..].chars().next())
    };
    used("$get(").filter(alone).or(used("${").filter(alone)).or_else(|| {
        let mut words = table.match_indices(name).map(|(at, _)| at).filter(alone);
        words.next()
    })
}

/// The known name that a wrong one was probably meant to be: one that differs in few letters, or with which it begins.
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |name: &str| {
        let of_case = 1 + strsim::damerau_levenshtein(&wrong.to_lowercase(), &name.to_lowercase());
        strsim::damerau_levenshtein(wrong, name).min(of_case)
    };
    let best = known.into_iter().map(|name| (distance(name), name)).min()?;
    let begins = best.1.len() >= 4 && wrong.starts_with(best.1);
    (begins || best.0 <= 1 + wrong.chars().count() / 4).then_some(best.1)
}
