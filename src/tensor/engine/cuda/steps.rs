//! The steps that are neither a convolution nor a normalization: which kernel, and with what.

use crate::error::{Error, Kind, Result};
use crate::tensor::cuda::launch::{Pointer, THREADS, blocks, launch};
use crate::tensor::cuda::window::Shape;
use crate::tensor::engine::{After, Operation};
use crate::tensor::geometry::{AdaptivePool, ChannelPadding, Pool};
use crate::tensor::ops::activation::Activation;
use crate::tensor::ops::concatenate::cpu::starts;

impl After {
    /// The number that kernels know the function by; the same is in `functions.h`.
    pub(crate) fn code(self) -> i32 {
        match self {
            Self::Nothing => 0,
            Self::Relu => 1,
            Self::Activation(Activation::Relu6) => 2,
            Self::Activation(Activation::Silu) => 3,
            Self::Activation(Activation::HardSwish) => 4,
            Self::Activation(Activation::Sigmoid) => 5,
        }
    }
}

/// Where the values of one step are, and how many numbers each has for all images.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Values<'a> {
    pub(crate) inputs: &'a [(Pointer, usize)],
    pub(crate) output: (Pointer, usize),
    /// Of [`Operation::Scale`]; [`Pointer::NONE`] if nothing is scaled.
    pub(crate) factors: Pointer,
    pub(crate) batch: usize,
}

/// Computes a step's output.
pub(crate) fn forward(operation: &Operation, values: Values) -> Result<()> {
    let Values { inputs, output: (y, count), factors, batch } = values;
    let (x, x_count) = inputs[0];
    let other = inputs.get(1).map_or(Pointer::NONE, |(pointer, _)| *pointer);
    let (grid, all) = (blocks(count), count as i64);
    match operation {
        Operation::Apply(after) => launch!("apply", grid, THREADS, x, y, after.code(), all),
        Operation::Add(after) => launch!("add", grid, THREADS, x, other, y, after.code(), all),
        Operation::Product => launch!("multiply", grid, THREADS, x, other, y, 0_i32, all),
        Operation::Gate { channels } => {
            let image = (count / batch) as i64;
            launch!("gate", grid, THREADS, x, other, y, image, *channels as i32, 0_i32, all)
        }
        Operation::Concatenate { channels } => {
            let width: usize = channels.iter().sum();
            for (((x, count), own), start) in inputs.iter().zip(channels).zip(starts(channels)) {
                let [own, width, start] = [*own, width, start].map(|size| size as i32);
                let (grid, all) = (blocks(*count), *count as i64);
                launch!("copy_columns", grid, THREADS, *x, own, 0_i32, y, width, start, own, 0_i32, all)?;
            }
            Ok(())
        }
        Operation::MaxPool(pool) => launch!("max_pool", grid, THREADS, windows(pool, batch)?, x, y, all),
        Operation::AveragePool(pool) => {
            launch!("average_pool", grid, THREADS, windows(pool, batch)?, x, y, share(pool), all)
        }
        Operation::GlobalAveragePool { channels } => {
            let positions = x_count / batch / channels;
            let (none, factor) = (Pointer::NONE, 1.0 / positions as f32);
            let (positions, channels) = (positions as i64, *channels as i32);
            launch!("sum_positions", grid, THREADS, x, none, y, positions, channels, factor, 0_i32, all)
        }
        Operation::AdaptiveAveragePool(pool) => {
            let [height, width, lines, positions, channels] = adaptive(pool);
            launch!("adaptive_pool", grid, THREADS, x, y, height, width, lines, positions, channels, all)
        }
        Operation::Flatten { channels } => {
            let positions = (count / batch / channels) as i64;
            launch!("transpose_images", grid, THREADS, x, y, positions, *channels as i64, 0_i32, all)
        }
        Operation::PadShortcut(padding) => {
            let [height, width, channels, lines, positions, outputs, before, stride] = shortcut(padding);
            launch!(
                "pad_shortcut",
                grid,
                THREADS,
                x,
                y,
                height,
                width,
                channels,
                lines,
                positions,
                outputs,
                before,
                stride,
                all
            )
        }
        Operation::Scale { run } => launch!("scale_runs", grid, THREADS, x, factors, y, *run as i64, 0_i32, all),
        Operation::Convolution { .. } | Operation::Linear { .. } | Operation::Normalize { .. } => Err(elsewhere()),
    }
}

/// Gives the gradient `g` of the output on to input number `input`, whose gradient `dx` is written, or added to if `sum`.
pub(crate) fn backward(
    operation: &Operation,
    input: usize,
    values: Values,
    g: Pointer,
    (dx, sum): (Pointer, bool),
) -> Result<()> {
    let Values { inputs, output: (y, y_count), factors, batch } = values;
    let (x, count) = inputs[input];
    let (grid, all, sum) = (blocks(count), count as i64, i32::from(sum));
    let other = |place: usize| inputs.get(place).map_or(Pointer::NONE, |(pointer, _)| *pointer);
    match operation {
        Operation::Apply(after) => launch!("apply_back", grid, THREADS, g, x, dx, after.code(), sum, all),
        // Only a ReLU follows a sum, and its slope is seen in its result.
        Operation::Add(after) => launch!("apply_back", grid, THREADS, g, y, dx, after.code(), sum, all),
        Operation::Product => launch!("multiply", grid, THREADS, g, other(1 - input), dx, sum, all),
        Operation::Gate { channels } if input == 0 => {
            let image = (count / batch) as i64;
            launch!("gate", grid, THREADS, g, other(1), dx, image, *channels as i32, sum, all)
        }
        Operation::Gate { channels } => {
            let positions = (y_count / batch / channels) as i64;
            let channels = *channels as i32;
            launch!("sum_positions", grid, THREADS, g, other(0), dx, positions, channels, 1.0_f32, sum, all)
        }
        Operation::Concatenate { channels } => {
            let (width, start) = (channels.iter().sum::<usize>(), starts(channels).nth(input).unwrap_or_default());
            let [own, width, start] = [channels[input], width, start].map(|size| size as i32);
            launch!("copy_columns", grid, THREADS, g, width, start, dx, own, 0_i32, own, sum, all)
        }
        Operation::MaxPool(pool) => launch!("max_pool_back", grid, THREADS, windows(pool, batch)?, x, g, dx, sum, all),
        Operation::AveragePool(pool) => {
            launch!("average_pool_back", grid, THREADS, windows(pool, batch)?, g, dx, share(pool), sum, all)
        }
        Operation::GlobalAveragePool { channels } => {
            let image = count / batch;
            let (factor, image, channels) = (*channels as f32 / image as f32, image as i64, *channels as i32);
            launch!("spread_positions", grid, THREADS, g, dx, image, channels, factor, sum, all)
        }
        Operation::AdaptiveAveragePool(pool) => {
            let [height, width, lines, positions, channels] = adaptive(pool);
            launch!("adaptive_pool_back", grid, THREADS, g, dx, height, width, lines, positions, channels, sum, all)
        }
        Operation::Flatten { channels } => {
            let positions = (count / batch / channels) as i64;
            launch!("transpose_images", grid, THREADS, g, dx, *channels as i64, positions, sum, all)
        }
        Operation::PadShortcut(padding) => {
            let [height, width, channels, lines, positions, outputs, before, stride] = shortcut(padding);
            launch!(
                "pad_shortcut_back",
                grid,
                THREADS,
                g,
                dx,
                height,
                width,
                channels,
                lines,
                positions,
                outputs,
                before,
                stride,
                sum,
                all
            )
        }
        Operation::Scale { run } => launch!("scale_runs", grid, THREADS, g, factors, dx, *run as i64, sum, all),
        Operation::Convolution { .. } | Operation::Linear { .. } | Operation::Normalize { .. } => Err(elsewhere()),
    }
}

fn elsewhere() -> Error {
    Error::new(Kind::Internal, "a step that has kernels of its own")
}

fn windows(pool: &Pool, batch: usize) -> Result<Shape> {
    let output = pool.window.positions(pool.input);
    let output = output.ok_or_else(|| Error::new(Kind::Internal, format!("a window that does not fit: {pool:?}")))?;
    Ok(Shape::new(batch, pool.input, pool.channels, output, pool.channels, &pool.window, 1))
}

/// What each value of a window adds to its mean.
fn share(pool: &Pool) -> f32 {
    1.0 / (pool.window.kernel[0] * pool.window.kernel[1]) as f32
}

fn adaptive(pool: &AdaptivePool) -> [i32; 5] {
    let AdaptivePool { input, output, channels, .. } = *pool;
    [input[0], input[1], output[0], output[1], channels].map(|size| size as i32)
}

fn shortcut(padding: &ChannelPadding) -> [i32; 8] {
    let ChannelPadding { input, in_channels, out_channels, before, stride, .. } = *padding;
    let [lines, positions] = padding.output();
    [input[0], input[1], in_channels, lines, positions, out_channels, before, stride].map(|size| size as i32)
}
