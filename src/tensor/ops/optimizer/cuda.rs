//! Optimizer steps on CUDA.

use dfdx::tensor::Cuda;

use super::{AdamStep, SgdStep};
use crate::error::Result;
use crate::tensor::backend::length;
use crate::tensor::cuda::launch::{Argument, THREADS, blocks, launch};
use crate::tensor::cuda::recording::{expect_length, gradient_of, pointer};
use crate::tensor::{Flat, Gradients};

pub(crate) fn sgd_step(
    parameter: &mut Flat<Cuda>,
    gradients: &mut Gradients<f32, Cuda>,
    velocity: &mut Flat<Cuda>,
    step: &SgdStep,
) -> Result<()> {
    let count = length(parameter);
    expect_length("a velocity", velocity, &[count])?;
    let (weights, gradient, velocities) = (pointer(parameter)?, gradient_of(gradients, parameter)?, pointer(velocity)?);
    let (lr, momentum, l2) = (step.lr as f32, step.momentum as f32, step.l2 as f32);
    let (blocks, nesterov) = (blocks(count), i32::from(step.nesterov));
    launch!("sgd_step", blocks, THREADS, weights, gradient, velocities, count as i64, lr, momentum, l2, nesterov)
}

/// What a step of Adam multiplies by, as the kernel has it.
#[derive(Clone, Copy)]
#[repr(C)]
struct AdamFactors {
    shrink: f32,
    l2: f32,
    beta1: f32,
    rest1: f32,
    beta2: f32,
    rest2: f32,
    step_size: f32,
    root: f32,
    epsilon: f32,
}

impl Argument for AdamFactors {}

impl AdamFactors {
    fn new(step: &AdamStep) -> Self {
        let correction = |beta: f64| 1.0 - beta.powf(step.step as f64);
        Self {
            shrink: (1.0 - step.lr * step.decay) as f32,
            l2: step.l2 as f32,
            beta1: step.beta1 as f32,
            rest1: (1.0 - step.beta1) as f32,
            beta2: step.beta2 as f32,
            rest2: (1.0 - step.beta2) as f32,
            step_size: (step.lr / correction(step.beta1)) as f32,
            root: correction(step.beta2).sqrt() as f32,
            epsilon: step.epsilon as f32,
        }
    }
}

pub(crate) fn adam_step(
    parameter: &mut Flat<Cuda>,
    gradients: &mut Gradients<f32, Cuda>,
    mean: &mut Flat<Cuda>,
    variance: &mut Flat<Cuda>,
    step: &AdamStep,
) -> Result<()> {
    let count = length(parameter);
    expect_length("a first moment", mean, &[count])?;
    expect_length("a second moment", variance, &[count])?;
    let (weights, gradient) = (pointer(parameter)?, gradient_of(gradients, parameter)?);
    let (means, variances, by) = (pointer(mean)?, pointer(variance)?, AdamFactors::new(step));
    launch!("adam_step", blocks(count), THREADS, weights, gradient, means, variances, count as i64, by)
}
