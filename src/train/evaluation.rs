//! A network's logits on some images, and what they are worth.

use crate::data::{self, Images, Normalization};
use crate::error::Result;
use crate::math;
use crate::network::{Executor, Mode};
use crate::tensor::ops::ranking::rank;
use crate::tensor::{Backend, NoneTape};

/// The logits of the images at `indices`, row by row: (images, classes). Stops early, with what it has, when `stop`
/// says so.
///
/// # Errors
/// When the device fails.
pub fn logits<B: Backend>(
    network: &Executor<B>,
    images: &Images,
    indices: &[u32],
    normalization: &Normalization,
    device: &B,
    stop: &dyn Fn() -> bool,
) -> Result<Vec<f32>> {
    let mut all = Vec::new();
    let work = |_: usize, _: &[u32], batch: &data::Batch| {
        if stop() {
            return Err(None);
        }
        let mut forward = || {
            let pixels = device.upload(&batch.pixels)?;
            let forward = network.forward(pixels, batch.size, Mode::Evaluate, &[], &mut NoneTape)?;
            all.extend(B::download(&forward.logits));
            Ok(())
        };
        forward().map_err(Some)
    };
    match data::Batches::new(images, normalization, None).ahead(indices, data::EVALUATION_BATCH, work) {
        Ok(()) | Err(None) => Ok(all),
        Err(Some(error)) => Err(error),
    }
}

/// Mean cross entropy −log p(label), in f64 and in order.
pub fn cross_entropy(logits: &[f32], labels: &[u32]) -> f64 {
    let classes = logits.len() / labels.len().max(1);
    let mut sum = 0.0;
    for (row, label) in logits.chunks(classes.max(1)).zip(labels) {
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max) as f64;
        let total: f64 = row.iter().map(|z| math::exp(*z as f64 - largest)).sum();
        sum += math::ln(total) + largest - row[*label as usize] as f64;
    }
    sum / labels.len().max(1) as f64
}

/// The share of rows whose right class is among the first `k`.
pub fn top(logits: &[f32], labels: &[u32], k: usize) -> f64 {
    let classes = logits.len() / labels.len().max(1);
    let right =
        logits.chunks(classes.max(1)).zip(labels).filter(|(row, label)| rank(row, **label as usize) < k).count();
    right as f64 / labels.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_right_answers() {
        let logits = [3.0, 1.0, 2.0, 0.0, 5.0, 5.0];
        assert_eq!(top(&logits, &[0, 2], 1), 0.5);
        assert_eq!(top(&logits, &[0, 2], 2), 1.0);
    }

    #[test]
    fn cross_entropy_of_a_hand_computed_case() {
        // Softmax of (0, ln 3) is (1/4, 3/4).
        let loss = cross_entropy(&[0.0, 3f32.ln(), 1000.0, 0.0], &[0, 0]);
        assert!((loss - 4f64.ln() / 2.0).abs() < 1e-6, "{loss}");
    }
}
