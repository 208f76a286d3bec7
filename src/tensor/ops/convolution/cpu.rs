//! The convolution for the processor: which kernel computes it, and the shares of images on the way back.

use rayon::prelude::*;

use super::depthwise::Depthwise;
use super::products::Products;
use crate::error::{Error, Kind, Result};
use crate::tensor::geometry::Convolution;
use crate::tensor::partition::add_in_order;
use crate::tensor::recording::{expect_length, record, tensor, values};
use crate::tensor::{Cpu, Flat, Tape};

/// At most how many sums of the weights' gradient are kept apart, each over its own images.
const SHARES: usize = 16;

/// How a convolution is computed. Both hold the weights in a layout of their own.
enum Kernel {
    Products(Products),
    Depthwise(Depthwise),
}

impl Kernel {
    /// The kernel for a convolution whose output has `output` lines and positions along each.
    fn new(weight: &[f32], geometry: &Convolution, output: [usize; 2]) -> Self {
        // With one channel in all, every output reads the same channel, which is a matrix product.
        if geometry.groups == geometry.in_channels && geometry.groups > 1 {
            Self::Depthwise(Depthwise::new(weight, geometry, output))
        } else {
            Self::Products(Products::new(weight, geometry, output))
        }
    }

    /// Writes the convolution of all images to `output`, which is zeros.
    fn forward(&self, x: &[f32], bias: Option<&[f32]>, output: &mut [f32]) {
        match self {
            Self::Products(products) => products.forward(x, bias, output),
            Self::Depthwise(depthwise) => depthwise.forward(x, bias, output),
        }
    }

    /// Adds the gradients of some images, on one thread. `dx` is empty if it is not wanted, `dweights` is in the kernel's
    /// own layout.
    fn backward(&self, x: &[f32], dy: &[f32], dx: &mut [f32], dweights: &mut [f32]) {
        match self {
            Self::Products(products) => products.backward(x, dy, dx, dweights),
            Self::Depthwise(depthwise) => depthwise.backward(x, dy, dx, dweights),
        }
    }

    /// Adds sums of [`Kernel::backward`] to a gradient in PyTorch's layout.
    fn add_weights(&self, gradient: &mut [f32], dweights: &[f32]) {
        match self {
            Self::Products(products) => products.add_weights(gradient, dweights),
            Self::Depthwise(depthwise) => depthwise.add_weights(gradient, dweights),
        }
    }
}

pub(crate) fn convolution<T: Tape<f32, Cpu>>(
    x: &Flat<Cpu>,
    weight: &Flat<Cpu>,
    bias: Option<&Flat<Cpu>>,
    geometry: &Convolution,
    input_gradient: bool,
    tape: &mut T,
) -> Result<Flat<Cpu>> {
    let Convolution { batch, input: [height, width], in_channels, out_channels, window, groups } = *geometry;
    expect_length("a convolution's input", x, &[batch, height, width, in_channels])?;
    if groups == 0 || in_channels % groups != 0 || out_channels % groups != 0 {
        return Err(Error::new(Kind::Internal, format!("groups that do not divide the channels: {geometry:?}")));
    }
    let [lines, positions] = window.positions(geometry.input).ok_or_else(|| {
        Error::new(Kind::Internal, format!("a convolution's window does not fit its input: {geometry:?}"))
    })?;
    let dims = [out_channels, in_channels / groups, window.kernel[0], window.kernel[1]];
    expect_length("a convolution's weight", weight, &dims)?;
    if let Some(bias) = bias {
        expect_length("a convolution's bias", bias, &[out_channels])?;
    }
    let kernel = Kernel::new(&values(weight), geometry, [lines, positions]);
    let x_values = values(x);
    let mut output = vec![0.0; batch * lines * positions * out_channels];
    kernel.forward(&x_values, bias.map(values).as_deref(), &mut output);
    let output = tensor(&x.device().clone(), output)?;
    let inputs = [input_gradient.then_some(x), Some(weight), bias];
    record(tape, inputs, &output, move |dy, [dx, dweight, dbias]| {
        backward(&kernel, batch, &x_values, &dy, dx, dweight, dbias);
    });
    Ok(output)
}

fn backward(
    kernel: &Kernel,
    batch: usize,
    x: &[f32],
    dy: &[f32],
    dx: &mut [f32],
    dweight: &mut [f32],
    dbias: &mut [f32],
) {
    let images = batch.div_ceil(SHARES);
    let (in_share, out_share) = (x.len() / batch * images, dy.len() / batch * images);
    // No gradient of the input wanted: as many shares, each with nothing to add to.
    let mut shares: Vec<&mut [f32]> = dx.chunks_mut(in_share).collect();
    shares.resize_with(batch.div_ceil(images), || &mut []);
    let sums: Vec<(Vec<f32>, Vec<f32>)> = shares
        .into_par_iter()
        .zip(x.par_chunks(in_share))
        .zip(dy.par_chunks(out_share))
        .map(|((dx, x), dy)| {
            let mut sums = (vec![0.0; dweight.len()], vec![0.0; dbias.len()]);
            kernel.backward(x, dy, dx, &mut sums.0);
            if !dbias.is_empty() {
                add_in_order(&mut sums.1, dy.chunks_exact(dbias.len()));
            }
            sums
        })
        .collect();
    let mut total = vec![0.0; dweight.len()];
    add_in_order(&mut total, sums.iter().map(|(weight, _)| weight.as_slice()));
    kernel.add_weights(dweight, &total);
    add_in_order(dbias, sums.iter().map(|(_, bias)| bias.as_slice()));
}
