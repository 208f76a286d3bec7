//! Standardized logits on CUDA.

use dfdx::tensor::Cuda;

use crate::error::{Error, Kind, Result};
use crate::tensor::backend::length;
use crate::tensor::cuda::launch::{THREADS, launch};
use crate::tensor::cuda::recording::{device, expect_length, pointer, record, zeros};
use crate::tensor::cuda::sums::{Doubles, row_blocks};
use crate::tensor::{Flat, Tape};

pub(crate) fn standardize<T: Tape<f32, Cuda>>(logits: &Flat<Cuda>, classes: usize, tape: &mut T) -> Result<Flat<Cuda>> {
    let batch = length(logits) / classes.max(1);
    expect_length("the logits", logits, &[batch, classes])?;
    if classes < 2 {
        return Err(Error::new(Kind::Input, "one logit alone has no standard deviation"));
    }
    let device = device(logits);
    let (y, moments) = (zeros(&device, batch * classes)?, Doubles::new(&device, 2 * batch)?);
    let (rows, classes) = (batch as i64, classes as i64);
    let (z, to) = (pointer(logits)?, pointer(&y)?);
    launch!("standardize", row_blocks(batch), THREADS, z, to, moments.pointer()?, rows, classes)?;
    let kept = logits.clone();
    record(tape, [Some(logits)], &y, move |dy, [dz]| {
        let (z, moments) = (pointer(&kept)?, moments.pointer()?);
        launch!("standardize_backward", row_blocks(batch), THREADS, z, moments, dy, dz, rows, classes)
    });
    Ok(y)
}
