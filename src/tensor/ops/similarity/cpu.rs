//! Similarity preserving distillation on the processor.

use crate::error::Result;
use crate::tensor::backend::length;
use crate::tensor::ops::gram::cpu::{gradient, gram};
use crate::tensor::recording::{expect_length, loss, values};
use crate::tensor::{Cpu, Flat, Tape};

pub(crate) fn similarity<T: Tape<f32, Cpu>>(
    student: &Flat<Cpu>,
    teacher: &Flat<Cpu>,
    batch: usize,
    tape: &mut T,
) -> Result<Flat<Cpu>> {
    expect_length("the student's feature", student, &[batch, length(student) / batch.max(1)])?;
    expect_length("the teacher's feature", teacher, &[batch, length(teacher) / batch.max(1)])?;
    let features = values(student);
    let mut own = gram(&features, batch);
    let mut others = gram(&values(teacher), batch);
    let count = (batch * batch) as f64;
    let mut sum = 0.0;
    for (row, target) in own.chunks_exact_mut(batch).zip(others.chunks_exact_mut(batch)) {
        let norm = normalise(row);
        normalise(target);
        let differences = || row.iter().zip(&*target).map(|(g, t)| g - t);
        sum += differences().map(|difference| difference * difference).sum::<f64>();
        let along: f64 = row.iter().zip(differences()).map(|(g, difference)| g * difference).sum();
        // The similarity is not needed again: its place takes the gradient.
        for (g, target) in row.iter_mut().zip(&*target) {
            let step = (*g - target) - *g * along;
            *g = if norm > 0.0 { 2.0 * step / (norm * count) } else { 0.0 };
        }
    }
    loss([student], sum / count, [gradient(&features, &own, batch)], tape)
}

/// Divides a row by its norm, unless that is 0, and returns the norm.
fn normalise(row: &mut [f64]) -> f64 {
    let norm = row.iter().map(|g| g * g).sum::<f64>().sqrt();
    if norm > 0.0 {
        row.iter_mut().for_each(|g| *g /= norm);
    }
    norm
}
