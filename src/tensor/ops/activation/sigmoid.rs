//! The logistic function, written so that the compiler can compute several values at once.

/// `1 / (1 + e^-x)` to within a few units in the last place, and NaN for NaN.
///
/// The standard library's exponential is a call a value, and its last bits are the operating system's. This one is
/// arithmetic alone, and so the same bits everywhere.
#[inline(always)]
pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exponential(-x))
}

/// `e^x`: e^x = 2^n e^r with n the integer next to x / ln 2, and for |r| ≤ ln 2 / 2 the polynomial of Moshier's Cephes
/// library. Infinite above 88.4, where the true value is near the largest number; e^-87 below -87.
#[inline(always)]
fn exponential(x: f32) -> f32 {
    let x = x.clamp(-87.0, 88.8);
    // Adding 1.5 · 2^23 rounds to an integer, which is then in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    // ln 2 in two parts, of which the first has so few digits that n times it is exact.
    let r = x - n * (355.0 / 512.0) + n * 2.121_944_4e-4;
    let mut polynomial = 1.987_569_1e-4;
    for coefficient in [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        polynomial = polynomial * r + coefficient;
    }
    let power = f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
    (polynomial * r * r + r + 1.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_formula_to_the_last_bits_and_right_far_out() {
        for step in -80_000..=80_000 {
            let x = step as f32 / 1000.0;
            let expected = 1.0 / (1.0 + (-f64::from(x)).exp());
            let error = (f64::from(sigmoid(x)) / expected - 1.0).abs();
            assert!(error < 4e-7, "{x}: {} against {expected}", sigmoid(x));
        }
        assert_eq!([f32::INFINITY, f32::MAX, 1000.0, 90.0].map(sigmoid), [1.0; 4]);
        assert_eq!([-90.0, -1000.0, f32::MIN, f32::NEG_INFINITY].map(sigmoid), [0.0; 4]);
        assert_eq!(sigmoid(0.0), 0.5);
        assert!(sigmoid(f32::NAN).is_nan());
    }
}
