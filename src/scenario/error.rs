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
}

impl Problem {
    /// A problem that speaks for itself.
    pub fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), help: None }
    }

    /// A name that is not known, with the known one that it was probably meant to be.
    pub fn unknown<'a>(
        span: Range<usize>,
        what: &str,
        name: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut known: Vec<&str> = known.into_iter().collect();
        known.sort_unstable();
        known.dedup();
        let help = match nearest(name, known.iter().copied()) {
            Some(near) => Some(format!("did you mean `{near}`?")),
            None if known.is_empty() => None,
            None => Some(format!("known: {}", known.join(", "))),
        };
        Self { span, message: format!("unknown {what} `{name}`"), help }
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

/// The known name that a wrong one was probably meant to be.
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let best = known.into_iter().map(|name| (strsim::damerau_levenshtein(wrong, name), name)).min()?;
    (best.0 <= 1 + wrong.chars().count() / 4).then_some(best.1)
}
