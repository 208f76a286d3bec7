//! The squared error on CUDA.

use dfdx::tensor::Cuda;

use crate::error::Result;
use crate::tensor::backend::length;
use crate::tensor::cuda::launch::{THREADS, blocks, launch};
use crate::tensor::cuda::recording::{device, expect_length, pointer, record};
use crate::tensor::cuda::sums::{Doubles, parts};
use crate::tensor::{Flat, Tape};

pub(crate) fn squared_error<T: Tape<f32, Cuda>>(
    student: &Flat<Cuda>,
    teacher: &Flat<Cuda>,
    tape: &mut T,
) -> Result<Flat<Cuda>> {
    let count = length(student);
    expect_length("the teacher's values", teacher, &[count])?;
    let sums = Doubles::new(&device(student), parts(count) as usize)?;
    let (x, y) = (pointer(student)?, pointer(teacher)?);
    launch!("squared_error", parts(count), THREADS, x, y, count as i64, sums.pointer()?)?;
    let loss = sums.sum(1.0 / count as f64)?;
    let (x, y) = (student.clone(), teacher.clone());
    record(tape, [Some(student)], &loss, move |dloss, [dx]| {
        let (x, y) = (pointer(&x)?, pointer(&y)?);
        launch!("squared_error_backward", blocks(count), THREADS, x, y, count as i64, dloss, dx)
    });
    Ok(loss)
}
