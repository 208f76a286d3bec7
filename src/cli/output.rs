//! stdout and stderr, and how errors look. A reader that goes away (`| head`) is no error.

use std::io::{self, IsTerminal, Write};

use anstream::AutoStream;
use anstyle::{AnsiColor, Style};

use super::Failure;
use crate::error::Error;
use crate::manifest::diagnostic::{Diagnostic, Invalid, render};
use crate::manifest::source::Sources;

/// Writes to stdout. A broken pipe or a closed stdout is taken as "not interested".
pub fn stdout(text: &str) {
    let mut out = AutoStream::auto(io::stdout());
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes a line to stderr.
pub fn stderr(line: &str) {
    let mut out = AutoStream::auto(io::stderr());
    let _ = out.write_all(format!("{line}\n").as_bytes());
}

/// Whether stderr is a terminal that shows bars.
pub fn is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// A word in colour; [`stdout`] and [`stderr`] take the colour out where it is not wanted.
pub fn paint(color: AnsiColor, text: &str) -> String {
    let style = Style::new().bold().fg_color(Some(color.into()));
    format!("{style}{text}{style:#}")
}

/// Says what failed and returns the exit code.
pub fn failure(failure: &Failure) -> u8 {
    match failure {
        Failure::Error(problem) | Failure::Manifest(Invalid::Unreadable(problem)) => {
            error(problem);
            problem.kind.exit_code()
        }
        Failure::Manifest(invalid @ Invalid::Wrong { diagnostics, sources }) => {
            let all = diagnostics.sorted();
            let errors = all.iter().filter(|d| !d.warning).count();
            self::diagnostics(&all, sources);
            let plural = if errors == 1 { "error" } else { "errors" };
            stderr(&format!("{}: the manifest has {errors} {plural}", paint(AnsiColor::Red, "error")));
            invalid.kind().exit_code()
        }
        Failure::Said(code) => *code,
    }
}

/// Shows an error with its hints.
pub fn error(error: &Error) {
    stderr(&format!("{}: {error}", paint(AnsiColor::Red, "error")));
    for hint in &error.hints {
        stderr(&format!("  {}: {hint}", paint(AnsiColor::Cyan, "help")));
    }
}

/// Shows a warning.
pub fn warning(message: &str) {
    stderr(&format!("{}: {message}", paint(AnsiColor::Yellow, "warning")));
}

/// Shows what is wrong with a manifest.
pub fn diagnostics(diagnostics: &[Diagnostic], sources: &Sources) {
    if !diagnostics.is_empty() {
        stderr(render(diagnostics, sources, true).trim_end());
        stderr("");
    }
}
