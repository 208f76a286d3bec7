//! stdout and stderr, and how errors look. A reader that goes away (`| head`) is no error; a full disk is one.

use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;

use anstream::AutoStream;
use anstyle::{AnsiColor, Style};
use terminal_size::{Width, terminal_size_of};

use super::Failure;
use crate::error::{Error, Kind};
use crate::manifest::diagnostic::{Diagnostic, Invalid, render};
use crate::manifest::source::Sources;

/// The first write to stdout that failed.
static LOST: Mutex<Option<io::Error>> = Mutex::new(None);

/// Writes to stdout. A broken pipe or a closed stdout is taken as "not interested"; any other failure is kept for [`lost`], so
/// that what the command does is done.
pub fn stdout(text: &str) {
    let text = if io::stdout().is_terminal() { &harmless(text) } else { text };
    note(AutoStream::auto(io::stdout()), text.as_bytes());
}

/// Writes to stdout what is not for a person, as it is.
pub fn bytes(content: &[u8]) {
    note(io::stdout(), content);
}

fn note(mut out: impl Write, content: &[u8]) {
    if let Err(error) = out.write_all(content).and_then(|()| out.flush())
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        LOST.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).get_or_insert(error);
    }
}

/// That something could not be written to stdout.
pub fn lost() -> Option<Error> {
    let error = LOST.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take()?;
    let lost = Error::new(Kind::Store, format!("cannot write to standard output ({error}), and part of it is missing"));
    Some(if error.kind() == io::ErrorKind::FileTooLarge { lost.hint(crate::store::FILE_LIMIT) } else { lost })
}

/// Writes a line to stderr.
pub fn stderr(line: &str) {
    let mut out = AutoStream::auto(io::stderr());
    let _ = out.write_all(format!("{}\n", harmless(line)).as_bytes());
}

/// The text without what would move a terminal's cursor or change its state: names of files and classes come from anywhere.
/// Colours stay, as those are ours; other control characters are written out.
pub fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_control() && c != '\n' && c != '\t') {
        let (before, found) = rest.split_at(at);
        shown.push_str(before);
        let length = colour(found).unwrap_or(0);
        shown.push_str(&found[..length]);
        rest = &found[length..];
        if length == 0
            && let Some(character) = rest.chars().next()
        {
            shown.extend(character.escape_default());
            rest = &rest[character.len_utf8()..];
        }
    }
    shown.push_str(rest);
    shown
}

/// The length of the sequence that `text` begins with, if that sets a colour and nothing else: `ESC [ 1 ; 31 m`.
fn colour(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix("\x1b[")?;
    let end = parameters.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    parameters[end..].starts_with('m').then_some("\x1b[".len() + end + 1)
}

/// Whether stderr is a terminal that shows bars: one that can move its cursor.
pub fn is_terminal() -> bool {
    io::stderr().is_terminal() && std::env::var_os("TERM").is_some_and(|name| !name.is_empty() && name != "dumb")
}

/// How many characters fit a line of stderr, if it is a terminal that tells.
pub fn columns_of_stderr() -> Option<usize> {
    terminal_size_of(io::stderr()).map(|(Width(columns), _)| usize::from(columns))
}

/// As [`columns_of_stderr`], of stdout.
pub fn columns_of_stdout() -> Option<usize> {
    terminal_size_of(io::stdout()).map(|(Width(columns), _)| usize::from(columns))
}

/// Lines of progress continue under what is said, not under the word at their head.
pub const UNDER_WORDS: usize = 10;

/// Results as they fit a terminal: their titles are wrapped. Rows of tables, which are indented, fit or cannot be helped.
pub fn results(text: &str) -> String {
    let Some(columns) = columns_of_stdout() else { return text.to_owned() };
    let fit = |line: &str| if line.starts_with(' ') { line.to_owned() } else { wrapped(line, columns, 4) };
    text.split('\n').map(fit).collect::<Vec<_>>().join("\n")
}

/// Text with lines of at most so many characters, as far as its words allow; what goes on in a new line is indented. Colours take
/// no room.
pub fn wrapped(text: &str, columns: usize, indent: usize) -> String {
    if columns < 4 * indent {
        // Too narrow for an indent.
        return text.to_owned();
    }
    let mut out = String::new();
    for (number, line) in text.split('\n').enumerate() {
        out.push_str(if number > 0 { "\n" } else { "" });
        let mut width = 0;
        for (number, word) in line.split(' ').enumerate() {
            let length = anstream::adapter::strip_str(word).to_string().chars().count();
            if number > 0 && length > 0 && width > indent && width + 1 + length > columns {
                out.push_str(&format!("\n{:indent$}", ""));
                width = indent;
            } else if number > 0 {
                out.push(' ');
                width += 1;
            }
            out.push_str(word);
            width += length;
        }
    }
    out
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_go_on_under_their_words() {
        let line = format!("{} pruned: {}", paint(AnsiColor::Green, "     note"), "twelve chars ".repeat(6).trim_end());
        let lines = wrapped(&line, 50, UNDER_WORDS);
        let lines: Vec<String> = lines.lines().map(|line| anstream::adapter::strip_str(line).to_string()).collect();
        assert_eq!(lines[0], "     note pruned: twelve chars twelve chars twelve");
        assert_eq!(lines[1], "          chars twelve chars twelve chars twelve");
        assert!(lines.iter().all(|line| line.chars().count() <= 50), "{lines:?}");
        assert_eq!(wrapped("a b\n\n  c", 50, UNDER_WORDS), "a b\n\n  c");
        assert_eq!(wrapped(&"x".repeat(60), 50, UNDER_WORDS), "x".repeat(60));
    }

    #[test]
    fn only_colours_of_all_control_characters_reach_a_terminal() {
        let same = ["", "two\tcolumns\nand a line", "\u{1b}[1m\u{1b}[31merror\u{1b}[0m: é 😀"];
        assert_eq!(same.map(harmless), same);
        let hostile = "a\u{1b}[2Jb\u{1b}]0;title\u{7}c\rd\u{9b}31me\u{1b}[31";
        assert_eq!(harmless(hostile), "a\\u{1b}[2Jb\\u{1b}]0;title\\u{7}c\\rd\\u{9b}31me\\u{1b}[31");
    }
}
