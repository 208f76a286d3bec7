//! Cross entropy on CUDA.

use dfdx::tensor::Cuda;

use super::check_targets;
use crate::error::Result;
use crate::tensor::backend::length;
use crate::tensor::cuda::launch::{Pointer, THREADS, launch};
use crate::tensor::cuda::recording::{device, expect_length, pointer};
use crate::tensor::cuda::sums::{label_bits, loss, row_blocks};
use crate::tensor::{Backend, Flat, Tape};

pub(crate) fn cross_entropy<T: Tape<f32, Cuda>>(
    logits: &Flat<Cuda>,
    labels: &[u32],
    mixed: Option<(&[u32], &[f32])>,
    smoothing: f32,
    tape: &mut T,
) -> Result<Flat<Cuda>> {
    let (batch, classes) = (labels.len(), length(logits) / labels.len().max(1));
    expect_length("the logits", logits, &[batch, classes])?;
    check_targets(labels, mixed, classes)?;
    // Everything goes up at once: labels, then of mixed images the other labels and the shares.
    let mut targets: Vec<f32> = label_bits(labels).collect();
    if let Some((second, shares)) = mixed {
        targets.extend(label_bits(second));
        targets.extend(shares);
    }
    let targets = device(logits).upload(&targets)?;
    loss(logits, batch, 1.0 / batch as f64, tape, |losses, gradient| {
        let (z, labels) = (pointer(logits)?, pointer(&targets)?);
        let (second, shares) = match mixed {
            Some(_) => (labels.plus(batch), labels.plus(2 * batch)),
            None => (Pointer::NONE, Pointer::NONE),
        };
        let (rows, smoothing, losses) = (batch as i64, f64::from(smoothing), losses.pointer()?);
        launch!(
            "cross_entropy",
            row_blocks(batch),
            THREADS,
            z,
            labels,
            second,
            shares,
            smoothing,
            rows,
            classes as i64,
            losses,
            gradient
        )
    })
}
