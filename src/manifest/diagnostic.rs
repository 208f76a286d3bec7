//! What is wrong with a manifest: all of it at once, each with its place, the offending text underlined, and a hint.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use super::source::{Sources, Span};
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

    /// Whether any of them is an error.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|d| !d.warning)
    }

    /// Whether the nearest valid name is worth a search: with so many errors few are shown in full, and a file of
    /// nothing but unknown names would be searched for as many times as it has names.
    pub fn wants_hints(&self) -> bool {
        self.0.len() <= SHOWN
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
        let mut annotation = AnnotationKind::Primary.span(clamp(diagnostic.span, source));
        if !diagnostic.label.is_empty() {
            annotation = annotation.label(diagnostic.label.as_str());
        }
        let snippet = Snippet::source(source).path(sources.name(diagnostic.span.source)).annotation(annotation);
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

/// The span as a range that the text has, on character borders.
fn clamp(span: Span, text: &str) -> std::ops::Range<usize> {
    let mut start = (span.start as usize).min(text.len());
    let mut end = (span.end as usize).clamp(start, text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    while !text.is_char_boundary(end) {
        end += 1;
    }
    start..end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_are_searched_for_while_there_are_few_errors() {
        let mut text =
            "[stages.p0]\nkind = \"train\"\ndata = \"d\"\nnetwork = { arch = \"mlp\", hidden = [1] }\nepochs = 1\n\
                        [data.d]\nsource = \"digits\"\n"
                .to_owned();
        for i in 1..=200 {
            text += &format!(
                "[stages.p{i}]\nkind = \"prune\"\nfrom = \"q{i}\"\nmethod = {{ kind = \"weights\", sparsity = 0.5 }}\n"
            );
        }
        let Err(Invalid::Wrong { diagnostics, .. }) = crate::manifest::parse("m.toml".as_ref(), text.as_bytes(), &[])
        else {
            panic!("no stage `q1`")
        };
        let all = diagnostics.sorted();
        assert_eq!(all.len(), 200);
        assert_eq!(all[0].hints, ["did you mean `p1`?"]);
        let hinted = all.iter().filter(|diagnostic| !diagnostic.hints.is_empty()).count();
        assert!((SHOWN..2 * SHOWN).contains(&hinted), "{hinted}");
    }
}
