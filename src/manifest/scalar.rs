//! Single values: numbers within bounds, strings, words. What is wrong is noted, and a stand-in returned where there
//! must be a value.

use std::ops::RangeInclusive;

use super::diagnostic::Diagnostics;
use super::source::Span;
use super::value::{Content, Value};

/// The bounds of a number.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    low: f64,
    high: f64,
    low_included: bool,
    high_included: bool,
    /// A sensible value, for the hint when it is missing.
    pub(super) example: f64,
}

impl Limits {
    /// More than 0.
    pub const POSITIVE: Self =
        Self { low: 0.0, high: f64::MAX, low_included: false, high_included: true, example: 0.1 };
    /// A temperature of a softmax: what single precision can divide logits by.
    pub const TEMPERATURE: Self = Self { low: 1e-3, high: 1e6, low_included: true, high_included: true, example: 4.0 };
    /// A standard deviation of pixels that are scaled to 0 to 1.
    pub const DEVIATION: Self = Self { low: 1e-6, high: 1e6, low_included: true, high_included: true, example: 0.25 };
    /// 0 or more.
    pub const NOT_NEGATIVE: Self =
        Self { low: 0.0, high: f64::MAX, low_included: true, high_included: true, example: 1e-4 };
    /// Any.
    pub const ANY: Self = Self { low: f64::MIN, high: f64::MAX, low_included: true, high_included: true, example: 0.0 };
    /// From 0 to 1, both included.
    pub const SHARE: Self = Self { low: 0.0, high: 1.0, low_included: true, high_included: true, example: 0.5 };
    /// A loss of accuracy that is allowed.
    pub const DROP: Self = Self { low: 0.0, high: 1.0, low_included: true, high_included: true, example: 0.01 };
    /// Between 0 and 1, neither included.
    pub const BETWEEN: Self = Self { low: 0.0, high: 1.0, low_included: false, high_included: false, example: 0.5 };
    /// From 0 to below 1.
    pub const BELOW_ONE: Self = Self { low: 0.0, high: 1.0, low_included: true, high_included: false, example: 0.5 };
    /// More than 0, at most 1.
    pub const PORTION: Self = Self { low: 0.0, high: 1.0, low_included: false, high_included: true, example: 0.5 };
    /// A multiplier of a network's widths or depths: more than 0, at most 16.
    pub const MULTIPLIER: Self = Self { low: 0.0, high: 16.0, low_included: false, high_included: true, example: 1.0 };
    /// The parameter of a symmetric beta distribution, from all or nothing to halves.
    pub const BETA: Self = Self { low: 0.0, high: 100.0, low_included: false, high_included: true, example: 0.2 };

    /// The bounds as JSON Schema writes them.
    pub fn bounds(&self) -> Vec<(&'static str, f64)> {
        let low = (if self.low_included { "minimum" } else { "exclusiveMinimum" }, self.low);
        let high = (if self.high_included { "maximum" } else { "exclusiveMaximum" }, self.high);
        [low, high].into_iter().filter(|(_, bound)| bound.abs() != f64::MAX).collect()
    }

    fn contains(&self, x: f64) -> bool {
        let above = if self.low_included { x >= self.low } else { x > self.low };
        let below = if self.high_included { x <= self.high } else { x < self.high };
        x.is_finite() && above && below
    }

    fn words(&self) -> String {
        if self.low == f64::MIN {
            return "any finite number".to_owned();
        }
        match (self.low_included, self.high_included, self.high == f64::MAX) {
            (true, _, true) => format!("{} or more", self.low),
            (false, _, true) => format!("more than {}", self.low),
            (true, true, _) => format!("from {} to {}", self.low, self.high),
            (true, false, _) => format!("from {} to below {}", self.low, self.high),
            (false, false, _) => format!("between {} and {}", self.low, self.high),
            (false, true, _) => format!("more than {} and at most {}", self.low, self.high),
        }
    }
}

/// Reads `value` as an integer in `range`.
pub fn integer(diagnostics: &mut Diagnostics, key: &str, value: &Value, range: &RangeInclusive<u64>) -> u64 {
    let (low, high) = (range.start(), range.end());
    let fits = |n: i64| u64::try_from(n).ok().filter(|n| range.contains(n));
    match value.content {
        Content::Integer(Some(n)) if fits(n).is_some() => return fits(n).expect("just seen"),
        Content::Integer(n) => {
            // No end worth naming, unless it is the end that was passed.
            let endless = *high >= i64::MAX as u64 && n.is_some();
            let allowed = if endless { format!("{low} or more") } else { format!("from {low} to {high}") };
            diagnostics.error(value.span, format!("`{key}` is out of range")).hint(format!("it can be {allowed}"));
        }
        _ if *high >= i64::MAX as u64 => {
            wrong(diagnostics, &format!("`{key}`"), value, &format!("an integer, {low} or more"));
        }
        _ => wrong(diagnostics, &format!("`{key}`"), value, &format!("an integer from {low} to {high}")),
    }
    *low
}

/// Reads `value` as a finite number within `limits`.
pub fn number(diagnostics: &mut Diagnostics, key: &str, value: &Value, limits: Limits) -> f64 {
    let x = match value.content {
        Content::Float(x) => x,
        Content::Integer(Some(n)) => n as f64,
        Content::Integer(None) => f64::MAX,
        _ => {
            let wanted = if limits.low == f64::MIN { limits.words() } else { format!("a number, {}", limits.words()) };
            wrong(diagnostics, &format!("`{key}`"), value, &wanted);
            return limits.example;
        }
    };
    if limits.contains(x) && !matches!(value.content, Content::Integer(None)) {
        // -0.0 is 0.0 in everything but its text, and the text is part of keys.
        return x + 0.0;
    }
    let message = if x.is_finite() { format!("`{key}` is out of range") } else { format!("`{key}` must be finite") };
    diagnostics.error(value.span, message).hint(format!("it can be {}", limits.words()));
    limits.example
}

/// Reads `value` as a string.
pub fn string(diagnostics: &mut Diagnostics, what: &str, value: &Value) -> Option<(String, Span)> {
    match &value.content {
        Content::String(text) if !text.contains("${") => Some((text.clone(), value.span)),
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
        let names = choices.iter().map(|(name, _)| *name);
        diagnostics.unknown(span, format!("{what} cannot be `{}`", printable(&text)), &text, names);
    }
    found
}

/// Notes that `value` is of the wrong type, or is a variable where none can be.
pub fn wrong(diagnostics: &mut Diagnostics, what: &str, value: &Value, wanted: &str) {
    match &value.content {
        Content::String(text) if text.contains("${") => diagnostics
            .error(value.span, format!("{what} cannot hold a variable"))
            .hint("`${…}` can stand in `[stages]`, `[networks]` and `[data]`"),
        content => {
            diagnostics.error(value.span, format!("{what} is {}", content.name())).label(format!("expected {wanted}"))
        }
    };
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
