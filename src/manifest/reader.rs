//! Takes typed values out of a table. What is wrong is noted and a stand-in returned, so that reading goes on and every
//! error of the manifest is found in one pass; the stand-ins are never used, because a manifest with errors is refused.

use std::ops::RangeInclusive;

use super::diagnostic::Diagnostics;
use super::nearest;
use super::source::Span;
use super::value::{Content, Table, Value};
use super::{Reference, Spans};

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
    /// Set when the table's kind is not known: then nothing can be said about its other keys.
    tolerant: bool,
    /// Where the values stand that have been read.
    pub spans: Spans,
    /// Where errors go.
    pub diagnostics: &'a mut Diagnostics,
}

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
            tolerant: false,
            spans: Spans::new(),
            diagnostics,
        }
    }

    /// Where the table stands.
    pub fn span(&self) -> Span {
        self.span
    }

    /// The raw value of a key, if it is there.
    pub fn value(&mut self, key: &'static str) -> Option<&'a Value> {
        self.known.push(key);
        let (key_span, value) = self.table.get(key)?;
        // A table's own span is its header or its braces; the key says more.
        let span = if matches!(value.content, Content::Table(_)) { *key_span } else { value.span };
        self.spans.insert(format!("{}{key}", self.prefix), span);
        Some(value)
    }

    /// Whether the key is there. Does not make it known.
    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Notes that a key which has no default is missing.
    pub fn missing(&mut self, key: &str, example: &str) {
        if self.tolerant {
            return;
        }
        let message = format!("{} needs `{key}`", self.what);
        self.diagnostics.error(self.span, message).hint(format!("add `{key} = {example}`"));
    }

    fn wrong(&mut self, key: &str, value: &Value, wanted: &str) {
        wrong(self.diagnostics, &format!("`{key}`"), value, wanted);
    }

    /// An integer in `range`; `default` when the key is absent, an error when there is none.
    pub fn integer(&mut self, key: &'static str, range: RangeInclusive<u64>, default: Option<u64>) -> u64 {
        match self.value(key) {
            Some(value) => integer(self.diagnostics, key, value, &range),
            None => default.unwrap_or_else(|| {
                self.missing(key, &range.start().max(&1).to_string());
                *range.start()
            }),
        }
    }

    /// An integer in `range`, or nothing.
    pub fn optional_integer(&mut self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        self.has(key).then(|| self.integer(key, range, None)).or_else(|| {
            self.known.push(key);
            None
        })
    }

    /// A number within `limits`; `default` when the key is absent, an error when there is none.
    pub fn number(&mut self, key: &'static str, limits: Limits, default: Option<f64>) -> f64 {
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
        let value = self.value(key)?;
        Some(number(self.diagnostics, key, value, limits))
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, key: &'static str, default: bool) -> bool {
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
        let chosen = match self.value(key) {
            Some(value) => choice(self.diagnostics, &format!("`{key}`"), value, choices),
            None => {
                self.missing(key, &format!("\"{}\"", choices[0].0));
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
                self.wrong(key, value, "an array");
                None
            }
        }
    }

    /// The name of another stage.
    pub fn reference(&mut self, key: &'static str) -> Option<Reference> {
        self.optional_string(key).map(|(stage, span)| Reference { stage, span })
    }

    /// A table inside this one, read by `read`; nothing when the key is absent.
    pub fn table<T>(&mut self, key: &'static str, what: &str, read: impl FnOnce(&mut Reader) -> T) -> Option<T> {
        let value = self.value(key)?;
        let prefix = format!("{}{key}", self.prefix);
        let read = table(self.diagnostics, &prefix, what, value, read);
        match read {
            Some((result, spans)) => {
                self.spans.extend(spans);
                Some(result)
            }
            None => None,
        }
    }

    /// An array of tables, each read by `read`; nothing when the key is absent.
    pub fn tables<T>(&mut self, key: &'static str, what: &str, read: impl Fn(&mut Reader) -> T) -> Option<Vec<T>> {
        let items = self.array(key)?;
        let mut results = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let prefix = format!("{}{key}.{index}", self.prefix);
            if let Some((result, spans)) = table(self.diagnostics, &prefix, what, item, &read) {
                self.spans.insert(prefix, item.span);
                self.spans.extend(spans);
                results.push(result);
            }
        }
        Some(results)
    }

    /// Notes every key that nothing asked for. Called last.
    pub fn finish(self) -> Spans {
        for (key, (span, _)) in self.table {
            if !self.tolerant && !self.known.contains(&key.as_str()) {
                let error = self.diagnostics.error(*span, format!("unknown key `{}` in {}", printable(key), self.what));
                if let Some(hint) = nearest::hint(key, self.known.iter().copied()) {
                    error.hint(hint);
                }
            }
        }
        self.spans
    }
}

/// Reads `value` as a table.
pub fn table<T>(
    diagnostics: &mut Diagnostics,
    prefix: &str,
    what: &str,
    value: &Value,
    read: impl FnOnce(&mut Reader) -> T,
) -> Option<(T, Spans)> {
    let Content::Table(content) = &value.content else {
        wrong(diagnostics, what, value, "a table, such as `{ kind = … }`");
        return None;
    };
    let mut reader = Reader::new(content, value.span, prefix, what, diagnostics);
    let result = read(&mut reader);
    Some((result, reader.finish()))
}

/// The bounds of a number.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    low: f64,
    high: f64,
    low_included: bool,
    high_included: bool,
    /// A sensible value, for the hint when it is missing.
    example: f64,
}

impl Limits {
    /// More than 0.
    pub const POSITIVE: Self =
        Self { low: 0.0, high: f64::MAX, low_included: false, high_included: true, example: 0.1 };
    /// 0 or more.
    pub const NOT_NEGATIVE: Self =
        Self { low: 0.0, high: f64::MAX, low_included: true, high_included: true, example: 0.0 };
    /// From 0 to 1, both included.
    pub const SHARE: Self = Self { low: 0.0, high: 1.0, low_included: true, high_included: true, example: 0.5 };
    /// From 0 to below 1.
    pub const BELOW_ONE: Self = Self { low: 0.0, high: 1.0, low_included: true, high_included: false, example: 0.5 };

    fn contains(&self, x: f64) -> bool {
        let above = if self.low_included { x >= self.low } else { x > self.low };
        let below = if self.high_included { x <= self.high } else { x < self.high };
        x.is_finite() && above && below
    }

    fn words(&self) -> String {
        match (self.low_included, self.high_included, self.high == f64::MAX) {
            (true, _, true) => format!("{} or more", self.low),
            (false, _, true) => format!("more than {}", self.low),
            (true, true, _) => format!("from {} to {}", self.low, self.high),
            (true, false, _) => format!("from {} to below {}", self.low, self.high),
            (false, _, _) => format!("more than {} and at most {}", self.low, self.high),
        }
    }
}

/// Reads `value` as an integer in `range`.
pub fn integer(diagnostics: &mut Diagnostics, key: &str, value: &Value, range: &RangeInclusive<u64>) -> u64 {
    let allowed = if *range.end() >= i64::MAX as u64 {
        format!("{} or more", range.start())
    } else {
        format!("from {} to {}", range.start(), range.end())
    };
    match value.content {
        Content::Integer(n) => match n.and_then(|n| u64::try_from(n).ok()).filter(|n| range.contains(n)) {
            Some(n) => return n,
            None => {
                diagnostics.error(value.span, format!("`{key}` is out of range")).hint(format!("it can be {allowed}"));
            }
        },
        _ => wrong(diagnostics, &format!("`{key}`"), value, &format!("an integer, {allowed}")),
    }
    *range.start()
}

/// Reads `value` as a finite number within `limits`.
pub fn number(diagnostics: &mut Diagnostics, key: &str, value: &Value, limits: Limits) -> f64 {
    let x = match value.content {
        Content::Float(x) => x,
        Content::Integer(Some(n)) => n as f64,
        Content::Integer(None) => f64::NAN,
        _ => {
            wrong(diagnostics, &format!("`{key}`"), value, &format!("a number, {}", limits.words()));
            return limits.example;
        }
    };
    if limits.contains(x) {
        return x;
    }
    let message = if x.is_finite() { format!("`{key}` is out of range") } else { format!("`{key}` must be finite") };
    diagnostics.error(value.span, message).hint(format!("it can be {}", limits.words()));
    limits.example
}

/// Reads `value` as a string.
pub fn string(diagnostics: &mut Diagnostics, what: &str, value: &Value) -> Option<(String, Span)> {
    match &value.content {
        Content::String(text) if text.contains("${") => {
            diagnostics
                .error(value.span, format!("{what} holds a variable, and there are none"))
                .hint("`${…}` stands for an axis of `[matrix]`, which this version does not have yet");
            None
        }
        Content::String(text) => Some((text.clone(), value.span)),
        _ => {
            wrong(diagnostics, what, value, "a string");
            None
        }
    }
}

/// Reads `value` as one of several words.
pub fn choice<T: Copy>(
    diagnostics: &mut Diagnostics,
    what: &str,
    value: &Value,
    choices: &[(&'static str, T)],
) -> Option<T> {
    let (text, span) = string(diagnostics, what, value)?;
    let found = choices.iter().find(|(name, _)| *name == text).map(|(_, choice)| *choice);
    if found.is_none() {
        let error = diagnostics.error(span, format!("{what} cannot be `{}`", printable(&text)));
        if let Some(hint) = nearest::hint(&text, choices.iter().map(|(name, _)| *name)) {
            error.hint(hint);
        }
    }
    found
}

/// Notes that `value` is of the wrong type.
pub fn wrong(diagnostics: &mut Diagnostics, what: &str, value: &Value, wanted: &str) {
    diagnostics.error(value.span, format!("{what} is {}", value.content.name())).label(format!("expected {wanted}"));
}

/// A user's text fit for a message: control and direction characters escaped, long ones cut.
pub fn printable(text: &str) -> String {
    let mut out: String = text
        .chars()
        .take(64)
        .flat_map(|c| {
            let invisible = c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
            if invisible { c.escape_unicode().collect::<Vec<_>>() } else { vec![c] }
        })
        .collect();
    if text.chars().nth(64).is_some() {
        out.push('…');
    }
    out
}
