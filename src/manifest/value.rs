//! TOML as a tree in which every key and every value knows where it stands, with `--set` laid over it.

use std::path::Path;

use indexmap::IndexMap;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::Diagnostics;
use super::scalar::printable;
use super::source::{Sources, Span};

/// A value and its place.
#[derive(Debug, Clone)]
pub struct Value {
    /// What it is.
    pub content: Content,
    /// Where it stands. For a table with a header: the header.
    pub span: Span,
}

/// A TOML value. Numbers keep their exact kind: `1` is an integer, `1.0` is not.
#[derive(Debug, Clone)]
pub enum Content {
    String(String),
    /// `None` when it does not fit 64 bits signed.
    Integer(Option<i64>),
    Float(f64),
    Boolean(bool),
    Datetime,
    Array(Vec<Value>),
    Table(Table),
}

/// Keys in the order of the file, with the place of each key.
pub type Table = IndexMap<String, (Span, Value)>;

impl Content {
    /// What it is, in words.
    pub fn name(&self) -> &'static str {
        match self {
            Content::String(_) => "a string",
            Content::Integer(_) => "an integer",
            Content::Float(_) => "a number",
            Content::Boolean(_) => "a boolean",
            Content::Datetime => "a date",
            Content::Array(_) => "an array",
            Content::Table(_) => "a table",
        }
    }
}

/// Parses the file and every `KEY=VALUE` of `sets`, and merges them. `None` when any does not parse.
pub fn document(
    path: &Path,
    bytes: &[u8],
    sets: &[String],
    sources: &mut Sources,
    diagnostics: &mut Diagnostics,
) -> Option<Value> {
    let name = path.display().to_string();
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            // Everything before the fault is shown as it is; what follows cannot be.
            let good = error.valid_up_to();
            let text = format!("{}\u{fffd}", String::from_utf8_lossy(&bytes[..good]));
            let source = sources.add(name, text);
            let utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
            diagnostics
                .error(Span::new(source, good..good + 3), "the manifest is not UTF-8")
                .label(format!("byte {good} is not part of a character"))
                .hint(if utf16 { "it looks like UTF-16; save it as UTF-8" } else { "save it as UTF-8" });
            return None;
        }
    };
    // A byte order mark is no character of the first line.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let source = sources.add(name, text.to_owned());
    let mut root = parse(source, text, diagnostics)?;
    for set in sets {
        apply(&mut root, set, sources, diagnostics)?;
    }
    Some(root)
}

fn parse(source: u32, text: &str, diagnostics: &mut Diagnostics) -> Option<Value> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        let span = Span::new(source, 0..0);
        return Some(Value { content: Content::Table(convert_table(source, table.into_inner())), span });
    }
    // Only the first: what a parser says behind a mistake is mostly about the mistake.
    let first = errors.iter().min_by_key(|error| error.span().map_or(0, |range| range.start));
    if let Some(error) = first {
        let span = Span::new(source, error.span().unwrap_or(0..0));
        // What the parser expected helps where it is a sign, and misleads where it is its own name for something.
        let message = match error.message().trim_end().rsplit_once(", expected ") {
            Some((message, expected)) if !expected.starts_with('`') => message,
            _ => error.message().trim_end(),
        };
        diagnostics
            .error(span, format!("not valid TOML: {message}"))
            .hint("nothing else was checked; see https://toml.io for how TOML is written");
    }
    None
}

fn convert_table(source: u32, table: DeTable<'_>) -> Table {
    let entries = table.into_iter().map(|(key, value)| {
        let span = Span::new(source, key.span());
        (key.into_inner().into_owned(), (span, convert(source, value)))
    });
    entries.collect()
}

fn convert(source: u32, value: Spanned<DeValue<'_>>) -> Value {
    let span = Span::new(source, value.span());
    let content = match value.into_inner() {
        DeValue::String(text) => Content::String(text.into_owned()),
        DeValue::Integer(n) => Content::Integer(i64::from_str_radix(n.as_str(), n.radix()).ok()),
        DeValue::Float(n) => Content::Float(n.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(b) => Content::Boolean(b),
        DeValue::Datetime(_) => Content::Datetime,
        DeValue::Array(items) => Content::Array(items.into_iter().map(|item| convert(source, item)).collect()),
        DeValue::Table(table) => Content::Table(convert_table(source, table)),
    };
    Value { content, span }
}

/// Lays one `KEY=VALUE` over the tree. A value that is not TOML is taken as a string, so that
/// `--set stages.tuned.teacher=student` needs no quotes inside quotes.
fn apply(root: &mut Value, set: &str, sources: &mut Sources, diagnostics: &mut Diagnostics) -> Option<()> {
    let example = "for example `--set stages.student.epochs=3`";
    let Some((path, value)) = set.split_once('=') else {
        let source = sources.add(format!("--set {set}"), set.to_owned());
        diagnostics.error(Span::new(source, 0..set.len()), "`--set` needs KEY=VALUE").hint(example);
        return None;
    };
    let (path, value) = (path.trim(), value.trim());
    let bare = DeValue::parse(value).is_err();
    let quoted = if bare { toml::Value::from(value).to_string() } else { value.to_owned() };
    let text = format!("{path} = {quoted}");
    let source = sources.add(format!("--set {set}"), text.clone());
    let steps = match DeTable::parse(&text) {
        Ok(table) => steps(convert_table(source, table.into_inner()), path.len() + 3),
        Err(_) => None,
    };
    let Some((steps, value)) = steps else {
        diagnostics
            .error(Span::new(source, 0..path.len()), "this is not the name of a value")
            .label("expected names with dots between")
            .hint(example);
        return None;
    };
    lay(root, &steps, value, diagnostics)
}

/// The keys on the way to the one value of `table`, which stands at `offset`, and that value.
fn steps(mut table: Table, offset: usize) -> Option<(Vec<(String, Span)>, Value)> {
    let mut steps = Vec::new();
    loop {
        let (key, (span, value)) = table.pop()?;
        steps.push((key, span));
        if value.span.start as usize == offset {
            return Some((steps, value));
        }
        let Content::Table(inner) = value.content else { return None };
        table = inner;
    }
}

/// Puts `value` where `steps` lead, in place of what is there.
fn lay(root: &mut Value, steps: &[(String, Span)], value: Value, diagnostics: &mut Diagnostics) -> Option<()> {
    let mut at = root;
    for (depth, (key, span)) in steps.iter().enumerate() {
        let last = depth + 1 == steps.len();
        at = match &mut at.content {
            Content::Table(table) => {
                // `stages.NAME.…` changes a stage; a whole new one can be given as a table.
                if depth == 1 && !last && !table.contains_key(key) && !table.is_empty() {
                    let message = format!("there is no `{}.{}` to change", printable(&steps[0].0), printable(key));
                    diagnostics.unknown(*span, message, key, table.keys().map(String::as_str));
                    return None;
                }
                let empty = Value { content: Content::Table(Table::new()), span: *span };
                &mut table.entry(key.clone()).or_insert((*span, empty)).1
            }
            Content::Array(items) => {
                let count = items.len();
                match key.parse::<usize>().ok().and_then(|index| items.get_mut(index)) {
                    Some(item) => item,
                    None => {
                        let error = diagnostics.error(*span, format!("the array has no element `{}`", printable(key)));
                        error.hint(match count {
                            0 => "it is empty; set the whole array".to_owned(),
                            1 => "its only element is `0`".to_owned(),
                            _ => format!("its elements are `0` to `{}`", count - 1),
                        });
                        return None;
                    }
                }
            }
            other => {
                let before: Vec<&str> = steps[..depth].iter().map(|(key, _)| key.as_str()).collect();
                diagnostics
                    .error(*span, format!("`{}` is {} and has no keys", printable(&before.join(".")), other.name()))
                    .hint("set the whole value");
                return None;
            }
        };
    }
    *at = value;
    Some(())
}
