//! The distillation loss on CUDA.

use dfdx::tensor::Cuda;

use crate::error::{Error, Kind, Result};
use crate::tensor::backend::length;
use crate::tensor::cuda::launch::{THREADS, launch};
use crate::tensor::cuda::recording::{expect_length, pointer};
use crate::tensor::cuda::sums::{loss, row_blocks};
use crate::tensor::{Flat, Tape};

pub(crate) fn distillation<T: Tape<f32, Cuda>>(
    student: &Flat<Cuda>,
    teacher: &Flat<Cuda>,
    classes: usize,
    temperature: f32,
    tape: &mut T,
) -> Result<Flat<Cuda>> {
    let batch = length(student) / classes.max(1);
    expect_length("the student's logits", student, &[batch, classes])?;
    expect_length("the teacher's logits", teacher, &[batch, classes])?;
    if temperature.is_nan() || temperature <= 0.0 {
        return Err(Error::new(Kind::Internal, format!("a distillation at temperature {temperature}")));
    }
    let temperature = f64::from(temperature);
    loss(student, batch, temperature * temperature / batch as f64, tape, |losses, gradient| {
        let (own, other, losses) = (pointer(student)?, pointer(teacher)?, losses.pointer()?);
        let (rows, classes) = (batch as i64, classes as i64);
        launch!("distillation", row_blocks(batch), THREADS, own, other, temperature, rows, classes, losses, gradient)
    })
}
