//! The sum of losses on CUDA.

use dfdx::prelude::{PutTape, ZerosTensor};
use dfdx::tensor::Cuda;

use crate::error::Result;
use crate::tensor::cuda::launch::{Argument, Pointer, launch};
use crate::tensor::cuda::recording::{expect_length, pointer, record_all};
use crate::tensor::cuda::sums::Doubles;
use crate::tensor::{Backend, Flat, Scalar, Tape};

/// How many terms one launch takes; the same number is in `cuda.cu`.
const TERMS: usize = 8;

/// Some terms, as the kernel has them.
#[derive(Clone, Copy)]
#[repr(C)]
struct Terms {
    places: [Pointer; TERMS],
    weights: [f32; TERMS],
    count: i32,
}

impl Argument for Terms {}

impl Terms {
    fn new(places: &[Pointer], weights: &[f32]) -> Self {
        let mut terms = Self { places: [Pointer::NONE; TERMS], weights: [0.0; TERMS], count: places.len() as i32 };
        terms.places[..places.len()].copy_from_slice(places);
        terms.weights[..weights.len()].copy_from_slice(weights);
        terms
    }
}

pub(crate) fn weighted_sum<T: Tape<f32, Cuda>>(
    device: &Cuda,
    terms: &[(f32, Flat<Cuda>)],
    mut tape: T,
) -> Result<Scalar<Cuda, T>> {
    for (_, term) in terms {
        expect_length("a term of a loss", term, &[1])?;
    }
    let places = terms.iter().map(|(_, term)| pointer(term)).collect::<Result<Vec<_>>>()?;
    let weights: Vec<f32> = terms.iter().map(|(weight, _)| *weight).collect();
    let loss = device.try_zeros_like(&()).map_err(Cuda::error)?;
    let sum = Doubles::new(device, 1)?;
    for (places, weights) in places.chunks(TERMS).zip(weights.chunks(TERMS)) {
        launch!("weighted_sum", 1_u32, 1_u32, Terms::new(places, weights), sum.pointer()?, pointer(&loss)?)?;
    }
    let inputs: Vec<_> = terms.iter().map(|(_, term)| Some(term)).collect();
    record_all(&mut tape, &inputs, &loss, move |dloss, gradients| {
        for (places, weights) in gradients.chunks(TERMS).zip(weights.chunks(TERMS)) {
            launch!("weighted_sum_backward", 1_u32, 1_u32, Terms::new(places, weights), dloss)?;
        }
        Ok(())
    });
    Ok(loss.put_tape(tape))
}
