//! The standard normal distribution by the ziggurat method (Marsaglia and Tsang, 2000; Doornik, "An Improved Ziggurat
//! Method to Generate Normal Random Samples", 2005), as the crate `rand_distr` has it, but for the host's mathematics
//! library that it calls.

use std::sync::LazyLock;

use rand::distr::Open01;
use rand::{Rng, RngExt};

use crate::math;

/// Layers of one area.
const LAYERS: usize = 256;

/// Where the tail begins.
const TAIL: f64 = 3.654_152_885_361_009;

/// The area of a layer, under the density without its factor of `1 / √(2π)`.
const AREA: f64 = 0.004_928_673_233_99;

/// Right end of every layer, from the lowest up, and the density there.
struct Layers {
    ends: [f64; LAYERS + 1],
    densities: [f64; LAYERS + 1],
}

static ZIGGURAT: LazyLock<Layers> = LazyLock::new(|| {
    let mut ends = [0.0; LAYERS + 1];
    ends[0] = AREA / density(TAIL);
    ends[1] = TAIL;
    for layer in 2..LAYERS {
        let below = ends[layer - 1];
        ends[layer] = (-2.0 * math::ln(AREA / below + density(below))).sqrt();
    }
    Layers { ends, densities: ends.map(density) }
});

fn density(x: f64) -> f64 {
    math::exp(-x * x / 2.0)
}

/// A number drawn from the standard normal distribution.
pub fn normal<R: Rng + ?Sized>(generator: &mut R) -> f64 {
    let Layers { ends, densities } = &*ZIGGURAT;
    loop {
        let bits = generator.next_u64();
        // Eight bits for the layer, and 52 others for a number from -1 to below 1.
        let layer = (bits & 0xff) as usize;
        let u = f64::from_bits((bits >> 12) | 2.0_f64.to_bits()) - 3.0;
        let x = u * ends[layer];
        if x.abs() < ends[layer + 1] {
            return x;
        }
        if layer == 0 {
            return tail(generator, u < 0.0);
        }
        let within: f64 = generator.random();
        if densities[layer + 1] + (densities[layer] - densities[layer + 1]) * within < density(x) {
            return x;
        }
    }
}

/// A number beyond [`TAIL`] (Marsaglia, 1964).
fn tail<R: Rng + ?Sized>(generator: &mut R, negative: bool) -> f64 {
    loop {
        let first: f64 = generator.sample(Open01);
        let second: f64 = generator.sample(Open01);
        // Both are negative.
        let (x, y) = (math::ln(first) / TAIL, math::ln(second));
        if -2.0 * y >= x * x {
            return if negative { x - TAIL } else { TAIL - x };
        }
    }
}

#[cfg(test)]
mod tests {
    use rand_distr::StandardNormal;

    use super::*;
    use crate::random::generator;

    #[test]
    fn it_draws_what_rand_distr_draws() {
        let (mut ours, mut theirs) = (generator(1, "normal", 0, 0), generator(1, "normal", 0, 0));
        let mut beyond = 0;
        for _ in 0..200_000 {
            let (found, expected) = (normal(&mut ours), theirs.sample::<f64, _>(StandardNormal));
            assert!((found - expected).abs() < 1e-14, "{found} {expected}");
            beyond += usize::from(found.abs() > TAIL);
        }
        assert!(beyond > 20, "{beyond} in the tail");
    }
}
