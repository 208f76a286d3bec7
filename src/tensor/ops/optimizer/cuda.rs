//! Optimizer steps on CUDA: many parameters at a launch, whose table of tensors travels with it.

use dfdx::tensor::Cuda;

use super::{AdamStep, AdamUpdate, SgdUpdate};
use crate::error::Result;
use crate::tensor::Gradients;
use crate::tensor::backend::length;
use crate::tensor::cuda::launch::{Argument, Pointer, THREADS, blocks, launch};
use crate::tensor::cuda::recording::{expect_length, gradient_of, pointer};

/// How many tensors one launch takes; the same number is in `cuda.cu`.
const TENSORS: usize = 64;
/// How many blocks work on one tensor, at most.
const BLOCKS: u32 = 512;

/// Some parameters, as the kernel has them.
#[derive(Clone, Copy)]
#[repr(C)]
struct SgdTensors {
    weights: [Pointer; TENSORS],
    gradients: [Pointer; TENSORS],
    velocities: [Pointer; TENSORS],
    lengths: [i64; TENSORS],
    l2: [f32; TENSORS],
}

impl Argument for SgdTensors {}

pub(crate) fn sgd(updates: &mut [SgdUpdate<Cuda>], gradients: &mut Gradients<f32, Cuda>) -> Result<()> {
    const NONE: [Pointer; TENSORS] = [Pointer::NONE; TENSORS];
    for updates in updates.chunks(TENSORS) {
        let (mut longest, step) = (0, updates[0].step);
        let mut tensors =
            SgdTensors { weights: NONE, gradients: NONE, velocities: NONE, lengths: [0; TENSORS], l2: [0.0; TENSORS] };
        for (place, SgdUpdate { parameter, velocity, step }) in updates.iter().enumerate() {
            let count = length(parameter);
            expect_length("a velocity", velocity, &[count])?;
            tensors.weights[place] = pointer(parameter)?;
            tensors.gradients[place] = gradient_of(gradients, parameter)?;
            tensors.velocities[place] = pointer(velocity)?;
            tensors.lengths[place] = count as i64;
            tensors.l2[place] = step.l2 as f32;
            longest = longest.max(count);
        }
        let (lr, momentum, nesterov) = (step.lr as f32, step.momentum as f32, i32::from(step.nesterov));
        launch!("sgd_step", grid(longest, updates.len()), THREADS, tensors, lr, momentum, nesterov)?;
    }
    Ok(())
}

/// Some parameters, as the kernel has them.
#[derive(Clone, Copy)]
#[repr(C)]
struct AdamTensors {
    weights: [Pointer; TENSORS],
    gradients: [Pointer; TENSORS],
    means: [Pointer; TENSORS],
    variances: [Pointer; TENSORS],
    lengths: [i64; TENSORS],
    l2: [f32; TENSORS],
    shrink: [f32; TENSORS],
}

impl Argument for AdamTensors {}

/// What a step multiplies by, for all parameters, as the kernel has it.
#[derive(Clone, Copy)]
#[repr(C)]
struct AdamFactors {
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
        let correction = |beta: f64| 1.0 - crate::math::powf(beta, step.step as f64);
        Self {
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

pub(crate) fn adam(updates: &mut [AdamUpdate<Cuda>], gradients: &mut Gradients<f32, Cuda>) -> Result<()> {
    const NONE: [Pointer; TENSORS] = [Pointer::NONE; TENSORS];
    for updates in updates.chunks(TENSORS) {
        let (mut longest, by) = (0, AdamFactors::new(&updates[0].step));
        let mut tensors = AdamTensors {
            weights: NONE,
            gradients: NONE,
            means: NONE,
            variances: NONE,
            lengths: [0; TENSORS],
            l2: [0.0; TENSORS],
            shrink: [0.0; TENSORS],
        };
        for (place, AdamUpdate { parameter, mean, variance, step }) in updates.iter().enumerate() {
            let count = length(parameter);
            expect_length("a first moment", mean, &[count])?;
            expect_length("a second moment", variance, &[count])?;
            tensors.weights[place] = pointer(parameter)?;
            tensors.gradients[place] = gradient_of(gradients, parameter)?;
            tensors.means[place] = pointer(mean)?;
            tensors.variances[place] = pointer(variance)?;
            tensors.lengths[place] = count as i64;
            tensors.l2[place] = step.l2 as f32;
            tensors.shrink[place] = (1.0 - step.lr * step.decay) as f32;
            longest = longest.max(count);
        }
        launch!("adam_step", grid(longest, updates.len()), THREADS, tensors, by)?;
    }
    Ok(())
}

/// The blocks for tensors of which the longest has so many values.
fn grid(longest: usize, tensors: usize) -> [u32; 2] {
    [blocks(longest).min(BLOCKS), tensors as u32]
}
