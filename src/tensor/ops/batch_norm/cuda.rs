//! Batch normalization on CUDA.

use super::unbiased;
use crate::error::Result;
use crate::tensor::cuda::launch::{Pointer, THREADS, blocks, launch};
use crate::tensor::engine::After;
use crate::tensor::ops::convolution::cuda::column_shares;

/// A normalization with what follows it, for any number of rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kernel {
    /// The innermost dimension.
    pub(crate) channels: usize,
    /// Added to the variance before its root.
    pub(crate) epsilon: f32,
    /// The function behind it.
    pub(crate) after: After,
}

impl Kernel {
    /// How many numbers its tables have: scale, bias, mean, inverse deviation, and on the way back slope and offset, each
    /// one a channel.
    pub(crate) fn tables(&self) -> usize {
        6 * self.channels
    }

    /// How many `f32` the parts of its sums take; they are of double precision.
    pub(crate) fn workspace(&self, rows: usize) -> usize {
        column_shares(rows, self.channels).0 * 2 * self.channels * 2
    }

    fn grid(&self, rows: usize) -> ([u32; 2], i32, i64) {
        let (shares, each) = column_shares(rows, self.channels);
        ([shares as u32, self.channels.div_ceil(32) as u32], shares as i32, each as i64)
    }

    /// Computes the mean and the biased variance of x (rows, channels).
    pub(crate) fn measure(
        &self,
        x: Pointer,
        rows: usize,
        [mean, variance]: [Pointer; 2],
        workspace: Pointer,
    ) -> Result<()> {
        let (grid, shares, each) = self.grid(rows);
        let (rows, channels) = (rows as i64, self.channels as i32);
        launch!("norm_moments", grid, THREADS, x, rows, channels, workspace, each)?;
        let small = blocks(self.channels);
        launch!("norm_statistics", small, THREADS, x, workspace, shares, rows, channels, mean, variance)
    }

    /// Makes the tables of given statistics.
    pub(crate) fn settle(
        &self,
        [mean, variance]: [Pointer; 2],
        [weight, bias]: [Pointer; 2],
        tables: Pointer,
    ) -> Result<()> {
        let (small, channels) = (blocks(self.channels), self.channels as i32);
        launch!("norm_settle", small, THREADS, mean, variance, weight, bias, self.epsilon, channels, tables)
    }

    /// `y = function(scale (x − mean) + bias + other)`.
    pub(crate) fn apply(&self, x: Pointer, rows: usize, tables: Pointer, other: Pointer, y: Pointer) -> Result<()> {
        let (count, channels, function) = (rows * self.channels, self.channels as i32, self.after.code());
        launch!("norm_apply", blocks(count), THREADS, x, tables, other, y, channels, function, count as i64)
    }

    /// Brings the gradient `g` of the output back to before the function, in place, gives it to the second input (`dother`,
    /// added to if `sum_other`), and adds the gradients of weight and bias. `through`: whether the statistics are the
    /// batch's, and the gradient flows through them.
    #[allow(clippy::too_many_arguments, reason = "what a normalization is made of")]
    pub(crate) fn gather(
        &self,
        g: Pointer,
        x: Pointer,
        rows: usize,
        tables: Pointer,
        (other, dother, sum_other): (Pointer, Pointer, bool),
        [dweight, dbias]: [Pointer; 2],
        through: bool,
        workspace: Pointer,
    ) -> Result<()> {
        let (grid, shares, each) = self.grid(rows);
        let (rows, channels, function) = (rows as i64, self.channels as i32, self.after.code());
        let sum_other = i32::from(sum_other);
        launch!(
            "norm_gather",
            grid,
            THREADS,
            g,
            x,
            tables,
            other,
            dother,
            sum_other,
            rows,
            channels,
            function,
            workspace,
            each
        )?;
        let (small, through) = (blocks(self.channels), i32::from(through));
        launch!("norm_join", small, THREADS, workspace, shares, rows, channels, through, tables, dweight, dbias)
    }

    /// Gives the gathered gradient to the input.
    pub(crate) fn back(
        &self,
        g: Pointer,
        x: Pointer,
        rows: usize,
        tables: Pointer,
        dx: Pointer,
        sum: bool,
    ) -> Result<()> {
        let (count, channels, sum) = (rows * self.channels, self.channels as i32, i32::from(sum));
        launch!("norm_back", blocks(count), THREADS, g, x, tables, dx, channels, sum, count as i64)
    }
}

/// Moves running averages towards a batch of `count` values in each channel.
pub(crate) fn update_statistics(
    [running_mean, running_variance]: [Pointer; 2],
    [mean, variance]: [Pointer; 2],
    count: usize,
    channels: usize,
    momentum: f32,
) -> Result<()> {
    let (small, unbiased, channels) = (blocks(channels), unbiased(count), channels as i32);
    launch!(
        "norm_average",
        small,
        THREADS,
        running_mean,
        running_variance,
        mean,
        variance,
        momentum,
        unbiased,
        channels
    )
}
