//! Variational information distillation on the processor.

use super::EPSILON;
use crate::error::Result;
use crate::math;
use crate::tensor::backend::length;
use crate::tensor::recording::{expect_length, loss, values};
use crate::tensor::{Cpu, Flat, Tape};

pub(crate) fn variational<T: Tape<f32, Cpu>>(
    mean: &Flat<Cpu>,
    scale: &Flat<Cpu>,
    teacher: &Flat<Cpu>,
    tape: &mut T,
) -> Result<Flat<Cpu>> {
    let (channels, count) = (length(scale), length(mean));
    expect_length("a predicted mean", mean, &[count / channels.max(1), channels])?;
    expect_length("the teacher's feature", teacher, &[count])?;
    let scales: Vec<f64> = values(scale).into_iter().map(f64::from).collect();
    // ln(1 + e^s) without overflow.
    let variances: Vec<f64> = scales.iter().map(|s| s.max(0.0) + math::ln_1p(math::exp(-s.abs())) + EPSILON).collect();
    let mut gradient = values(mean);
    let mut squares = vec![0.0; channels];
    for (means, targets) in gradient.chunks_exact_mut(channels).zip(values(teacher).chunks_exact(channels)) {
        for (((mean, target), variance), square) in means.iter_mut().zip(targets).zip(&variances).zip(&mut squares) {
            let difference = f64::from(*mean) - f64::from(*target);
            *square += difference * difference;
            *mean = (difference / (variance * count as f64)) as f32;
        }
    }
    let rows = (count / channels) as f64;
    let mut sum = 0.0;
    let mut scale_gradient = Vec::with_capacity(channels);
    for ((scale, variance), square) in scales.iter().zip(&variances).zip(&squares) {
        sum += 0.5 * (square / variance + rows * math::ln(*variance));
        let slope = 0.5 * (rows / variance - square / (variance * variance)) / count as f64;
        scale_gradient.push((slope / (1.0 + math::exp(-scale))) as f32);
    }
    loss([mean, scale], sum / count as f64, [gradient, scale_gradient], tape)
}
