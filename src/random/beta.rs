//! The beta distribution with two equal parameters, by the algorithms BB and BC of Cheng ("Generating Beta Variates with
//! Nonintegral Shape Parameters", 1978), as the crate `rand_distr` has them, but for the host's mathematics library that it
//! calls.

use rand::distr::Open01;
use rand::{Rng, RngExt};

use crate::math::{exp, ln};

/// A number from 0 to 1 drawn from Beta(α, α), α above 0. NaN can come out where α is so small that what is drawn is 0 or 1
/// but for rounding.
pub fn beta<R: Rng + ?Sized>(alpha: f64, generator: &mut R) -> f64 {
    if alpha > 1.0 { above_one(alpha, generator) } else { up_to_one(alpha, generator) }
}

/// Algorithm BB. Names are Cheng's, where a = b is α and `alpha` is a + b.
fn above_one<R: Rng + ?Sized>(a: f64, generator: &mut R) -> f64 {
    let alpha = a + a;
    let beta = ((alpha - 2.0) / (2.0 * a * a - alpha)).sqrt();
    let gamma = a + 1.0 / beta;
    loop {
        let u1: f64 = generator.sample(Open01);
        let u2: f64 = generator.sample(Open01);
        let v = beta * ln(u1 / (1.0 - u1));
        let w = a * exp(v);
        let z = u1 * u1 * u2;
        let r = gamma * v - ln(4.0);
        let s = a + r - w;
        let t = ln(z);
        if s + 1.0 + ln(5.0) >= 5.0 * z || s >= t || r + alpha * ln(alpha / (a + w)) >= t {
            return a / (a + w);
        }
    }
}

/// Algorithm BC. Names are Cheng's, where a = b is α and `alpha` is a + b.
fn up_to_one<R: Rng + ?Sized>(a: f64, generator: &mut R) -> f64 {
    let alpha = a + a;
    let beta = 1.0 / a;
    let kappa1 = (1.0 / 72.0 + 3.0 / 72.0 * a) / (a * beta - 14.0 / 18.0);
    let kappa2 = 0.25 + (0.5 + 0.25) * a;
    loop {
        let u1: f64 = generator.sample(Open01);
        let u2: f64 = generator.sample(Open01);
        let z = u1 * u1 * u2;
        let refused = if u1 < 0.5 { 0.25 * u2 + z - u1 * u2 >= kappa1 } else { z > 0.25 && z >= kappa2 };
        if refused {
            continue;
        }
        let v = beta * ln(u1 / (1.0 - u1));
        let w = a * exp(v);
        let taken = u1 >= 0.5 && z <= 0.25;
        // Where no number comes out, it is taken.
        let below = alpha * (ln(alpha / (a + w)) + v) - ln(4.0) < ln(z);
        if taken || !below {
            return if w == f64::INFINITY { 1.0 } else { w / (a + w) };
        }
    }
}

#[cfg(test)]
mod tests {
    use rand_distr::{Beta, Distribution};

    use super::*;
    use crate::random::generator;

    #[test]
    fn it_draws_what_rand_distr_draws() {
        for alpha in [1e-300, 1e-5, 0.2, 0.9, 1.0, 1.5, 7.0, 100.0] {
            let (mut ours, mut theirs) = (generator(1, "beta", 0, 0), generator(1, "beta", 0, 0));
            let distribution = Beta::new(alpha, alpha).unwrap();
            for _ in 0..20_000 {
                let (found, expected) = (beta(alpha, &mut ours), distribution.sample(&mut theirs));
                let close = (found - expected).abs() < 1e-12 || found.is_nan() && expected.is_nan();
                assert!(close, "{alpha}: {found} {expected}");
            }
        }
    }
}
