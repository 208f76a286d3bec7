//! On CUDA.

use dfdx::tensor::Cuda;

use super::{AdamStep, SgdStep};
use crate::error::{Error, Kind, Result};
use crate::tensor::{Flat, Gradients};

pub(crate) fn sgd_step(
    parameter: &mut Flat<Cuda>,
    gradients: &mut Gradients<f32, Cuda>,
    velocity: &mut Flat<Cuda>,
    step: &SgdStep,
) -> Result<()> {
    let _ = (parameter, gradients, velocity, step);
    Err(Error::new(Kind::Internal, "not there yet"))
}

pub(crate) fn adam_step(
    parameter: &mut Flat<Cuda>,
    gradients: &mut Gradients<f32, Cuda>,
    mean: &mut Flat<Cuda>,
    variance: &mut Flat<Cuda>,
    step: &AdamStep,
) -> Result<()> {
    let _ = (parameter, gradients, mean, variance, step);
    Err(Error::new(Kind::Internal, "not there yet"))
}
