//! Gradients in place, on CUDA.

use dfdx::tensor::Cuda;

use crate::error::Result;
use crate::tensor::backend::length;
use crate::tensor::cuda::launch::{THREADS, blocks, launch};
use crate::tensor::cuda::recording::{device, expect_length, gradient_of, pointer};
use crate::tensor::cuda::sums::{Doubles, parts};
use crate::tensor::{Backend, Flat, Gradients};

pub(crate) fn add_to_gradient(
    gradients: &mut Gradients<f32, Cuda>,
    tensor: &Flat<Cuda>,
    addition: &[f32],
) -> Result<()> {
    let count = addition.len();
    expect_length("the tensor whose gradient is added to", tensor, &[count])?;
    let addition = device(tensor).upload(addition)?;
    let (to, from) = (gradient_of(gradients, tensor)?, pointer(&addition)?);
    launch!("gradient_add", blocks(count), THREADS, to, from, count as i64)
}

pub(crate) fn scale_gradient(gradients: &mut Gradients<f32, Cuda>, tensor: &Flat<Cuda>, factor: f32) -> Result<()> {
    let (count, gradient) = (length(tensor), gradient_of(gradients, tensor)?);
    launch!("gradient_scale", blocks(count), THREADS, gradient, factor, count as i64)
}

pub(crate) fn mask_gradient(
    gradients: &mut Gradients<f32, Cuda>,
    tensor: &Flat<Cuda>,
    mask: &Flat<Cuda>,
) -> Result<()> {
    let count = length(tensor);
    expect_length("a mask", mask, &[count])?;
    let (gradient, mask) = (gradient_of(gradients, tensor)?, pointer(mask)?);
    launch!("gradient_mask", blocks(count), THREADS, gradient, mask, count as i64)
}

pub(crate) fn gradient_square_sum(gradients: &mut Gradients<f32, Cuda>, tensor: &Flat<Cuda>) -> Result<f64> {
    let (count, gradient) = (length(tensor), gradient_of(gradients, tensor)?);
    let sums = Doubles::new(&device(tensor), parts(count) as usize)?;
    launch!("gradient_squares", parts(count), THREADS, gradient, count as i64, sums.pointer()?)?;
    Ok(sums.precise_sum(1.0)?.read())
}
