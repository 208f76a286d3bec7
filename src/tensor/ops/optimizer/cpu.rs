//! Optimizer steps on the processor.

use rayon::prelude::*;

use super::{AdamUpdate, SgdUpdate};
use crate::error::Result;
use crate::tensor::backend::length;
use crate::tensor::ops::gradient::cpu::of;
use crate::tensor::partition::{ELEMENTS, with_scratch};
use crate::tensor::recording::expect_length;
use crate::tensor::{Cpu, Gradients};

pub(crate) fn sgd(update: &mut SgdUpdate<Cpu>, gradients: &mut Gradients<f32, Cpu>) -> Result<()> {
    let SgdUpdate { parameter, velocity, step } = update;
    expect_length("a velocity", velocity, &[length(parameter)])?;
    let gradient = of(gradients, parameter)?;
    let (lr, momentum, l2) = (step.lr as f32, step.momentum as f32, step.l2 as f32);
    let length = gradient.len();
    with_scratch(2 * length, |scratch| {
        let (weights, velocities) = scratch.split_at_mut(length);
        parameter.copy_into(weights);
        velocity.copy_into(velocities);
        let shares = weights.par_chunks_mut(ELEMENTS).zip(velocities.par_chunks_mut(ELEMENTS));
        shares.zip(gradient.par_chunks(ELEMENTS)).for_each(|((weights, velocities), gradient)| {
            for ((weight, velocity), gradient) in weights.iter_mut().zip(velocities).zip(gradient) {
                let gradient = *gradient + l2 * *weight;
                *velocity = momentum * *velocity + gradient;
                *weight -= lr * if step.nesterov { gradient + momentum * *velocity } else { *velocity };
            }
        });
        parameter.copy_from(weights);
        velocity.copy_from(velocities);
    });
    Ok(())
}

pub(crate) fn adam(update: &mut AdamUpdate<Cpu>, gradients: &mut Gradients<f32, Cpu>) -> Result<()> {
    let AdamUpdate { parameter, mean, variance, step } = update;
    expect_length("a first moment", mean, &[length(parameter)])?;
    expect_length("a second moment", variance, &[length(parameter)])?;
    let gradient = of(gradients, parameter)?;
    let correction = |beta: f64| 1.0 - crate::math::powf(beta, step.step as f64);
    let shrink = (1.0 - step.lr * step.decay) as f32;
    let (l2, epsilon) = (step.l2 as f32, step.epsilon as f32);
    let (beta1, beta2) = (step.beta1 as f32, step.beta2 as f32);
    let (rest1, rest2) = ((1.0 - step.beta1) as f32, (1.0 - step.beta2) as f32);
    let step_size = (step.lr / correction(step.beta1)) as f32;
    let root = correction(step.beta2).sqrt() as f32;
    let length = gradient.len();
    with_scratch(3 * length, |scratch| {
        let (weights, moments) = scratch.split_at_mut(length);
        let (means, variances) = moments.split_at_mut(length);
        parameter.copy_into(weights);
        mean.copy_into(means);
        variance.copy_into(variances);
        let shares = weights.par_chunks_mut(ELEMENTS).zip(means.par_chunks_mut(ELEMENTS));
        let shares = shares.zip(variances.par_chunks_mut(ELEMENTS)).zip(gradient.par_chunks(ELEMENTS));
        shares.for_each(|(((weights, means), variances), gradient)| {
            let values = weights.iter_mut().zip(means).zip(variances).zip(gradient);
            for (((weight, mean), variance), gradient) in values {
                *weight *= shrink;
                let gradient = *gradient + l2 * *weight;
                *mean = beta1 * *mean + rest1 * gradient;
                *variance = beta2 * *variance + rest2 * gradient * gradient;
                *weight -= step_size * *mean / (variance.sqrt() / root + epsilon);
            }
        });
        parameter.copy_from(weights);
        mean.copy_from(means);
        variance.copy_from(variances);
    });
    Ok(())
}
