//! The distillation loss on CUDA.

use dfdx::tensor::Cuda;

use super::checked;
use crate::error::Result;
use crate::tensor::cuda::launch::{THREADS, launch};
use crate::tensor::cuda::recording::pointer;
use crate::tensor::cuda::sums::{loss, row_blocks};
use crate::tensor::{Flat, Tape};

pub(crate) fn distillation<T: Tape<f32, Cuda>>(
    student: &Flat<Cuda>,
    teacher: &Flat<Cuda>,
    classes: usize,
    temperature: f32,
    tape: &mut T,
) -> Result<Flat<Cuda>> {
    let batch = checked(student, teacher, classes, temperature)?;
    let temperature = f64::from(temperature);
    loss(student, batch, temperature * temperature / batch as f64, tape, |losses, gradient| {
        let (own, other, losses) = (pointer(student)?, pointer(teacher)?, losses.pointer()?);
        let (rows, classes) = (batch as i64, classes as i64);
        launch!("distillation", row_blocks(batch), THREADS, own, other, temperature, rows, classes, losses, gradient)
    })
}
