//! The L1 penalty on CUDA.

use dfdx::tensor::Cuda;

use crate::error::Result;
use crate::tensor::backend::length;
use crate::tensor::cuda::launch::{THREADS, blocks, launch};
use crate::tensor::cuda::recording::{device, pointer, record};
use crate::tensor::cuda::sums::{Doubles, parts};
use crate::tensor::{Flat, Tape};

pub(crate) fn absolute_sum<T: Tape<f32, Cuda>>(x: &Flat<Cuda>, scale: f32, tape: &mut T) -> Result<Flat<Cuda>> {
    let count = length(x);
    let sums = Doubles::new(&device(x), parts(count) as usize)?;
    launch!("absolute_sum", parts(count), THREADS, pointer(x)?, count as i64, sums.pointer()?)?;
    let loss = sums.sum(f64::from(scale))?;
    let kept = x.clone();
    record(tape, [Some(x)], &loss, move |dloss, [dx]| {
        launch!("absolute_sum_backward", blocks(count), THREADS, pointer(&kept)?, count as i64, scale, dloss, dx)
    });
    Ok(loss)
}
