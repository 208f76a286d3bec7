//! Steps of stochastic gradient descent and of Adam, exactly PyTorch's. All state is in tensors of ours, so that it can
//! be saved and restored bit for bit. Not differentiable.
//!
//! With parameter w, gradient g, velocity u, moments m and v:
//!
//! ```text
//! SGD    g += l2 w;  u = momentum u + g;  w −= lr (nesterov: g + momentum u, else u)
//! Adam   w −= lr decay w (AdamW);  g += l2 w;  m = β₁ m + (1 − β₁) g;  v = β₂ v + (1 − β₂) g²
//!        w −= lr m / (1 − β₁^t) / (√v / √(1 − β₂^t) + epsilon)
//! ```
//!
//! Velocity and moments start at zero. Sutskever et al. 2013; Kingma & Ba 2015; Loshchilov & Hutter 2019.

pub(crate) mod cpu;
#[cfg(feature = "cuda")]
pub(crate) mod cuda;
#[cfg(test)]
mod tests;

use crate::tensor::{Backend, Flat};

/// A parameter that [`SgdStep`] changes, with its state of as many values.
#[derive(Debug)]
pub struct SgdUpdate<'a, B: Backend> {
    /// w.
    pub parameter: &'a mut Flat<B>,
    /// u.
    pub velocity: &'a mut Flat<B>,
    /// How; all of one call differ in `l2` alone.
    pub step: SgdStep,
}

/// A parameter that [`AdamStep`] changes, with its state of as many values.
#[derive(Debug)]
pub struct AdamUpdate<'a, B: Backend> {
    /// w.
    pub parameter: &'a mut Flat<B>,
    /// m.
    pub mean: &'a mut Flat<B>,
    /// v.
    pub variance: &'a mut Flat<B>,
    /// How; all of one call differ in `l2` and `decay` alone.
    pub step: AdamStep,
}

/// The settings of one step of `torch.optim.SGD` (dampening 0).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SgdStep {
    /// Learning rate.
    pub lr: f64,
    /// Share of the velocity that is kept; 0 for none.
    pub momentum: f64,
    /// Looks one step ahead along the velocity.
    pub nesterov: bool,
    /// PyTorch's `weight_decay`: added to the gradient.
    pub l2: f64,
}

/// The settings of one step of `torch.optim.Adam` (`decay` 0) or `AdamW` (`l2` 0).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamStep {
    /// Counts the steps of this parameter, from 1.
    pub step: u64,
    /// Learning rate.
    pub lr: f64,
    /// Share of the first moment that is kept.
    pub beta1: f64,
    /// Share of the second moment that is kept.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Adam's `weight_decay`: added to the gradient.
    pub l2: f64,
    /// AdamW's `weight_decay`: the weights shrink by `lr · decay`, apart from the gradient.
    pub decay: f64,
}
