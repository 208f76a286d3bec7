//! Batch normalization (Ioffe & Szegedy 2015), with an optional ReLU in the same pass.
//!
//! For each channel, over the n rows (batch x positions) of x (n, C):
//!
//! ```text
//! mean = Σ x / n     variance = Σ (x − mean)² / n     r = 1 / √(variance + epsilon)     x̂ = (x − mean) r
//! y = weight x̂ + bias
//! ```
//!
//! In training the statistics are the batch's, and gradients flow through them:
//!
//! ```text
//! dbias = Σ dy     dweight = Σ dy x̂     dx = weight r (dy − dbias / n − x̂ dweight / n)
//! ```
//!
//! Frozen, the statistics are constants, so `dx = weight r dy` and the other two stay. With the ReLU, dy is first set
//! to 0 where y ≤ 0.
//!
//! Running averages move towards a batch as PyTorch's do, with the variance divided by n − 1:
//!
//! ```text
//! running ← (1 − momentum) running + momentum batch
//! ```
//!
//! The mean and variance of a share of rows are computed in one visit and joined in order by Chan, Golub and LeVeque's
//! formula (1979), in `f64`.

pub(crate) mod cpu;
#[cfg(feature = "cuda")]
pub(crate) mod cuda;
mod statistics;
#[cfg(test)]
mod tests;

pub(crate) use statistics::Statistics;

use crate::tensor::{Backend, Flat};

/// What a normalization is told besides its tensors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Normalization {
    /// Channels: the innermost dimension of the input.
    pub channels: usize,
    /// Added to the variance before its root.
    pub epsilon: f32,
    /// Whether a ReLU follows in the same pass.
    pub relu: bool,
}

/// The statistics of a batch, for running averages. They stay on the device, so that a training step does not wait for it.
#[derive(Debug, Clone)]
pub struct BatchStatistics<B: Backend> {
    /// Mean of each channel.
    pub mean: Flat<B>,
    /// Variance of each channel, divided by the number of values (biased).
    pub variance: Flat<B>,
    /// Values in each channel: batch x positions.
    pub count: usize,
}

/// What the variance of a batch of `count` values is multiplied by for running averages, which have it divided by
/// `count − 1`.
pub fn unbiased(count: usize) -> f64 {
    count as f64 / (count as f64 - 1.0).max(1.0)
}
