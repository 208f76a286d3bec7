//! What is wrong with a manifest: all of it at once, each with its place, the offending text underlined, and a hint.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use super::nearest;
use super::source::{Sources, Span, whole_characters};
use crate::error::{Error, Kind};

/// One thing that is wrong, or probably not meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Only warns; the manifest is still valid.
    pub warning: bool,
    /// One sentence without a full stop.
    pub message: String,
    /// The offending text.
    pub span: Span,
    /// A few words under the underline.
    pub label: String,
    /// What to do.
    pub hints: Vec<String>,
}

impl Diagnostic {
    /// Adds what to do.
    pub fn hint(&mut self, hint: impl Into<String>) -> &mut Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds a few words under the underline.
    pub fn label(&mut self, label: impl Into<String>) -> &mut Self {
        self.label = label.into();
        self
    }
}

/// The diagnostics gathered so far.
#[derive(Debug, Clone, Default)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// Notes an error.
    pub fn error(&mut self, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.push(false, span, message.into())
    }

    /// Notes something that is allowed but probably not meant.
    pub fn warning(&mut self, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.push(true, span, message.into())
    }

    fn push(&mut self, warning: bool, span: Span, message: String) -> &mut Diagnostic {
        self.0.push(Diagnostic { warning, message, span, label: String::new(), hints: Vec::new() });
        self.0.last_mut().expect("just pushed")
    }

    /// Notes a name that is none of `names`, with the one that may have been meant.
    pub fn unknown<'a>(
        &mut self,
        span: Span,
        message: impl Into<String>,
        written: &str,
        names: impl IntoIterator<Item = &'a str> + Clone,
    ) -> &mut Diagnostic {
        // Comparing every wrong name of a large file with every right one would take minutes.
        let hint = if self.0.len() < 10 * SHOWN { nearest::hint(written, names) } else { None };
        let error = self.error(span, message);
        error.hints.extend(hint);
        error
    }

    /// Puts a better hint in the place of those of the last error, if it is about this place.
    pub fn replace_hints(&mut self, span: Span, hint: impl Into<String>) {
        if let Some(last) = self.0.last_mut().filter(|last| last.span == span) {
            last.hints = vec![hint.into()];
        }
    }

    /// Takes out of what was noted after the first `count` what is among those before it from number `first` on: instances
    /// of one section have their mistakes in common.
    pub fn forget_repeats(&mut self, first: usize, count: usize) {
        let new = self.0.split_off(count);
        let is_new = |one: &Diagnostic| !self.0[first..].contains(one);
        let new: Vec<Diagnostic> = new.into_iter().filter(is_new).collect();
        self.0.extend(new);
    }

    /// Whether there are more errors than anybody reads, so that looking for more of one section's is no use.
    pub fn are_many(&self) -> bool {
        self.0.iter().filter(|d| !d.warning).count() >= 10 * SHOWN
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The places of the errors that were noted after the first `count` diagnostics.
    pub fn errors_after(&self, count: usize) -> impl Iterator<Item = Span> {
        self.0[count..].iter().filter(|d| !d.warning).map(|d| d.span)
    }

    /// Whether any of them is an error.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|d| !d.warning)
    }

    /// In the order of the texts, each once.
    pub fn sorted(&self) -> Vec<Diagnostic> {
        let mut all = self.0.clone();
        all.sort_by_key(|d| (d.span.source, d.span.start, d.span.end));
        all.dedup();
        all
    }
}

/// Why there is no manifest.
#[derive(Debug)]
pub enum Invalid {
    /// The file could not be read.
    Unreadable(Error),
    /// It was read, and this is wrong with it.
    Wrong {
        /// Everything that is wrong.
        diagnostics: Diagnostics,
        /// The texts that the spans point into.
        sources: Sources,
    },
}

impl Invalid {
    /// What kind of error this is, for the exit code.
    pub fn kind(&self) -> Kind {
        match self {
            Invalid::Unreadable(error) => error.kind,
            Invalid::Wrong { .. } => Kind::Manifest,
        }
    }
}

/// How many diagnostics are shown in full; the rest are counted.
const SHOWN: usize = 50;

/// The diagnostics as text for a person, in colour if asked.
pub fn render(diagnostics: &[Diagnostic], sources: &Sources, colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let mut text = String::new();
    for diagnostic in diagnostics.iter().take(SHOWN) {
        let level = if diagnostic.warning { Level::WARNING } else { Level::ERROR };
        let source = sources.text(diagnostic.span.source);
        let mut annotation = AnnotationKind::Primary.span(whole_characters(diagnostic.span, source));
        if !diagnostic.label.is_empty() {
            annotation = annotation.label(diagnostic.label.as_str());
        }
        // The text of a `--set` is shown; its name would only say it again.
        let name = sources.name(diagnostic.span.source);
        let name = if name.starts_with("--set ") { "--set" } else { name };
        let snippet = Snippet::source(source).path(name).annotation(annotation);
        let mut group = level.primary_title(diagnostic.message.as_str()).element(snippet);
        for hint in &diagnostic.hints {
            group = group.element(Level::HELP.message(hint.as_str()));
        }
        text.push_str(&renderer.render(&[group]));
        text.push_str("\n\n");
    }
    if diagnostics.len() > SHOWN {
        text.push_str(&format!("… and {} more\n", diagnostics.len() - SHOWN));
    }
    text
}
