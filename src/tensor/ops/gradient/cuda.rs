//! Gradients in place, on CUDA.

use dfdx::tensor::Cuda;

use crate::error::Result;
use crate::tensor::backend::length;
use crate::tensor::cuda::launch::{Argument, Pointer, THREADS, blocks, launch};
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

pub(crate) fn gradients_square_sum(gradients: &mut Gradients<f32, Cuda>, tensors: &[&Flat<Cuda>]) -> Result<f64> {
    let Some(first) = tensors.first() else { return Ok(0.0) };
    let all = tensors.iter().map(|tensor| parts(length(tensor)) as usize).sum();
    let sums = Doubles::new(&device(first), all)?;
    let mut begin = 0;
    for tensors in tensors.chunks(TENSORS) {
        let (none, mut most) = ([Pointer::NONE; TENSORS], 0);
        let mut table = Squared { gradients: none, lengths: [0; TENSORS], sums: none, parts: [0; TENSORS] };
        for (place, tensor) in tensors.iter().enumerate() {
            let (count, parts) = (length(tensor), parts(length(tensor)));
            table.gradients[place] = gradient_of(gradients, tensor)?;
            table.lengths[place] = count as i64;
            table.sums[place] = sums.at(begin)?;
            table.parts[place] = parts as i32;
            begin += parts as usize;
            most = most.max(parts);
        }
        launch!("gradient_squares", [most, tensors.len() as u32], THREADS, table)?;
    }
    Ok(sums.precise_sum(1.0)?.read())
}

/// How many tensors one launch takes; the same number is in `cuda.cu`.
const TENSORS: usize = 64;

/// Some gradients, as the kernel has them.
#[derive(Clone, Copy)]
#[repr(C)]
struct Squared {
    gradients: [Pointer; TENSORS],
    lengths: [i64; TENSORS],
    sums: [Pointer; TENSORS],
    parts: [i32; TENSORS],
}

impl Argument for Squared {}
