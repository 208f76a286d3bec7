//! Which units of a layer are inactive (Şener & Akbaş 2022, in our reading).

use super::{Activity, Measure};

/// The units that stay, ascending: those that are active, but at least the `minimum` most active ones.
///
/// A unit is inactive when max_x |a_j(x)| ≤ τ ([`Measure::Maximum`]), mean_x |a_j(x)| ≤ τ ([`Measure::Mean`]), or its
/// share of zero activations is at least 1 − ε ([`Measure::Zeros`]); `threshold` is τ or ε.
pub fn keep(activity: &Activity, measure: Measure, threshold: f64, minimum: usize) -> Vec<usize> {
    let strength = |unit: usize| match measure {
        Measure::Maximum => activity.maximum[unit] as f64,
        Measure::Mean => activity.mean[unit],
        Measure::Zeros => 1.0 - activity.zeros[unit],
    };
    let active = |unit: usize| match measure {
        Measure::Maximum | Measure::Mean => strength(unit) > threshold,
        // Not `strength > threshold`: 1 − (1 − ε) is not ε in floating point.
        Measure::Zeros => activity.zeros[unit] < 1.0 - threshold,
    };
    let units = activity.maximum.len();
    let mut keep: Vec<usize> = (0..units).filter(|unit| active(*unit)).collect();
    if keep.len() < minimum.min(units) {
        let mut ranked: Vec<usize> = (0..units).collect();
        ranked.sort_by(|a, b| strength(*b).total_cmp(&strength(*a)).then(a.cmp(b)));
        keep = ranked[..minimum.min(units)].to_vec();
        keep.sort_unstable();
    }
    keep
}

#[cfg(test)]
mod tests {
    use super::*;

    fn activity() -> Activity {
        Activity {
            maximum: vec![0.0, 2.0, 0.1, 0.0],
            mean: vec![0.0, 0.5, 0.05, 0.0],
            zeros: vec![1.0, 0.25, 0.9, 1.0],
        }
    }

    #[test]
    fn units_go_by_what_is_measured() {
        let keep = |measure, threshold| keep(&activity(), measure, threshold, 1);
        assert_eq!(keep(Measure::Maximum, 0.0), [1, 2]);
        assert_eq!(keep(Measure::Maximum, 0.1f32 as f64), [1]);
        assert_eq!(keep(Measure::Mean, 0.04), [1, 2]);
        assert_eq!(keep(Measure::Mean, 0.05), [1]);
        assert_eq!(keep(Measure::Zeros, 0.0), [1, 2]);
        assert_eq!(keep(Measure::Zeros, 0.1), [1]);
    }

    #[test]
    fn a_layer_is_never_emptied() {
        assert_eq!(keep(&activity(), Measure::Maximum, 100.0, 1), [1]);
        assert_eq!(keep(&activity(), Measure::Maximum, 0.0, 3), [0, 1, 2]);
        assert_eq!(keep(&activity(), Measure::Maximum, 0.0, 99), [0, 1, 2, 3]);
    }
}
