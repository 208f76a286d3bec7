//! The polarization regularizer on CUDA.

use dfdx::tensor::Cuda;

use crate::error::{Error, Kind, Result};
use crate::tensor::backend::length;
use crate::tensor::cuda::launch::{THREADS, blocks, launch};
use crate::tensor::cuda::recording::{device, pointer, record_all};
use crate::tensor::cuda::sums::{Doubles, parts};
use crate::tensor::{Flat, Tape};

pub(crate) fn polarization<T: Tape<f32, Cuda>>(
    inputs: &[&Flat<Cuda>],
    scale: f32,
    t: f32,
    tape: &mut T,
) -> Result<Flat<Cuda>> {
    let Some(first) = inputs.first() else {
        return Err(Error::new(Kind::Internal, "polarization has no tensor to look at"));
    };
    let device = device(first);
    // Where the parts of each tensor's sums begin.
    let mut all = 0;
    let places: Vec<usize> = inputs
        .iter()
        .map(|input| {
            all += parts(length(input)) as usize;
            all - parts(length(input)) as usize
        })
        .collect();
    let count = inputs.iter().map(|input| length(input)).sum::<usize>() as f64;
    let (t, scale) = (f64::from(t), f64::from(scale));
    let sums = Doubles::new(&device, all)?;
    for (input, place) in inputs.iter().zip(&places) {
        let (x, count, to) = (pointer(input)?, length(input), sums.at(*place)?);
        launch!("polarization_sum", parts(count), THREADS, x, count as i64, to)?;
    }
    let mean = sums.precise_sum(1.0 / count)?;
    let (losses, signs) = (Doubles::new(&device, all)?, Doubles::new(&device, all)?);
    for (input, place) in inputs.iter().zip(&places) {
        let (x, count, mean) = (pointer(input)?, length(input), mean.pointer()?);
        let (losses, signs) = (losses.at(*place)?, signs.at(*place)?);
        launch!("polarization", parts(count), THREADS, x, count as i64, mean, t, losses, signs)?;
    }
    let loss = losses.sum(scale)?;
    let mean_sign = signs.precise_sum(1.0 / count)?;
    let recorded: Vec<Option<&Flat<Cuda>>> = inputs.iter().map(|input| Some(*input)).collect();
    let kept: Vec<Flat<Cuda>> = inputs.iter().map(|input| (*input).clone()).collect();
    record_all(tape, &recorded, &loss, move |dloss, gradients| {
        for (input, gradient) in kept.iter().zip(gradients) {
            let (x, count, mean, sign) = (pointer(input)?, length(input), mean.pointer()?, mean_sign.pointer()?);
            let (blocks, of) = (blocks(count), count as i64);
            launch!("polarization_backward", blocks, THREADS, x, of, mean, sign, t, scale, dloss, *gradient)?;
        }
        Ok(())
    });
    Ok(loss)
}
