//! Distillation by correlation on the processor.

use super::Correlation;
use crate::error::Result;
use crate::math;
use crate::tensor::backend::length;
use crate::tensor::ops::cross_entropy::cpu::log_softmax;
use crate::tensor::recording::{expect_length, loss, values};
use crate::tensor::{Cpu, Flat, Tape};

/// Added to the product of two norms.
const EPSILON: f64 = 1e-8;

pub(crate) fn correlation<T: Tape<f32, Cpu>>(
    student: &Flat<Cpu>,
    teacher: &Flat<Cpu>,
    classes: usize,
    settings: &Correlation,
    tape: &mut T,
) -> Result<Flat<Cpu>> {
    let batch = length(student) / classes.max(1);
    expect_length("the student's logits", student, &[batch, classes])?;
    expect_length("the teacher's logits", teacher, &[batch, classes])?;
    let Correlation { temperature, beta, gamma } = *settings;
    let probabilities = |logits: &Flat<Cpu>| -> Vec<f64> {
        let rows = values(logits);
        rows.chunks_exact(classes).flat_map(|row| log_softmax(row, temperature)).map(math::exp).collect()
    };
    let (own, others) = (probabilities(student), probabilities(teacher));
    let mut slopes = vec![0.0; own.len()];
    let mut total = 0.0;
    // Rows lie side by side; the values of a column lie a row apart.
    for (weight, lines, stride, step, count) in
        [(beta, batch, classes, 1, classes), (gamma, classes, 1, classes, batch)]
    {
        let mut sum = 0.0;
        for line in 0..lines {
            let of =
                |all: &[f64]| -> Vec<f64> { all[line * stride..].iter().step_by(step).take(count).copied().collect() };
            let (value, slope) = pearson(of(&own), of(&others));
            sum += value;
            let places = slopes[line * stride..].iter_mut().step_by(step);
            places.zip(slope).for_each(|(total, slope)| *total -= weight * slope / lines as f64);
        }
        total += weight * (1.0 - sum / lines as f64);
    }
    let mut gradient = Vec::with_capacity(own.len());
    for (p, slope) in own.chunks_exact(classes).zip(slopes.chunks_exact(classes)) {
        let mean: f64 = p.iter().zip(slope).map(|(p, slope)| p * slope).sum();
        gradient.extend(p.iter().zip(slope).map(|(p, slope)| (temperature * p * (slope - mean)) as f32));
    }
    loss([student], temperature * temperature * total, [gradient], tape)
}

/// Pearson's correlation of `x` and `y`, and its gradient for `x`.
fn pearson(mut x: Vec<f64>, mut y: Vec<f64>) -> (f64, Vec<f64>) {
    let centre = |values: &mut Vec<f64>| {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        values.iter_mut().for_each(|value| *value -= mean);
        values.iter().map(|value| value * value).sum::<f64>().sqrt()
    };
    let (norm, other) = (centre(&mut x), centre(&mut y));
    let product: f64 = x.iter().zip(&y).map(|(x, y)| x * y).sum();
    let whole = norm * other + EPSILON;
    if norm == 0.0 || other == 0.0 {
        return (0.0, vec![0.0; x.len()]);
    }
    let along = product * other / (norm * whole * whole);
    (product / whole, x.iter().zip(&y).map(|(x, y)| y / whole - x * along).collect())
}
