//! TOML as a tree in which every key and every value knows where it stands, with `--set` laid over it.

use std::path::Path;

use indexmap::IndexMap;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::Diagnostics;
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
    for error in errors {
        let range = error.span().unwrap_or(0..0);
        diagnostics.error(Span::new(source, range), error.message().trim_end()).hint("this is not valid TOML");
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
    let named = |text: &str, sources: &mut Sources| sources.add(format!("--set {set}"), text.to_owned());
    let Some((path, value)) = set.split_once('=') else {
        let source = named(set, sources);
        diagnostics
            .error(Span::new(source, 0..set.len()), "`--set` needs KEY=VALUE")
            .hint("for example `--set stages.student.epochs=3`");
        return None;
    };
    let (path, value) = (path.trim(), value.trim());
    let bare = DeValue::parse(value).is_err();
    let quoted = if bare { toml::Value::from(value).to_string() } else { value.to_owned() };
    let text = format!("{path} = {quoted}");
    let source = named(&text, sources);
    let over = parse(source, &text, diagnostics)?;
    merge(root, over, diagnostics)
}

fn merge(under: &mut Value, over: Value, diagnostics: &mut Diagnostics) -> Option<()> {
    let Content::Table(over_table) = over.content else {
        *under = over;
        return Some(());
    };
    for (key, (key_span, value)) in over_table {
        match &mut under.content {
            Content::Table(table) => {
                // An intermediate table of the path is laid over, the last value replaces.
                let descend = matches!(&value.content, Content::Table(_)) && table.contains_key(&key);
                if descend {
                    merge(&mut table[&key].1, value, diagnostics)?;
                } else if let Some((_, old)) = table.get_mut(&key) {
                    *old = value;
                } else {
                    table.insert(key, (key_span, value));
                }
            }
            Content::Array(items) => match key.parse::<usize>().ok().filter(|i| *i < items.len()) {
                Some(index) => merge(&mut items[index], value, diagnostics)?,
                None => {
                    let range =
                        if items.is_empty() { "it is empty".to_owned() } else { format!("0 to {}", items.len() - 1) };
                    diagnostics
                        .error(key_span, format!("`{key}` is not an element of the array"))
                        .hint(format!("elements are numbered from 0; this array has {range}"));
                    return None;
                }
            },
            other => {
                diagnostics.error(key_span, format!("`{key}` is set inside {}, which has no keys", other.name()));
                return None;
            }
        }
    }
    Some(())
}
