//! What few measurements allow to be said.

use serde::Serialize;
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sd: Option<f64>,
    /// The 95 % interval of the mean by Student's t; none of a single one.
    #[serde(flatten)]
    pub interval: Option<Interval>,
}

/// Where a mean lies with a confidence of 95 %.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// From.
    pub low: f64,
    /// To.
    pub high: f64,
}

/// A mean difference of pairs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Difference {
    /// How many pairs.
    pub pairs: usize,
    /// Their mean difference.
    pub difference: f64,
    /// The 95 % interval of the mean difference; none of a single pair.
    #[serde(flatten)]
    pub interval: Option<Interval>,
    /// The chance of a mean difference at least this far from 0 if there were none: Student's paired test, two-sided. None of
    /// a single pair, and none where all pairs differ by the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p: Option<f64>,
}

impl Summary {
    /// Of `values`; `None` when there are none.
    pub fn of(values: &[f64]) -> Option<Self> {
        let count = values.len();
        let mean = values.iter().sum::<f64>() / count as f64;
        let sd = (count > 1)
            .then(|| (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1) as f64).sqrt());
        let half = |sd: f64| Some(students_t(count - 1)?.inverse_cdf(0.975) * sd / (count as f64).sqrt());
        let interval = sd.and_then(half).map(|half| Interval { low: mean - half, high: mean + half });
        (count > 0).then_some(Self { count, mean, sd, interval })
    }
}

impl Difference {
    /// Of pairs, each given as its difference; `None` when there are none.
    pub fn of(differences: &[f64]) -> Option<Self> {
        let Summary { count, mean, sd, interval } = Summary::of(differences)?;
        let error = sd.map(|sd| sd / (count as f64).sqrt()).filter(|error| *error > 0.0);
        let p = error.and_then(|error| Some(2.0 * students_t(count - 1)?.cdf(-(mean / error).abs())));
        Some(Self { pairs: count, difference: mean, interval, p })
    }
}

fn students_t(freedom: usize) -> Option<StudentsT> {
    StudentsT::new(0.0, 1.0, freedom as f64).ok()
}

/// The rank of each value, the largest first; equal ones share the mean of their ranks.
pub fn ranks(values: &[f64]) -> Vec<f64> {
    let rank = |value: &f64| {
        let better = values.iter().filter(|other| *other > value).count();
        let equal = values.iter().filter(|other| *other == value).count();
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
        assert_eq!(Difference::of(&[0.5]).unwrap().p, None);
    }

    #[test]
    fn differences_have_the_p_of_tables() {
        // t = 2 / (1 / sqrt 3) with 2 degrees of freedom: p = 0.0742 in tables.
        near(Difference::of(&[1.0, 2.0, 3.0]).unwrap().p.unwrap(), 0.07418);
        near(Difference::of(&[-1.0, -2.0, -3.0]).unwrap().p.unwrap(), 0.07418);
        near(Difference::of(&[-1.0, 1.0]).unwrap().p.unwrap(), 1.0);
        assert_eq!(Difference::of(&[0.25, 0.25]).unwrap().p, None);
    }

    #[test]
    fn ties_share_their_ranks() {
        assert_eq!(ranks(&[0.5, 0.9, 0.5, 0.1]), [2.5, 1.0, 2.5, 4.0]);
    }
}
