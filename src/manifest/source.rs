//! The texts that a manifest comes from, and places in them.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;

use crate::error::{Error, Kind, Result};

/// The largest manifest, in bytes. Checked before parsing: TOML of 30 MB takes seconds, and no person wrote it.
pub const MAXIMUM_BYTES: u64 = 1 << 20;

/// A stretch of one text: byte offsets, the end exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Span {
    /// Index into [`Sources`].
    pub source: u32,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// A span of text number `source`.
    pub fn new(source: u32, range: std::ops::Range<usize>) -> Self {
        // Texts are at most 1 MiB, so offsets fit.
        Self { source, start: range.start as u32, end: range.end as u32 }
    }

    /// Whether `other` lies inside.
    pub fn contains(self, other: Span) -> bool {
        self.source == other.source && self.start <= other.start && other.end <= self.end
    }
}

/// The texts of one manifest: the file first, then one for each `--set`.
#[derive(Debug, Clone, Default)]
pub struct Sources(Vec<Text>);

#[derive(Debug, Clone)]
struct Text {
    name: String,
    text: String,
}

/// Where something stands, for a person: `pipelines/kddp.toml:12:9`, or `--set …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file as the user named it.
    pub name: String,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.starts_with("--set") {
            f.write_str(&self.name)
        } else {
            write!(f, "{}:{}:{}", self.name, self.line, self.column)
        }
    }
}

impl Sources {
    /// Adds a text and returns its number.
    pub fn add(&mut self, name: String, text: String) -> u32 {
        self.0.push(Text { name, text });
        (self.0.len() - 1) as u32
    }

    /// The name of a text.
    pub fn name(&self, source: u32) -> &str {
        &self.0[source as usize].name
    }

    /// A text.
    pub fn text(&self, source: u32) -> &str {
        &self.0[source as usize].text
    }

    /// Line and column of the start of a span.
    pub fn place(&self, span: Span) -> Place {
        let text = self.text(span.source);
        let before = &text[..whole_characters(span, text).start];
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        Place {
            name: self.name(span.source).to_owned(),
            line: before.bytes().filter(|b| *b == b'\n').count() + 1,
            column: before[line_start..].chars().filter(|c| !continues(*c)).count() + 1,
        }
    }
}

/// Whether a manifest comes from standard input (`-`) or through a pipe, and so lies in no folder.
pub fn is_stream(path: &Path) -> bool {
    let is_pipe = || std::fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo());
    path.as_os_str() == "-" || path.starts_with("/dev") || path.starts_with("/proc") || is_pipe()
}

/// The span as a range that the text has and that splits no character as people see it: one with its accents, which may
/// be code points of their own.
pub fn whole_characters(span: Span, text: &str) -> std::ops::Range<usize> {
    let mut start = (span.start as usize).min(text.len());
    let mut end = (span.end as usize).clamp(start, text.len());
    let is_inside = |at: usize| !text.is_char_boundary(at) || text[at..].chars().next().is_some_and(continues);
    while start > 0 && is_inside(start) {
        start -= 1;
    }
    while end > start && is_inside(end) {
        end += 1;
    }
    start..end
}

/// Whether a code point belongs to the character before it.
fn continues(c: char) -> bool {
    const JOINER: char = '\u{200d}';
    c == JOINER || unicode_normalization::char::is_combining_mark(c)
}

/// Reads a manifest's bytes: a regular file of at most [`MAXIMUM_BYTES`], what comes through a pipe, or standard input for `-`.
///
/// # Errors
/// [`Kind::Input`] when there is no such file or it cannot be read, [`Kind::Manifest`] when it is something else or too large.
pub fn read_file(path: &Path) -> Result<Vec<u8>> {
    let unreadable = |error: io::Error| {
        let e = Error::new(Kind::Input, format!("cannot read the manifest ({error})")).at(path);
        match error.kind() {
            io::ErrorKind::NotFound => {
                e.hint("name a TOML file, such as `pipelines/kddp.toml`, or `-` for standard input")
            }
            _ => e,
        }
    };
    if path.as_os_str() == "-" {
        return whole(io::stdin(), path, unreadable);
    }
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if metadata.file_type().is_fifo() {
        return whole(pipe(path, unreadable)?, path, unreadable);
    }
    if !metadata.is_file() {
        let what = if metadata.is_dir() { "a folder" } else { "not a regular file" };
        return Err(Error::new(Kind::Manifest, format!("the manifest is {what}")).at(path).hint("name a TOML file"));
    }
    whole(File::open(path).map_err(unreadable)?, path, unreadable)
}

/// Everything that a reader has, within the limit.
fn whole(reader: impl Read, path: &Path, unreadable: impl Fn(io::Error) -> Error) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(MAXIMUM_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAXIMUM_BYTES {
        return Err(Error::new(Kind::Manifest, "the manifest is larger than 1 MiB").at(path));
    }
    Ok(bytes)
}

/// How long a pipe may have nobody who writes to it: both ends are often opened at the same time.
const PATIENCE: Duration = Duration::from_secs(1);

/// Opens a pipe, unless nobody is at its other end.
fn pipe(path: &Path, unreadable: impl Fn(io::Error) -> Error) -> Result<impl Read> {
    let open = || {
        // Without this it would wait for a writer for ever.
        let flags = OFlags::NONBLOCK.bits() as i32;
        OpenOptions::new().read(true).custom_flags(flags).open(path)
    };
    let mut pipe = open().map_err(&unreadable)?;
    let (begun, mut first) = (Instant::now(), [0]);
    let length = loop {
        match pipe.read(&mut first) {
            Ok(0) if begun.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(5)),
            Ok(0) => {
                let error = Error::new(Kind::Manifest, "the manifest is a pipe that nothing comes through").at(path);
                return Err(error.hint("name a TOML file, or begin what writes to the pipe first"));
            }
            Ok(length) => break length,
            // There is a writer, who takes its time.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break 0,
            Err(error) => return Err(unreadable(error)),
        }
    };
    let flags = rustix::fs::fcntl_getfl(&pipe).map_err(|error| unreadable(error.into()))?;
    rustix::fs::fcntl_setfl(&pipe, flags - OFlags::NONBLOCK).map_err(|error| unreadable(error.into()))?;
    Ok(io::Cursor::new(first).take(length as u64).chain(pipe))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_spans_split_no_character() {
        let mut sources = Sources::default();
        // An e with an accent of its own, and one that is a code point.
        let text = "a = 1\nb = \"e\u{301}\u{e9}!\"";
        let source = sources.add("x.toml".into(), text.into());
        let accent = text.find('\u{301}').unwrap();
        for (offset, column) in [(0, 6), (1, 6), (2, 7), (3, 7), (4, 8)] {
            let span = Span::new(source, accent + offset..accent + offset + 1);
            assert_eq!(sources.place(span).column, column, "{offset}");
            let range = whole_characters(span, text);
            assert!(!text[range.clone()].starts_with('\u{301}') && !text[range.end..].starts_with('\u{301}'));
        }
        assert_eq!(whole_characters(Span::new(source, accent..accent), text), accent - 1..accent + 2);
        assert_eq!(whole_characters(Span::new(source, 500..900), text), text.len()..text.len());
        assert_eq!(whole_characters(Span::new(source, 0..0), "\u{301}x"), 0..0);
    }
}
