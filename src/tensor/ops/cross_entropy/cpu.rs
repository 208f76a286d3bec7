//! Cross entropy on the processor.

use super::check_targets;
use crate::error::Result;
use crate::math;
use crate::tensor::backend::length;
use crate::tensor::recording::{expect_length, record, tensor, values};
use crate::tensor::{Cpu, Flat, Tape};

pub(crate) fn cross_entropy<T: Tape<f32, Cpu>>(
    logits: &Flat<Cpu>,
    labels: &[u32],
    mixed: Option<(&[u32], &[f32])>,
    smoothing: f32,
    tape: &mut T,
) -> Result<Flat<Cpu>> {
    let (batch, classes) = (labels.len(), length(logits) / labels.len().max(1));
    expect_length("the logits", logits, &[batch, classes])?;
    check_targets(labels, mixed, classes)?;
    let smoothing = f64::from(smoothing);
    let mut gradient = Vec::with_capacity(batch * classes);
    let mut loss = 0.0;
    for (index, (row, label)) in values(logits).chunks_exact(classes).zip(labels).enumerate() {
        let log_p = log_softmax(row, 1.0);
        let (second, share) = mixed.map_or((*label, 0.0), |(second, shares)| (second[index], f64::from(shares[index])));
        for (class, log_p) in log_p.iter().enumerate() {
            let mut hard = if class == *label as usize { 1.0 - share } else { 0.0 };
            if class == second as usize {
                hard += share;
            }
            let target = (1.0 - smoothing) * hard + smoothing / classes as f64;
            // A class of no weight adds nothing, also when its probability underflows to 0.
            if target != 0.0 {
                loss -= target * log_p;
            }
            gradient.push(((math::exp(*log_p) - target) / batch as f64) as f32);
        }
    }
    let loss = tensor(&logits.device().clone(), vec![(loss / batch as f64) as f32])?;
    record(tape, [Some(logits)], &loss, move |dloss, [dlogits]| {
        dlogits.iter_mut().zip(gradient).for_each(|(total, gradient)| *total += dloss[0] * gradient);
    });
    Ok(loss)
}

/// `log softmax(row / temperature)`.
pub(crate) fn log_softmax(row: &[f32], temperature: f64) -> Vec<f64> {
    let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let scaled = row.iter().map(|value| (f64::from(*value) - f64::from(largest)) / temperature);
    let log_sum = math::ln(scaled.clone().map(math::exp).sum::<f64>());
    scaled.map(|value| value - log_sum).collect()
}
