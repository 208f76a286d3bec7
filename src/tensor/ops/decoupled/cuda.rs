//! Decoupled distillation on CUDA.

use dfdx::tensor::Cuda;

use super::{Decoupled, checked};
use crate::error::Result;
use crate::tensor::cuda::launch::{THREADS, launch};
use crate::tensor::cuda::recording::{device, pointer};
use crate::tensor::cuda::sums::{label_bits, loss, row_blocks};
use crate::tensor::{Backend, Flat, Tape};

pub(crate) fn decoupled<T: Tape<f32, Cuda>>(
    student: &Flat<Cuda>,
    teacher: &Flat<Cuda>,
    labels: &[u32],
    settings: &Decoupled,
    tape: &mut T,
) -> Result<Flat<Cuda>> {
    let (batch, classes) = checked(student, teacher, labels)?;
    let labels = device(student).upload(&label_bits(labels).collect::<Vec<_>>())?;
    let Decoupled { temperature, alpha, beta } = *settings;
    loss(student, batch, temperature * temperature / batch as f64, tape, |losses, gradient| {
        let (own, other, labels) = (pointer(student)?, pointer(teacher)?, pointer(&labels)?);
        let (rows, classes, losses) = (batch as i64, classes as i64, losses.pointer()?);
        launch!(
            "decoupled",
            row_blocks(batch),
            THREADS,
            own,
            other,
            labels,
            temperature,
            alpha,
            beta,
            rows,
            classes,
            losses,
            gradient
        )
    })
}
