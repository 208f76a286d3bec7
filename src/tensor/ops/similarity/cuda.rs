//! Similarity preserving distillation on CUDA.

use dfdx::tensor::Cuda;

use crate::error::Result;
use crate::tensor::backend::length;
use crate::tensor::cuda::launch::{THREADS, launch};
use crate::tensor::cuda::recording::{device, expect_length};
use crate::tensor::cuda::sums::{Doubles, row_blocks};
use crate::tensor::ops::gram::cuda::{gram, record_gradient};
use crate::tensor::{Flat, Tape};

pub(crate) fn similarity<T: Tape<f32, Cuda>>(
    student: &Flat<Cuda>,
    teacher: &Flat<Cuda>,
    batch: usize,
    tape: &mut T,
) -> Result<Flat<Cuda>> {
    expect_length("the student's feature", student, &[batch, length(student) / batch.max(1)])?;
    expect_length("the teacher's feature", teacher, &[batch, length(teacher) / batch.max(1)])?;
    let (own, others) = (gram(student, batch)?, gram(teacher, batch)?);
    let losses = Doubles::new(&device(student), batch)?;
    let (from, target, to) = (own.pointer()?, others.pointer()?, losses.pointer()?);
    launch!("similarity", row_blocks(batch), THREADS, from, target, batch as i64, to)?;
    let loss = losses.sum(1.0 / (batch * batch) as f64)?;
    record_gradient(student, &own, batch, &loss, tape)?;
    Ok(loss)
}
