//! Values that leave the range of `f32`: a run of `f32` with a power of two beside it. In a deep network of absolute
//! weights values grow by a factor of ten and more a layer. All values here are at least 0, so nothing cancels and sums
//! are as exact as their terms.

/// `value = values · 2^exponent`; the largest of `values` is in [1/2, 1), or all are 0. Scaling by powers of two rounds
/// nothing but what vanishes beside the largest.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scaled {
    pub(super) values: Vec<f32>,
    pub(super) exponent: i32,
}

impl Scaled {
    /// `values · 2^exponent`, brought into range.
    pub(super) fn new(values: Vec<f32>, exponent: i32) -> Self {
        let largest = values.iter().fold(0.0f32, |largest, value| largest.max(*value));
        if largest == 0.0 || !largest.is_finite() {
            return Self { values, exponent };
        }
        let own = exponent_of(f64::from(largest));
        let factor = 2f64.powi(-own);
        let values = values.into_iter().map(|value| (f64::from(value) * factor) as f32).collect();
        Self { values, exponent: exponent + own }
    }

    /// The values in units of 2^exponent; those far below vanish.
    pub(super) fn at(&self, exponent: i32) -> Vec<f32> {
        let factor = 2f64.powi((self.exponent - exponent).clamp(-1000, 1000));
        self.values.iter().map(|value| (f64::from(*value) * factor) as f32).collect()
    }

    fn is_zero(&self) -> bool {
        self.values.iter().all(|value| *value == 0.0)
    }
}

/// The common exponent of several: the largest of those that are not all zero.
pub(super) fn common<'a>(all: impl IntoIterator<Item = &'a Scaled>) -> i32 {
    all.into_iter().filter(|scaled| !scaled.is_zero()).map(|scaled| scaled.exponent).max().unwrap_or(0)
}

/// `a + b`, of one length.
pub(super) fn sum(a: &Scaled, b: &Scaled) -> Scaled {
    let exponent = common([a, b]);
    Scaled::new(a.at(exponent).iter().zip(b.at(exponent)).map(|(a, b)| a + b).collect(), exponent)
}

/// e with `value` in [2^(e - 1), 2^e), of a positive value that an `f32` can hold.
fn exponent_of(value: f64) -> i32 {
    (value.to_bits() >> 52) as i32 - 1022
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_size() {
        let scaled = Scaled::new(vec![3.0, 0.75, 0.0], 10);
        assert_eq!(scaled, Scaled { values: vec![0.75, 0.1875, 0.0], exponent: 12 });
        assert_eq!(scaled.at(10), [3.0, 0.75, 0.0]);
        assert_eq!(Scaled::new(vec![1.0], 0), Scaled { values: vec![0.5], exponent: 1 });
        assert_eq!(Scaled::new(vec![f32::MIN_POSITIVE / 4.0], 0).values, [0.5]);
        assert_eq!(Scaled::new(vec![0.0], 7).values, [0.0]);
    }

    #[test]
    fn sums_are_of_what_is_meant() {
        let sum =
            |a: (f32, i32), b: (f32, i32)| sum(&Scaled::new(vec![a.0], a.1), &Scaled::new(vec![b.0], b.1)).at(0)[0];
        assert_eq!(sum((3.0, 2), (5.0, -1)), 14.5);
        assert_eq!(sum((0.0, 900), (5.0, 0)), 5.0);
        assert_eq!(sum((1.0, -900), (5.0, 0)), 5.0);
        assert_eq!(super::sum(&Scaled::new(vec![1.0], 4000), &Scaled::new(vec![1.0], 4000)).exponent, 4002);
    }
}
