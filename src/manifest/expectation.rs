//! What `[expect]` says of networks: a measure, a relation and a limit, with a confidence level or without.

use super::matrix::Coordinate;
use super::source::Span;

/// One line of `[expect]`.
#[derive(Debug, Clone)]
pub struct Expectation {
    /// The networks as they are named: a section, or `section[axis=value]` for a part of it.
    pub name: String,
    /// The section.
    pub section: String,
    /// The values of axes that the name asks for.
    pub part: Vec<Coordinate>,
    /// What is measured.
    pub measure: String,
    /// What is expected of it.
    pub bound: Bound,
    /// Where the networks are named.
    pub name_span: Span,
    /// Where the measure is named.
    pub measure_span: Span,
    /// Where the bound stands.
    pub span: Span,
}

/// What is expected of a measure: `>= 0.91`, `<= 1 % at 95 %`.
#[derive(Debug, Clone, PartialEq)]
pub struct Bound {
    /// As it is written.
    pub text: String,
    /// How the measure is to lie to the limit.
    pub relation: Relation,
    /// The limit. Per cent are written as a share.
    pub limit: f64,
    /// Whether the limit is written in per cent.
    pub in_percent: bool,
    /// The confidence level, as a share: then the whole interval has to hold, and not only the mean.
    pub level: Option<f64>,
}

/// How a measure is to lie to its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
}

/// Longer words before those that they begin with.
const RELATIONS: [(&str, Relation); 4] =
    [("<=", Relation::AtMost), (">=", Relation::AtLeast), ("<", Relation::Below), (">", Relation::Above)];

impl Bound {
    /// Reads what is written; `None` when it is no bound.
    pub fn parse(text: &str) -> Option<Self> {
        let trimmed = text.trim();
        let (sign, relation) = RELATIONS.into_iter().find(|(sign, _)| trimmed.starts_with(sign))?;
        let rest = &trimmed[sign.len()..];
        let (limit, level) = match rest.split_once("at") {
            Some((limit, level)) => {
                let (level, in_percent) = number(level)?;
                (limit, Some(level).filter(|level| in_percent && (0.5..1.0).contains(level)).map(Some)?)
            }
            None => (rest, None),
        };
        let (limit, in_percent) = number(limit)?;
        Some(Self { text: trimmed.to_owned(), relation, limit, in_percent, level })
    }

    /// Whether `value` is as expected. What differs from the limit by the rounding of a mean only is equal to it.
    pub fn holds(&self, value: f64) -> bool {
        let equal = (value - self.limit).abs() <= EQUAL * self.limit.abs().max(1.0);
        match self.relation {
            Relation::Below => value < self.limit && !equal,
            Relation::AtMost => value < self.limit || equal,
            Relation::Above => value > self.limit && !equal,
            Relation::AtLeast => value > self.limit || equal,
        }
    }
}

/// One right answer of a hundred seeds with a million images each is 1e-8.
const EQUAL: f64 = 1e-9;

/// A number, and whether it is written in per cent. `100_000` is written as TOML writes it.
fn number(text: &str) -> Option<(f64, bool)> {
    let text = text.trim();
    let (digits, in_percent) = match text.strip_suffix('%') {
        Some(digits) => (digits.trim_end(), true),
        None => (text, false),
    };
    let value: f64 = digits.replace('_', "").parse().ok()?;
    // `inf` and `nan` are numbers to Rust.
    value.is_finite().then_some((if in_percent { value / 100.0 } else { value }, in_percent))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(text: &str) -> Bound {
        Bound::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn relations_limits_and_levels() {
        let of = |text: &str| {
            let Bound { relation, limit, level, .. } = bound(text);
            (relation, limit, level)
        };
        assert_eq!(of(">= 0.91"), (Relation::AtLeast, 0.91, None));
        assert_eq!(of("<= 100e3"), (Relation::AtMost, 100e3, None));
        assert_eq!(of("<100_000"), (Relation::Below, 100e3, None));
        assert_eq!(of("<= 0.01 at 95 %"), (Relation::AtMost, 0.01, Some(0.95)));
        assert_eq!(of(" > 91 % at 90%"), (Relation::Above, 0.91, Some(0.9)));
        assert_eq!(of(">= -0.5"), (Relation::AtLeast, -0.5, None));
    }

    #[test]
    fn what_is_no_bound() {
        let all =
            ["", "0.91", "= 0.91", ">= ", ">= x", ">= nan", "< inf", "<= 1 at 95", "<= 1 at 100 %", "<= 1 at 40 %"];
        for text in all.into_iter().chain(["=> 1", "<= 1 at", "<= 1 2", "at 95 %", ">= 1e400"]) {
            assert_eq!(Bound::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_rounding_of_a_mean_decides_nothing() {
        let mean = (0.1 + 0.2 + 0.3) / 3.0;
        assert_ne!(mean, 0.2);
        assert!(bound("<= 0.2").holds(mean) && bound(">= 0.2").holds(mean));
        assert!(!bound("< 0.2").holds(mean) && !bound("> 0.2").holds(mean));
        assert!(!bound("<= 0.2").holds(0.2 + 1e-6), "an image of a million is no rounding");
    }
}
