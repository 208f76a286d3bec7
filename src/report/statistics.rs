//! What few measurements allow to be said.

use serde::{Serialize, Serializer};
use statrs::distribution::{ContinuousCDF, StudentsT};

/// Several measurements of one thing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Summary {
    /// How many.
    pub count: usize,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation, with n - 1; none of a single one.
    pub sd: Option<f64>,
    /// The 95 % interval of the mean by Student's t; none of a single one, and none where all are equal: what has no
    /// deviation does not say how far the next one would be off.
    #[serde(flatten, serialize_with = "bounds")]
    pub interval: Option<Interval>,
}

/// Where a mean lies with a confidence of 95 %.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// From.
    pub low: f64,
    /// To.
    pub high: f64,
}

/// `low` and `high`, both null without an interval, so that every summary has the same fields.
fn bounds<S: Serializer>(interval: &Option<Interval>, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Bounds {
        low: Option<f64>,
        high: Option<f64>,
    }
    Bounds { low: interval.map(|interval| interval.low), high: interval.map(|interval| interval.high) }
        .serialize(serializer)
}

/// A mean difference of pairs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Difference {
    /// How many independent differences: those of one seed are averaged first.
    pub n: usize,
    /// How many pairs of networks they were averaged from.
    pub pairs: usize,
    /// Their mean difference.
    pub difference: f64,
    /// Their standard deviation; none of a single one.
    #[serde(skip)]
    pub sd: Option<f64>,
    /// The 95 % interval of the mean difference; none of a single one, and none where all are equal.
    #[serde(flatten, serialize_with = "bounds")]
    pub interval: Option<Interval>,
    /// The chance of a mean difference at least this far from 0 if there were none: Student's paired test, two-sided. None of
    /// a single one, and none where all are equal.
    pub p: Option<f64>,
    /// The same, adjusted by Holm's method for all comparisons of one table.
    pub p_holm: Option<f64>,
}

impl Summary {
    /// Of `values`; `None` when there are none.
    pub fn of(values: &[f64]) -> Option<Self> {
        let count = values.len();
        let mean = mean(values);
        // Equal values have a mean that differs from them by a rounding: that is no deviation.
        let rounding = ROUNDING * values.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
        let deviation = |value: &f64| Some(value - mean).filter(|off| off.abs() > rounding).unwrap_or(0.0);
        let sd = (count > 1)
            .then(|| (values.iter().map(|value| deviation(value).powi(2)).sum::<f64>() / (count - 1) as f64).sqrt());
        let all = Self { count, mean, sd, interval: None };
        (count > 0).then(|| Self { interval: all.interval_at(0.95), ..all })
    }

    /// The interval of the mean at a confidence level, a share, by Student's t; none where [`Self::interval`] is none.
    pub fn interval_at(&self, level: f64) -> Option<Interval> {
        let sd = self.sd.filter(|sd| *sd > 0.0)?;
        let quantile = students_t(self.count - 1)?.inverse_cdf(0.5 + level / 2.0);
        let half = quantile * sd / (self.count as f64).sqrt();
        Some(Interval { low: self.mean - half, high: self.mean + half })
    }
}

impl Difference {
    /// Of independent differences, averaged from `pairs` pairs of networks; `None` when there are none.
    pub fn of(differences: &[f64], pairs: usize) -> Option<Self> {
        let Summary { count, mean, sd, interval } = Summary::of(differences)?;
        let error = interval.and(sd).map(|sd| sd / (count as f64).sqrt());
        let p = error.and_then(|error| Some(2.0 * students_t(count - 1)?.cdf(-(mean / error).abs())));
        Some(Self { n: count, pairs, difference: mean, sd, interval, p, p_holm: None })
    }

    /// The same the other way round, as measurements of one thing: what the other has more.
    pub fn reversed(&self) -> Summary {
        let interval = self.interval.map(|interval| Interval { low: -interval.high, high: -interval.low });
        Summary { count: self.n, mean: 0.0 - self.difference, sd: self.sd, interval }
    }
}

/// Adjusts the p of all comparisons of one table by Holm's method (Holm 1979, "A Simple Sequentially Rejective Multiple Test
/// Procedure"): the smallest of m is taken m times, the next m - 1 times, and none is less than one before it.
pub fn adjust<'a>(comparisons: impl IntoIterator<Item = &'a mut Difference>) {
    let mut tested: Vec<(f64, &mut Difference)> =
        comparisons.into_iter().filter_map(|comparison| Some((comparison.p?, comparison))).collect();
    tested.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let count = tested.len();
    let mut before: f64 = 0.0;
    for (place, (p, comparison)) in tested.into_iter().enumerate() {
        before = before.max(p * (count - place) as f64).min(1.0);
        comparison.p_holm = Some(before);
    }
}

/// Shares of a value below which a deviation is taken for a rounding of sums.
const ROUNDING: f64 = 1e-12;

/// Means of shares of right answers that differ by less are equal: one answer of a hundred seeds with a million images
/// each is 1e-8.
const EQUAL: f64 = 1e-9;

/// The mean; not a number when there are none.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn students_t(freedom: usize) -> Option<StudentsT> {
    StudentsT::new(0.0, 1.0, freedom as f64).ok()
}

/// The rank of each mean share of right answers, the largest first; equal ones share the mean of their ranks.
pub fn ranks(values: &[f64]) -> Vec<f64> {
    let rank = |value: &f64| {
        let better = values.iter().filter(|other| **other > value + EQUAL).count();
        let equal = values.iter().filter(|other| (**other - value).abs() <= EQUAL).count();
        better as f64 + (equal as f64 + 1.0) / 2.0
    };
    values.iter().map(rank).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) {
        assert!((a - b).abs() < 5e-5, "{a} and {b}");
    }

    #[test]
    fn three_seeds_have_a_wide_interval() {
        // t(0.975, 2) is 4.30265, and the deviation of 1, 2, 3 is 1.
        let summary = Summary::of(&[1.0, 2.0, 3.0]).unwrap();
        near(summary.mean, 2.0);
        near(summary.sd.unwrap(), 1.0);
        near(summary.interval.unwrap().low, 2.0 - 4.30265 / 3f64.sqrt());
        near(summary.interval.unwrap().high, 2.0 + 4.30265 / 3f64.sqrt());
    }

    #[test]
    fn one_seed_has_none() {
        assert_eq!(Summary::of(&[0.5]), Some(Summary { count: 1, mean: 0.5, sd: None, interval: None }));
        assert_eq!(Summary::of(&[]), None);
        assert_eq!(Difference::of(&[0.5], 1).unwrap().p, None);
    }

    #[test]
    fn differences_have_the_p_of_tables() {
        // t = 2 / (1 / sqrt 3) with 2 degrees of freedom: p = 0.0742 in tables.
        near(Difference::of(&[1.0, 2.0, 3.0], 1).unwrap().p.unwrap(), 0.07418);
        near(Difference::of(&[-1.0, -2.0, -3.0], 1).unwrap().p.unwrap(), 0.07418);
        near(Difference::of(&[-1.0, 1.0], 1).unwrap().p.unwrap(), 1.0);
    }

    #[test]
    fn equal_differences_have_no_interval_and_no_p() {
        let difference = Difference::of(&[-0.25; 3], 3).unwrap();
        assert_eq!((difference.difference, difference.n), (-0.25, 3));
        let json = serde_json::to_value(difference).unwrap();
        let fields = serde_json::json!({
            "n": 3, "pairs": 3, "difference": -0.25, "low": null, "high": null, "p": null, "p-holm": null,
        });
        assert_eq!(json, fields);
        let one_off = Difference::of(&[-0.25, -0.25, -0.2], 3).unwrap();
        assert!(one_off.interval.is_some_and(|interval| interval.low < -0.25) && one_off.p.is_some());
    }

    #[test]
    fn deviations_below_rounding_are_none() {
        // The sum of three tenths is not three times a tenth.
        let value = 61.0 / 447.0 - 58.0 / 447.0;
        let difference = Difference::of(&[value; 3], 3).unwrap();
        assert_eq!((difference.p, difference.interval), (None, None));
        let summary = Summary::of(&[0.1; 3]).unwrap();
        assert_eq!((summary.sd, summary.interval), (Some(0.0), None));
        assert!(Summary::of(&[1e-9, 2e-9]).unwrap().sd.unwrap() > 0.0, "small is not equal");
    }

    #[test]
    fn ties_share_their_ranks() {
        assert_eq!(ranks(&[0.5, 0.9, 0.5, 0.1]), [2.5, 1.0, 2.5, 4.0]);
        // 0.1 + 0.2 and 0.3 are one accuracy.
        assert_eq!(ranks(&[0.1 + 0.2, 0.3, 0.2]), [1.5, 1.5, 3.0]);
    }

    #[test]
    fn holm_takes_the_smallest_as_often_as_there_are_comparisons() {
        let of = |p| Difference { p, ..Difference::of(&[0.5], 1).unwrap() };
        let mut all = [of(Some(0.03)), of(None), of(Some(0.01)), of(Some(0.04))];
        adjust(&mut all);
        near(all[2].p_holm.unwrap(), 0.03);
        near(all[0].p_holm.unwrap(), 0.06);
        near(all[3].p_holm.unwrap(), 0.06);
        assert_eq!(all[1].p_holm, None);
    }
}
