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
//! The mean and variance of a share of rows are computed in one visit and joined in order by Chan, Golub and LeVeque's
//! formula (1979), in `f64`.

pub(crate) mod cpu;
#[cfg(feature = "cuda")]
pub(crate) mod cuda;
mod statistics;
#[cfg(test)]
mod tests;

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

/// The statistics of a batch, for running averages.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BatchStatistics {
    /// Mean of each channel.
    pub mean: Vec<f32>,
    /// Variance of each channel, divided by the number of values (biased).
    pub variance: Vec<f32>,
    /// Values in each channel: batch x positions.
    pub count: usize,
}

impl BatchStatistics {
    /// Moves running averages towards this batch as PyTorch does: `running ← (1 − momentum) running + momentum batch`,
    /// with the variance divided by `count − 1`.
    pub fn update(&self, running_mean: &mut [f32], running_variance: &mut [f32], momentum: f32) {
        let unbiased = self.count as f64 / (self.count as f64 - 1.0).max(1.0);
        for (running, batch) in running_mean.iter_mut().zip(&self.mean) {
            *running = (1.0 - momentum) * *running + momentum * batch;
        }
        for (running, batch) in running_variance.iter_mut().zip(&self.variance) {
            *running = (1.0 - momentum) * *running + momentum * (f64::from(*batch) * unbiased) as f32;
        }
    }
}
