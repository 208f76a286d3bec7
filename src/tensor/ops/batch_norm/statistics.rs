//! Sums over rows, channel by channel, in fixed shares joined in order.

use rayon::prelude::*;

use super::BatchStatistics;
use crate::error::Result;
use crate::tensor::Cpu;
use crate::tensor::partition::rows_per_share;
use crate::tensor::recording::tensor;

/// The statistics of a batch while the processor works on them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Statistics {
    /// Of each channel.
    pub(crate) mean: Vec<f32>,
    /// Of each channel, biased.
    pub(crate) variance: Vec<f32>,
    /// Values in each channel.
    pub(crate) count: usize,
}

impl Statistics {
    /// As they are handed out.
    pub(crate) fn into_tensors(self, device: &Cpu) -> Result<BatchStatistics<Cpu>> {
        let Self { mean, variance, count } = self;
        Ok(BatchStatistics { mean: tensor(device, mean)?, variance: tensor(device, variance)?, count })
    }
}

/// Mean and biased variance of each of `channels` columns of `x`.
pub(super) fn statistics(x: &[f32], channels: usize) -> Statistics {
    let shares: Vec<(Vec<f32>, Vec<f32>)> =
        x.par_chunks(rows_per_share(channels) * channels).map(|share| mean_and_squares(share, channels)).collect();
    let (mut mean, mut squares) = (vec![0.0_f64; channels], vec![0.0_f64; channels]);
    let mut count = 0.0;
    for (index, (share_mean, share_squares)) in shares.iter().enumerate() {
        let start = index * rows_per_share(channels);
        let rows = (x.len() / channels - start).min(rows_per_share(channels)) as f64;
        let total = count + rows;
        for channel in 0..channels {
            let difference = f64::from(share_mean[channel]) - mean[channel];
            mean[channel] += difference * rows / total;
            squares[channel] += f64::from(share_squares[channel]) + difference * difference * count * rows / total;
        }
        count = total;
    }
    Statistics {
        mean: mean.iter().map(|mean| *mean as f32).collect(),
        variance: squares.iter().map(|squares| (squares / count) as f32).collect(),
        count: x.len() / channels,
    }
}

/// The mean of each column of one share, and the sum of squared differences from it.
fn mean_and_squares(share: &[f32], channels: usize) -> (Vec<f32>, Vec<f32>) {
    let (mut mean, mut squares) = (vec![0.0; channels], vec![0.0; channels]);
    for row in share.chunks_exact(channels) {
        for (mean, x) in mean.iter_mut().zip(row) {
            *mean += x;
        }
    }
    let rows = (share.len() / channels) as f32;
    mean.iter_mut().for_each(|mean| *mean /= rows);
    for row in share.chunks_exact(channels) {
        for ((squares, mean), x) in squares.iter_mut().zip(&mean).zip(row) {
            *squares += (x - mean) * (x - mean);
        }
    }
    (mean, squares)
}
