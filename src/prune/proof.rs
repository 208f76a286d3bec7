//! Proof that a network from which units were removed computes what it computed with these units silenced.

use super::Watched;
use super::shrink::Selection;
use crate::data::{self, EVALUATION_BATCH};
use crate::error::{Error, Kind, Result};
use crate::network::{Executor, Mode, Model};
use crate::random;
use crate::tensor::{Backend, NoneTape};

/// The largest difference, as a share of the largest logit.
const TOLERANCE: f64 = 1e-4;

/// Random images, where there are no real ones.
const RANDOM_IMAGES: usize = 16;

/// Compares the logits of `shrunk` with those of `original` with the removed units silenced, on the first of the
/// `watched` images, or on normally distributed ones when there are none.
///
/// # Errors
/// [`Kind::Stage`] when they differ, and when the device fails.
pub fn prove<B: Backend>(
    original: &Model,
    shrunk: &Model,
    selection: &Selection,
    watched: Option<&Watched>,
    device: &B,
) -> Result<()> {
    let mut masked = original.clone();
    selection.silence(&mut masked);
    let (pixels, size) = match watched.filter(|watched| !watched.indices.is_empty()) {
        Some(watched) => {
            let indices = &watched.indices[..watched.indices.len().min(EVALUATION_BATCH)];
            let batch = data::batch(watched.images, indices, watched.normalization, None);
            (batch.pixels, batch.size)
        }
        None => {
            let count = RANDOM_IMAGES * original.graph.input.iter().product::<usize>();
            let mut generator = random::generator(0, "proof", 0, 0);
            ((0..count).map(|_| random::normal(&mut generator) as f32).collect(), RANDOM_IMAGES)
        }
    };
    let logits = |model: &Model| -> Result<Vec<f32>> {
        let network = Executor::new(model, device)?;
        let pixels = device.upload(&pixels)?;
        let forward = network.forward(pixels, size, Mode::Evaluate, &[], &mut NoneTape)?;
        Ok(B::download(&forward.logits))
    };
    let expected = logits(&masked)?;
    if expected.iter().any(|logit| !logit.is_finite()) {
        let message = "the network's logits are not finite, so that nothing can be said about pruning it";
        return Err(Error::new(Kind::Diverged, message).hint("its weights are finite, but too large to be of use"));
    }
    let off = difference(&expected, &logits(shrunk)?);
    if off <= TOLERANCE {
        return Ok(());
    }
    let message = format!("the pruned network computes something else than the masked one (off by {off:.1e})");
    Err(Error::new(Kind::Stage, message).hint("this is a defect of pleach; please report it"))
}

/// The largest difference as a share of the largest value. Infinite when one has a finite value where the other has none;
/// where both have none, there is nothing to compare.
pub(super) fn difference(expected: &[f32], found: &[f32]) -> f64 {
    let finite = expected.iter().filter(|z| z.is_finite());
    let largest = finite.fold(f64::MIN_POSITIVE, |largest, z| largest.max(z.abs() as f64));
    let pairs = expected.iter().zip(found);
    let differences = pairs.map(|(a, b)| match (a.is_finite(), b.is_finite()) {
        (true, true) => (*a as f64 - *b as f64).abs(),
        (false, false) => 0.0,
        _ => f64::INFINITY,
    });
    differences.fold(0.0, f64::max) / largest
}

#[cfg(test)]
mod tests {
    use super::difference;

    #[test]
    fn differences_are_shares_of_the_largest_logit() {
        assert_eq!(difference(&[1.0, -4.0], &[1.0, -3.0]), 0.25);
        assert_eq!(difference(&[0.0, 0.0], &[0.0, 0.0]), 0.0);
        assert_eq!(difference(&[1.0, 2.0], &[1.0, f32::NAN]), f64::INFINITY);
        assert_eq!(difference(&[f32::INFINITY, 2.0], &[f32::NAN, 2.0]), 0.0);
    }
}
