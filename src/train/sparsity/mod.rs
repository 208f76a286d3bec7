//! Masks while a network is trained.
//!
//! - this file: what an epoch calls after the backward pass and after the step, whatever is done to the masks;
//! - `surgery`: masks that come and go with the size of the weights;
//! - `rigl`: masks that move, at a sparsity that stays.
//!
//! Masks of earlier stages hold still: masked weights get no gradient and are set to zero after every step.

mod rigl;
mod surgery;
#[cfg(test)]
mod tests;

use super::optimizer::{State, Tensors};
use super::parameters::Training;
use crate::error::Result;
use crate::network::{Executor, Graph, Model, ParameterSpec};
use crate::prune::Method;
use crate::tensor::{Backend, Gradients};
use rigl::Rigl;
use surgery::Surgery;

/// What is done to the masks of the network that is trained.
pub enum Sparsity {
    /// They hold still.
    Fixed,
    /// Dynamic network surgery.
    Surgery(Surgery),
    /// RigL.
    Rigl(Rigl),
}

impl Sparsity {
    /// Prepares `model` for training: RigL masks it. Returns what did not come out as asked, too.
    ///
    /// # Errors
    /// When the method does not fit the network.
    pub fn begin(training: &Training, steps: u64, model: &mut Model, seed: u64) -> Result<(Self, Vec<String>)> {
        let notes = match method(training) {
            Some(method @ Method::Rigl { .. }) => rigl::mask(method.target(), model, seed)?,
            _ => Vec::new(),
        };
        let sparsity = Self::restore(training, steps, model, None, seed);
        if let Self::Surgery(surgery) = &sparsity {
            surgery.begin(model);
        }
        Ok((sparsity, notes))
    }

    /// Goes on after a checkpoint. `start` is the network as it was before the first epoch, and `dense` the weights that
    /// [`Sparsity::dense`] gave.
    pub fn restore(training: &Training, steps: u64, start: &Model, dense: Option<Tensors>, seed: u64) -> Self {
        match method(training) {
            Some(Method::Surgery { c, gamma, power, ignore, layers }) => {
                Self::Surgery(Surgery::new(start, dense, [*c, *gamma, *power], ignore, layers, seed))
            }
            Some(Method::Rigl { every_steps, alpha, until, ignore, .. }) => {
                Self::Rigl(Rigl::new(*every_steps, *alpha, *until, training.epochs * steps, ignore))
            }
            _ => Self::Fixed,
        }
    }

    /// What a training run's later epochs decide about an epoch of so many steps, beside its learning rates: it is in the
    /// key of the epoch's checkpoint.
    pub fn foresight(training: &Training, steps: u64, epoch: u64) -> Vec<f64> {
        match method(training) {
            Some(Method::Rigl { every_steps, alpha, until, ignore, .. }) => {
                let rigl = Rigl::new(*every_steps, *alpha, *until, training.epochs * steps, ignore);
                (epoch * steps..(epoch + 1) * steps).map(|step| rigl.share(step).unwrap_or(-1.0)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Called between the backward pass and the optimizer's step; `step` counts from 0 over all epochs. Whether the
    /// optimizer is to take its step.
    ///
    /// # Errors
    /// When the device fails.
    pub fn after_backward<B: Backend>(
        &mut self,
        step: u64,
        network: &mut Executor<B>,
        gradients: &mut Gradients<f32, B>,
        optimizer: &mut State<B>,
    ) -> Result<bool> {
        match self {
            Self::Fixed => network.mask_gradients(gradients)?,
            Self::Surgery(surgery) => surgery.after_backward(network, gradients)?,
            Self::Rigl(rigl) => {
                if let Some(share) = rigl.share(step) {
                    rigl.move_masks(share, network, gradients, optimizer)?;
                    return Ok(false);
                }
                network.mask_gradients(gradients)?;
            }
        }
        Ok(true)
    }

    /// Whether masked weights go on being trained, so that they must not be set to zero before they are kept.
    pub fn keeps_dense(&self) -> bool {
        matches!(self, Self::Surgery(_))
    }

    /// Called after the optimizer's step: masked weights are zero afterwards.
    ///
    /// # Errors
    /// When the device fails.
    pub fn after_step<B: Backend>(&mut self, step: u64, network: &mut Executor<B>) -> Result<()> {
        if let Self::Surgery(surgery) = self {
            surgery.after_step(step, network)?;
        }
        network.apply_masks()
    }

    /// The weights that are kept beside the masked ones, for a checkpoint.
    pub fn dense(&self) -> Option<Tensors> {
        match self {
            Self::Surgery(surgery) => Some(surgery.dense()),
            _ => None,
        }
    }

    /// The tensors of [`Sparsity::dense`] in a checkpoint of this training.
    pub fn kept_beside(training: &Training, graph: &Graph) -> Option<Vec<ParameterSpec>> {
        match method(training) {
            Some(Method::Surgery { ignore, .. }) => Some(surgery::masked(graph, ignore).collect()),
            _ => None,
        }
    }

    /// Fails with `Kind::Diverged` if a weight that is kept beside the masked ones is not finite.
    ///
    /// # Errors
    /// Names the tensor.
    pub fn check_finite(&self) -> Result<()> {
        match self {
            Self::Surgery(surgery) => surgery.check_finite(),
            _ => Ok(()),
        }
    }
}

fn method(training: &Training) -> Option<&Method> {
    training.prune.as_ref().map(|prune| &prune.method)
}
