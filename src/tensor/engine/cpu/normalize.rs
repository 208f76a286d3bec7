//! Batch normalization with what follows it. The statistics come from the convolution before it where there is one, and on
//! the way back the gradient is led through by that convolution; otherwise both are passes of their own.

use dfdx::tensor::CpuError;
use rayon::prelude::*;

use super::memory::{Buffer, Memory};
use crate::tensor::engine::After;
use crate::tensor::ops::batch_norm::Statistics;
use crate::tensor::partition::rows_per_share;
use crate::tensor::simd::map::{self, Function, Through};
use crate::tensor::simd::moments::Moments;

impl From<After> for Function {
    fn from(after: After) -> Self {
        match after {
            After::Nothing => Function::Identity,
            After::Relu => Function::Relu,
            After::Activation(activation) => Function::Other(activation),
        }
    }
}

/// What a normalization keeps from its run forwards to the one backwards. Numbers of channels are tables as
/// [`crate::tensor::simd::map`] wants them, the channels again and again.
#[derive(Debug)]
pub(super) struct Normalize {
    pub(super) channels: usize,
    epsilon: f32,
    pub(super) after: After,
    mean: Vec<f32>,
    inverse_deviation: Vec<f32>,
    pub(super) scale: Vec<f32>,
    pub(super) shift: Vec<f32>,
    slope: Vec<f32>,
    offset: Vec<f32>,
}

/// Fills a table with its first numbers.
fn repeat(table: &mut [f32], channels: usize) {
    for start in (channels..table.len()).step_by(channels) {
        table.copy_within(..channels, start);
    }
}

/// Values of a share, so that it stays in a core's cache through its passes.
fn share(channels: usize) -> usize {
    rows_per_share(channels) * channels
}

impl Normalize {
    pub(super) fn new(channels: usize, epsilon: f32, after: After) -> Self {
        let zeros = || vec![0.0; map::period(channels)];
        let [mean, inverse_deviation, scale, shift, slope, offset] = std::array::from_fn(|_| zeros());
        Self { channels, epsilon, after, mean, inverse_deviation, scale, shift, slope, offset }
    }

    /// The numbers that [`Normalize::measure`] needs for the moments of a batch of `values`.
    pub(super) fn moments(&self, values: usize) -> usize {
        2 * self.channels * values.div_ceil(share(self.channels))
    }

    /// Sums over shares of rows, for [`Normalize::statistics`]; returns how many values are in a share.
    pub(super) fn measure(&self, x: &[f32], moments: &mut [f32]) -> usize {
        let share = share(self.channels);
        x.par_chunks(share).zip(moments.par_chunks_mut(2 * self.channels)).for_each(|(x, moments)| {
            moments.fill(0.0);
            let (sums, products) = moments.split_at_mut(self.channels);
            Moments { x, other: None, center: &x[..self.channels], sums, products }.run();
        });
        share
    }

    /// Joins the moments of shares of `x` of so many values each, by Chan, Golub and LeVeque's formula.
    pub(super) fn statistics(&self, x: &[f32], moments: &[f32], share: usize) -> Statistics {
        let channels = self.channels;
        let (mut mean, mut squares) = (vec![0.0_f64; channels], vec![0.0_f64; channels]);
        let mut count = 0.0;
        for (x, moments) in x.chunks(share).zip(moments.chunks_exact(2 * channels)) {
            let rows = (x.len() / channels) as f64;
            let total = count + rows;
            // Once for all channels: divisions are slow.
            let (of_row, weight, between) = (1.0 / rows, rows / total, count * rows / total);
            for channel in 0..channels {
                let (sum, product) = (f64::from(moments[channel]), f64::from(moments[channels + channel]));
                let difference = f64::from(x[channel]) + sum * of_row - mean[channel];
                mean[channel] += difference * weight;
                // Rounding must not make it negative.
                squares[channel] += (product - sum * sum * of_row).max(0.0) + difference * difference * between;
            }
            count = total;
        }
        Statistics {
            mean: mean.iter().map(|mean| *mean as f32).collect(),
            variance: squares.iter().map(|squares| (squares / count) as f32).collect(),
            count: x.len() / channels,
        }
    }

    /// Works out scale and shift.
    pub(super) fn settle(&mut self, mean: &[f32], variance: &[f32], weight: &[f32], bias: &[f32]) {
        self.mean[..self.channels].copy_from_slice(mean);
        for c in 0..self.channels {
            self.inverse_deviation[c] = 1.0 / (variance[c] + self.epsilon).sqrt();
            self.scale[c] = weight[c] * self.inverse_deviation[c];
            self.shift[c] = bias[c] - mean[c] * self.scale[c];
        }
        [&mut self.mean, &mut self.scale, &mut self.shift].into_iter().for_each(|table| repeat(table, self.channels));
    }

    /// `y = f(scale x + shift + other)`.
    pub(super) fn apply(&self, x: &[f32], other: Option<&[f32]>, y: &mut [f32]) {
        let share = share(self.channels);
        y.par_chunks_mut(share).zip(x.par_chunks(share)).enumerate().for_each(|(index, (y, x))| {
            let other = other.map(|other| &other[index * share..][..y.len()]);
            map::affine(x, [&self.scale, &self.shift], other, self.after.into(), y);
        });
    }

    /// Turns the gradient of `y` into that before the function, in place, gives it to the other input (added, if so said),
    /// and works out what [`Normalize::through`] needs. Adds the gradients of weight and bias.
    ///
    /// # Errors
    /// When the system has no room for the sums.
    pub(super) fn gather(
        &mut self,
        [x, y]: [&[f32]; 2],
        g: &mut [f32],
        other: Option<(&mut [f32], bool)>,
        [dweight, dbias]: [&mut [f32]; 2],
        memory: &mut Memory,
    ) -> Result<(), CpuError> {
        let (channels, share) = (self.channels, share(self.channels));
        let mut moments = memory.take(self.moments(x.len()))?;
        let this = &*self;
        let work = g.par_chunks_mut(share).zip(x.par_chunks(share)).zip(y.par_chunks(share));
        let work = work.zip(moments.par_chunks_mut(2 * channels));
        let gather = |g: &mut [f32], x: &[f32], y: &[f32], moments: &mut [f32]| {
            map::weigh_by_slope(g, y, x, [&this.scale, &this.shift], this.after.into());
            moments.fill(0.0);
            let (sums, products) = moments.split_at_mut(channels);
            Moments { x: g, other: Some(x), center: &this.mean[..channels], sums, products }.run();
        };
        match other {
            None => work.for_each(|(((g, x), y), moments)| gather(g, x, y, moments)),
            Some((other, add)) => work.zip(other.par_chunks_mut(share)).for_each(|((((g, x), y), moments), other)| {
                gather(&mut *g, x, y, moments);
                map::give(other, g, add);
            }),
        }
        let n = (x.len() / channels) as f64;
        for c in 0..channels {
            let (mut sum, mut product) = (0.0_f64, 0.0_f64);
            for moments in moments.chunks_exact(2 * channels) {
                sum += f64::from(moments[c]);
                product += f64::from(moments[channels + c]);
            }
            let product = (product * f64::from(self.inverse_deviation[c])) as f32;
            dweight[c] += product;
            dbias[c] += sum as f32;
            self.slope[c] = self.scale[c] * self.inverse_deviation[c] * product / n as f32;
            self.offset[c] = self.scale[c] * sum as f32 / n as f32;
        }
        [&mut self.slope, &mut self.offset].into_iter().for_each(|table| repeat(table, channels));
        memory.give(moments);
        Ok(())
    }

    /// How the gradient goes on to the input, after [`Normalize::gather`].
    pub(super) fn through(&self) -> Through<'_> {
        Through { scale: &self.scale, slope: &self.slope, mean: &self.mean, offset: &self.offset }
    }

    /// Leads the gradient through to the input, in a pass of its own.
    pub(super) fn pass_through(&self, g: &[f32], x: &[f32], dx: &mut Buffer, add: bool) {
        let share = share(self.channels);
        dx.par_chunks_mut(share).zip(g.par_chunks(share)).zip(x.par_chunks(share)).for_each(|((dx, g), x)| {
            self.through().apply(g, x, dx, add);
        });
    }
}
