//! Takes typed values out of a table. What is wrong is noted and a stand-in returned, so that reading goes on and every
//! error of the manifest is found in one pass; the stand-ins are never used, because a manifest with errors is refused.

use std::collections::BTreeMap;
use std::mem::discriminant;
use std::ops::RangeInclusive;

use super::describe::{Field, Notes, describe};
use super::diagnostic::Diagnostics;
use super::nearest;
use super::scalar::{Limits, choice, integer, number, printable, string, wrong};
use super::source::Span;
use super::spans::Spans;
use super::value::{Content, Table, Value};
use super::{Reference, Seed};

/// The most tables in an array: far above use, and few enough for checks that compare each with every layer.
const MAXIMUM_TABLES: usize = 1000;

/// Reads one table.
pub struct Reader<'a> {
    table: &'a Table,
    /// Where a missing key is reported.
    span: Span,
    /// The table's name in keys, with a dot behind it unless empty.
    prefix: String,
    /// What the table is, for messages: `a train stage`.
    what: String,
    known: Vec<&'static str>,
    /// Keys that have no default and are not there, with what to add. Reported last: a misspelt key is not also missing.
    missing: Vec<(&'static str, String)>,
    /// How many diagnostics there were before this table.
    before: usize,
    /// Set when the table's kind is not known: then nothing can be said about its other keys.
    tolerant: bool,
    /// What is asked for, when the table is described and not read.
    pub(super) notes: Option<Notes>,
    /// Where the values stand that have been read.
    pub spans: Spans,
    /// Where errors go.
    pub diagnostics: &'a mut Diagnostics,
}

/// Keys of a stage that are looked for in its `method`, `losses` or `optimizer`: each has a part in them.
const OF_A_STAGE: [&str; 5] = ["data", "from", "teacher", "epochs", "batch"];

impl<'a> Reader<'a> {
    /// Reads `table`, which stands at `span`; its values are called `prefix`… in keys.
    pub fn new(table: &'a Table, span: Span, prefix: &str, what: &str, diagnostics: &'a mut Diagnostics) -> Self {
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}.") };
        Self {
            table,
            span,
            prefix,
            what: what.to_owned(),
            known: Vec::new(),
            missing: Vec::new(),
            before: diagnostics.len(),
            tolerant: false,
            notes: None,
            spans: Spans::default(),
            diagnostics,
        }
    }

    /// The raw value of a key, if it is there.
    pub fn value(&mut self, key: &'static str) -> Option<&'a Value> {
        self.known.push(key);
        self.note(key, || Field::Other);
        let (key_span, value) = self.table.get(key)?;
        // A table's own span is its header or its braces; the key says more.
        let span = if matches!(value.content, Content::Table(_)) { *key_span } else { value.span };
        self.spans.insert(format!("{}{key}", self.prefix), span);
        Some(value)
    }

    /// The table's name in keys, with a dot behind it unless empty.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Notes what a key can hold, if this is what is asked.
    pub(super) fn note(&mut self, key: &'static str, field: impl FnOnce() -> Field) {
        if let Some(notes) = &mut self.notes {
            notes.note(key, field());
        }
    }

    /// What was noted, with the keys that are needed; none of a reader that reads.
    pub(super) fn described(self) -> Option<Notes> {
        let mut notes = self.notes?;
        notes.described.needed = self.missing.into_iter().map(|(key, _)| key).collect();
        Some(notes)
    }

    /// Whether the key is there. Does not make it known.
    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Whether the kind of the table is known, so that something can be said about its other keys.
    pub fn understood(&self) -> bool {
        !self.tolerant
    }

    /// Where the value of a key stands, else the table.
    pub fn place(&self, key: &str) -> Span {
        self.spans.get(&format!("{}{key}", self.prefix)).unwrap_or(self.span)
    }

    /// Whether the value of a key, as far as it has been read, is free of errors.
    pub fn sound(&self, key: &str) -> bool {
        let Some((_, value)) = self.table.get(key) else { return true };
        self.diagnostics.errors_after(self.before).all(|error| !value.span.contains(error))
            && self.spans.sound(&format!("{}{key}", self.prefix))
    }

    /// Notes that a key which has no default is missing.
    pub fn missing(&mut self, key: &'static str, example: &str) {
        if self.understood() {
            self.missing.push((key, format!("add `{key} = {example}`")));
        }
    }

    /// Notes that none of `keys` is there, of which at least one is needed; `example` is a value of the first.
    pub fn missing_all(&mut self, keys: &[&'static str], example: &str) {
        if let Some(notes) = &mut self.notes {
            notes.described.alternatives = keys.to_vec();
        } else if let ([first, others @ ..], true) = (keys, self.understood()) {
            let others = others.join("`, `");
            self.missing.push((first, format!("add `{first} = {example}`, or one of `{others}`")));
        }
    }

    fn wrong(&mut self, key: &str, value: &Value, wanted: &str) {
        wrong(self.diagnostics, &format!("`{key}`"), value, wanted);
    }

    /// An integer in `range`; `default` when the key is absent, an error when there is none.
    pub fn integer(&mut self, key: &'static str, range: RangeInclusive<u64>, default: Option<u64>) -> u64 {
        self.note(key, || Field::Integer(range.clone(), default));
        match self.value(key) {
            Some(value) => integer(self.diagnostics, key, value, &range),
            None => default.unwrap_or_else(|| {
                self.missing(key, &10.clamp(*range.start(), *range.end()).to_string());
                *range.start()
            }),
        }
    }

    /// An integer in `range`, or nothing.
    pub fn optional_integer(&mut self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        self.note(key, || Field::Integer(range.clone(), None));
        let value = self.value(key)?;
        Some(integer(self.diagnostics, key, value, &range))
    }

    /// The seed, its own or the pipeline's, which then is where it stands.
    pub fn seed(&mut self, default: Seed) -> u64 {
        if let (false, Some(span)) = (self.has("seed"), default.span) {
            self.spans.insert(format!("{}seed", self.prefix), span);
        }
        self.integer("seed", 0..=i64::MAX as u64, Some(default.value))
    }

    /// A number within `limits`; `default` when the key is absent, an error when there is none.
    pub fn number(&mut self, key: &'static str, limits: Limits, default: Option<f64>) -> f64 {
        self.note(key, || Field::Number(limits, default));
        match self.value(key) {
            Some(value) => number(self.diagnostics, key, value, limits),
            None => default.unwrap_or_else(|| {
                self.missing(key, &format!("{}", limits.example));
                limits.example
            }),
        }
    }

    /// A number within `limits`, or nothing.
    pub fn optional_number(&mut self, key: &'static str, limits: Limits) -> Option<f64> {
        self.note(key, || Field::Number(limits, None));
        let value = self.value(key)?;
        Some(number(self.diagnostics, key, value, limits))
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, key: &'static str, default: bool) -> bool {
        self.note(key, || Field::Boolean(default));
        match self.value(key) {
            None => default,
            Some(Value { content: Content::Boolean(b), .. }) => *b,
            Some(value) => {
                self.wrong(key, value, "`true` or `false`");
                default
            }
        }
    }

    /// A string with its place.
    pub fn optional_string(&mut self, key: &'static str) -> Option<(String, Span)> {
        self.note(key, || Field::String);
        let value = self.value(key)?;
        string(self.diagnostics, &format!("`{key}`"), value)
    }

    /// A string with its place; an error when the key is absent.
    pub fn string(&mut self, key: &'static str, example: &str) -> Option<(String, Span)> {
        if !self.has(key) {
            self.missing(key, &format!("\"{example}\""));
        }
        self.optional_string(key)
    }

    /// One of several words.
    pub fn choice<T: Copy>(&mut self, key: &'static str, choices: &[(&'static str, T)], default: Option<T>) -> T {
        self.note(key, || {
            let is_default = |choice: &T| default.is_some_and(|d| discriminant(&d) == discriminant(choice));
            let default = choices.iter().find(|(_, choice)| is_default(choice)).map(|(word, _)| *word);
            Field::Choice(choices.iter().map(|(word, _)| *word).collect(), default)
        });
        match self.value(key) {
            Some(value) => choice(self.diagnostics, &format!("`{key}`"), value, choices).unwrap_or(choices[0].1),
            None => default.unwrap_or_else(|| {
                self.missing(key, &format!("\"{}\"", choices[0].0));
                choices[0].1
            }),
        }
    }

    /// The word that decides which other keys there are. When it is missing or wrong, only that is reported.
    pub fn kind<T: Copy>(&mut self, key: &'static str, choices: &[(&'static str, T)]) -> T {
        if let Some(notes) = &mut self.notes {
            return notes.kind(key, choices);
        }
        let chosen = match self.value(key) {
            Some(value) => choice(self.diagnostics, &format!("`{key}`"), value, choices),
            None => {
                let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
                let words = words.join("\"`, `\"");
                self.missing.push((key, format!("add `{key} = …`; it can be `\"{words}\"`")));
                None
            }
        };
        self.tolerant |= chosen.is_none();
        chosen.unwrap_or(choices[0].1)
    }

    /// The elements of an array, or nothing when the key is absent.
    pub fn array(&mut self, key: &'static str) -> Option<&'a [Value]> {
        let value = self.value(key)?;
        match &value.content {
            Content::Array(items) => Some(items),
            _ => {
                self.wrong(key, value, "an array, `[…]`");
                None
            }
        }
    }

    /// The strings of an array, each `what` and there once; none when the key is absent.
    pub fn strings(&mut self, key: &'static str, what: &str) -> Vec<String> {
        self.note(key, || Field::Strings);
        let mut strings = Vec::new();
        for item in self.array(key).unwrap_or_default() {
            if let Some((text, span)) = string(self.diagnostics, what, item) {
                if strings.contains(&text) {
                    let message = format!("`{}` is in `{key}` twice", printable(&text));
                    self.diagnostics.error(span, message).hint("leave one out");
                    continue;
                }
                // Numbered by what could be read, as the results are.
                self.spans.insert(format!("{}{key}.{}", self.prefix, strings.len()), span);
                strings.push(text);
            }
        }
        strings
    }

    /// The numbers of a table whose keys are free, each within `limits`; none when the key is absent.
    pub fn numbers(&mut self, key: &'static str, example: &str, limits: Limits) -> BTreeMap<String, f64> {
        self.note(key, || Field::Numbers(limits));
        let Some(value) = self.value(key) else { return BTreeMap::new() };
        let Content::Table(table) = &value.content else {
            self.wrong(key, value, &format!("a table, such as `{example}`"));
            return BTreeMap::new();
        };
        let mut numbers = BTreeMap::new();
        for (name, (span, value)) in table {
            let path = format!("{}{key}.{name}", self.prefix);
            let before = self.diagnostics.len();
            numbers.insert(name.clone(), number(self.diagnostics, &printable(name), value, limits));
            if self.diagnostics.len() > before {
                self.spans.doubt(path.clone());
            }
            self.spans.insert(path, *span);
        }
        numbers
    }

    /// The name of another stage.
    pub fn reference(&mut self, key: &'static str) -> Option<Reference> {
        self.optional_string(key).map(|(stage, span)| Reference { stage, span })
    }

    /// A table inside this one, read by `read`; nothing when the key is absent.
    pub fn table<T>(&mut self, key: &'static str, shape: Shape, read: impl Fn(&mut Reader) -> T) -> Option<T> {
        self.note(key, || Field::Table(describe(&read)));
        let value = self.value(key)?;
        let prefix = format!("{}{key}", self.prefix);
        let (result, spans) = table(self.diagnostics, &prefix, shape, value, read)?;
        self.spans.extend(spans);
        Some(result)
    }

    /// An array of tables, each read by `read`; nothing when the key is absent.
    pub fn tables<T>(&mut self, key: &'static str, shape: Shape, read: impl Fn(&mut Reader) -> T) -> Option<Vec<T>> {
        self.note(key, || Field::Tables(describe(&read)));
        let items = self.array(key)?;
        if items.len() > MAXIMUM_TABLES {
            let span = self.place(key);
            self.diagnostics.error(span, format!("`{key}` has more than {MAXIMUM_TABLES} elements"));
            return Some(Vec::new());
        }
        let mut results = Vec::new();
        for item in items {
            // Numbered by what could be read, as the results are.
            let prefix = format!("{}{key}.{}", self.prefix, results.len());
            if let Some((result, spans)) = table(self.diagnostics, &prefix, shape, item, &read) {
                self.spans.insert(prefix, item.span);
                self.spans.extend(spans);
                results.push(result);
            }
        }
        Some(results)
    }

    /// Notes every key that nothing asked for, and every key that is missing. Called last.
    pub fn finish(mut self) -> Spans {
        self.known.sort_unstable();
        self.known.dedup();
        let absent: Vec<&str> = match self.tolerant {
            true => self.missing.iter().map(|(key, _)| *key).collect(),
            false => self.known.iter().copied().filter(|key| !self.table.contains_key(*key)).collect(),
        };
        let mut strange = Vec::new();
        for (key, (span, _)) in self.table {
            if self.known.binary_search(&key.as_str()).is_ok() {
                continue;
            }
            let message = format!("unknown key `{}` in {}", printable(key), self.what);
            match nearest::nearest(key, absent.iter().copied()) {
                // What was meant is there after all, but nothing is known of its value.
                Some(meant) => {
                    self.diagnostics.error(*span, message).hint(format!("did you mean `{meant}`?"));
                    self.missing.retain(|(missing, _)| *missing != meant);
                    self.spans.doubt(format!("{}{meant}", self.prefix));
                }
                None if self.tolerant => {}
                None => strange.push((*span, message, key)),
            }
        }
        // One key too many and one too few is one mistake: a key of another kind, in place of this kind's.
        let replaced = if let ([_], [_]) = (&strange[..], &self.missing[..]) { self.missing.pop() } else { None };
        for (span, message, key) in strange {
            let error = self.diagnostics.unknown(span, message, key, self.known.iter().copied());
            if !self.prefix.is_empty() && OF_A_STAGE.contains(&key.as_str()) {
                let here = self.prefix.trim_end_matches('.');
                error.hint(format!("`{key}` is a key of the stage: write it beside `{here}`, not in it"));
            }
            if let Some((missing, hint)) = &replaced {
                error.hint(hint.clone());
                self.spans.doubt(format!("{}{missing}", self.prefix));
            }
        }
        for (key, hint) in std::mem::take(&mut self.missing) {
            self.spans.doubt(format!("{}{key}", self.prefix));
            self.diagnostics.error(self.span, format!("{} needs `{key}`", self.what)).hint(hint);
        }
        let doubtful: Vec<String> =
            self.known.iter().filter(|key| !self.sound(key)).map(|key| format!("{}{key}", self.prefix)).collect();
        for path in doubtful {
            self.spans.doubt(path);
        }
        self.spans
    }
}

/// What a table is, for messages.
#[derive(Debug, Clone, Copy)]
pub struct Shape<'a> {
    /// With its article: `an optimizer`.
    pub what: &'a str,
    /// As it can be written: `{ kind = "adam" }`.
    pub example: &'a str,
}

/// Reads `value` as a table.
pub fn table<T>(
    diagnostics: &mut Diagnostics,
    prefix: &str,
    shape: Shape,
    value: &Value,
    read: impl FnOnce(&mut Reader) -> T,
) -> Option<(T, Spans)> {
    let Content::Table(content) = &value.content else {
        wrong(diagnostics, shape.what, value, &format!("a table, such as `{}`", shape.example));
        return None;
    };
    let mut reader = Reader::new(content, value.span, prefix, shape.what, diagnostics);
    let result = read(&mut reader);
    Some((result, reader.finish()))
}
