//! Distillation by correlation on CUDA.

use dfdx::tensor::Cuda;

use super::Correlation;
use crate::error::Result;
use crate::tensor::backend::length;
use crate::tensor::cuda::launch::{Pointer, THREADS, launch};
use crate::tensor::cuda::recording::{device, expect_length, pointer};
use crate::tensor::cuda::sums::{Doubles, loss, row_blocks};
use crate::tensor::{Flat, Tape};

/// How many numbers are kept of a row or column for the gradient.
const KEPT: usize = 4;

pub(crate) fn correlation<T: Tape<f32, Cuda>>(
    student: &Flat<Cuda>,
    teacher: &Flat<Cuda>,
    classes: usize,
    settings: &Correlation,
    tape: &mut T,
) -> Result<Flat<Cuda>> {
    let batch = length(student) / classes.max(1);
    expect_length("the student's logits", student, &[batch, classes])?;
    expect_length("the teacher's logits", teacher, &[batch, classes])?;
    let Correlation { temperature, beta, gamma } = *settings;
    let device = device(student);
    let (rows, columns) = (batch as i64, classes as i64);
    let probabilities = |logits: &Flat<Cuda>| -> Result<Doubles> {
        let p = Doubles::new(&device, batch * classes)?;
        let (z, to) = (pointer(logits)?, p.pointer()?);
        launch!("correlation_softmax", row_blocks(batch), THREADS, z, to, temperature, rows, columns)?;
        Ok(p)
    };
    let (own, others) = (probabilities(student)?, probabilities(teacher)?);
    let kept = Doubles::new(&device, KEPT * (batch + classes))?;
    // Of rows first, then of columns.
    loss(student, batch + classes, temperature * temperature, tape, |losses, gradient| {
        let (x, y, of_columns) = (own.pointer()?, others.pointer()?, kept.at(KEPT * batch)?);
        let lines = |weight: f64, count: usize, [stride, step, length]: [i64; 3], losses: Pointer, kept: Pointer| {
            let (blocks, lines) = (row_blocks(count), count as i64);
            launch!("correlation_lines", blocks, THREADS, x, y, weight, lines, stride, step, length, losses, kept)
        };
        lines(beta, batch, [columns, 1, columns], losses.pointer()?, kept.pointer()?)?;
        lines(gamma, classes, [1, columns, rows], losses.at(batch)?, of_columns)?;
        if gradient == Pointer::NONE {
            return Ok(());
        }
        let (blocks, of_rows) = (row_blocks(batch), kept.pointer()?);
        launch!(
            "correlation_gradient",
            blocks,
            THREADS,
            x,
            y,
            of_rows,
            of_columns,
            temperature,
            rows,
            columns,
            gradient
        )
    })
}
