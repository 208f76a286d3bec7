//! The convolution kernel for the processor: patches of an image, then a matrix multiplication, on rayon's threads.

use rayon::prelude::*;

use super::{patches, weights};
use crate::error::{Error, Kind, Result};
use crate::tensor::geometry::Convolution;
use crate::tensor::matrix::{Matrix, multiply_into};
use crate::tensor::partition::{add_in_order, with_scratch};
use crate::tensor::recording::{expect_length, record, tensor, values};
use crate::tensor::{Cpu, Flat, Tape};

/// Rows of the patch matrix gathered at once, so that it stays in a core's cache.
const ROWS: usize = 384;
/// At most how many sums of the weights' gradient are kept apart, each over its own images.
const GROUPS: usize = 16;

/// The sizes of one call, derived from its geometry.
#[derive(Clone, Copy)]
struct Sizes {
    /// Values in one input image, one output line, and one row of the patch matrix.
    image: usize,
    line: usize,
    patch: usize,
    /// Channels of the output that a group makes, and columns of the patch matrix that it reads.
    group_outputs: usize,
    group_patch: usize,
    /// Output lines of an image, and positions along each.
    lines: usize,
    positions: usize,
    /// Lines handled at once.
    tile: usize,
    /// The input is its own patch matrix: 1x1 kernel, stride 1, no padding.
    direct: bool,
}

impl Sizes {
    fn new(geometry: &Convolution) -> Result<Self> {
        let Convolution { in_channels, out_channels, window, groups, .. } = geometry;
        if *groups == 0 || in_channels % groups != 0 || out_channels % groups != 0 {
            return Err(Error::new(Kind::Internal, format!("groups that do not divide the channels: {geometry:?}")));
        }
        let [lines, positions] = window.positions(geometry.input).ok_or_else(|| {
            Error::new(Kind::Internal, format!("a convolution's window does not fit its input: {geometry:?}"))
        })?;
        Ok(Self {
            image: geometry.input[0] * geometry.input[1] * geometry.in_channels,
            line: positions * geometry.out_channels,
            patch: window.kernel[0] * window.kernel[1] * in_channels,
            group_outputs: out_channels / groups,
            group_patch: window.kernel[0] * window.kernel[1] * (in_channels / groups),
            lines,
            positions,
            tile: (ROWS / positions).max(1),
            direct: window.kernel == [1, 1] && window.stride == [1, 1] && window.padding == [0, 0],
        })
    }

    /// The index and the weights of every group.
    fn matrices<'a>(&self, matrices: &'a [f32]) -> impl Iterator<Item = (usize, Matrix<'a>)> + use<'a> {
        let (patch, outputs) = (self.group_patch, self.group_outputs);
        matrices.chunks_exact(patch * outputs).map(move |matrix| Matrix::new(matrix, patch, outputs)).enumerate()
    }

    /// The patch matrix of `count` lines from line `first` on, counted over all images of `x`.
    fn with_patches<R>(
        &self,
        x: &[f32],
        geometry: &Convolution,
        first: usize,
        count: usize,
        work: impl FnOnce(&[f32]) -> R,
    ) -> R {
        let row = self.positions * self.patch;
        if self.direct {
            return work(&x[first * row..][..count * row]);
        }
        with_scratch(count * row, |rows| {
            for (line, rows) in (first..).zip(rows.chunks_exact_mut(row)) {
                patches::gather(&x[line / self.lines * self.image..], line % self.lines, geometry, rows);
            }
            work(rows)
        })
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
    let geometry = *geometry;
    let Convolution { batch, input: [height, width], in_channels, out_channels, window, groups } = geometry;
    expect_length("a convolution's input", x, &[batch, height, width, in_channels])?;
    let sizes = Sizes::new(&geometry)?;
    let [kernel_height, kernel_width] = window.kernel;
    expect_length(
        "a convolution's weight",
        weight,
        &[out_channels, in_channels / groups, kernel_height, kernel_width],
    )?;
    if let Some(bias) = bias {
        expect_length("a convolution's bias", bias, &[out_channels])?;
    }
    let matrices = weights::as_matrices(&values(weight), &geometry);
    let x_values = values(x);
    let output = forward(&x_values, &matrices, bias.map(values).as_deref(), &geometry, &sizes);
    let output = tensor(&x.device().clone(), output)?;
    let inputs = [input_gradient.then_some(x), Some(weight), bias];
    record(tape, inputs, &output, move |dy, [dx, dweight, dbias]| {
        backward(&x_values, &matrices, &geometry, &sizes, &dy, dx, dweight, dbias);
    });
    Ok(output)
}

fn forward(x: &[f32], matrices: &[f32], bias: Option<&[f32]>, geometry: &Convolution, sizes: &Sizes) -> Vec<f32> {
    let outputs = geometry.out_channels;
    let mut output = vec![0.0; geometry.batch * sizes.lines * sizes.line];
    output.par_chunks_mut(sizes.tile * sizes.line).enumerate().for_each(|(tile, output)| {
        let lines = output.len() / sizes.line;
        if let Some(bias) = bias {
            output.chunks_exact_mut(outputs).for_each(|row| row.copy_from_slice(bias));
        }
        sizes.with_patches(x, geometry, tile * sizes.tile, lines, |rows| {
            let rows = Matrix::new(rows, lines * sizes.positions, sizes.patch);
            for (group, matrix) in sizes.matrices(matrices) {
                let rows = rows.columns(group * sizes.group_patch, sizes.group_patch);
                multiply_into(rows, matrix, &mut output[group * sizes.group_outputs..], outputs, bias.is_some());
            }
        });
    });
    output
}

#[expect(clippy::too_many_arguments, reason = "three values, three gradients, and the sizes")]
fn backward(
    x: &[f32],
    matrices: &[f32],
    geometry: &Convolution,
    sizes: &Sizes,
    dy: &[f32],
    dx: &mut [f32],
    dweight: &mut [f32],
    dbias: &mut [f32],
) {
    let images = geometry.batch.div_ceil(GROUPS);
    // No gradient of the input wanted: as many groups, each with nothing to add to.
    let mut shares: Vec<&mut [f32]> = dx.chunks_mut(images * sizes.image).collect();
    shares.resize_with(geometry.batch.div_ceil(images), || &mut []);
    let bias = !dbias.is_empty();
    let sums: Vec<(Vec<f32>, Vec<f32>)> = shares
        .into_par_iter()
        .enumerate()
        .map(|(group, dx)| {
            let first = group * images * sizes.lines;
            let last = (first + images * sizes.lines).min(geometry.batch * sizes.lines);
            let mut sums = (vec![0.0; matrices.len()], vec![0.0; if bias { geometry.out_channels } else { 0 }]);
            for start in (first..last).step_by(sizes.tile) {
                let lines = sizes.tile.min(last - start);
                let dy = &dy[start * sizes.line..][..lines * sizes.line];
                backward_tile(x, matrices, geometry, sizes, dy, (start, start - first), dx, &mut sums.0);
                if bias {
                    add_in_order(&mut sums.1, dy.chunks_exact(geometry.out_channels));
                }
            }
            sums
        })
        .collect();
    let mut total = vec![0.0; matrices.len()];
    add_in_order(&mut total, sums.iter().map(|(weight, _)| weight.as_slice()));
    weights::add_matrices(dweight, &total, geometry);
    add_in_order(dbias, sums.iter().map(|(_, bias)| bias.as_slice()));
}

/// One tile of lines on the way back. `start` counts lines over all images, and over those of `dx`.
#[expect(clippy::too_many_arguments, reason = "as `backward`")]
fn backward_tile(
    x: &[f32],
    matrices: &[f32],
    geometry: &Convolution,
    sizes: &Sizes,
    dy: &[f32],
    start: (usize, usize),
    dx: &mut [f32],
    dmatrices: &mut [f32],
) {
    let (lines, outputs) = (dy.len() / sizes.line, geometry.out_channels);
    let rows = lines * sizes.positions;
    let dy = Matrix::new(dy, rows, outputs);
    let of_group = |group: usize| dy.columns(group * sizes.group_outputs, sizes.group_outputs);
    sizes.with_patches(x, geometry, start.0, lines, |patches| {
        let patches = Matrix::new(patches, rows, sizes.patch);
        for (group, dmatrix) in dmatrices.chunks_exact_mut(sizes.group_patch * sizes.group_outputs).enumerate() {
            let patches = patches.columns(group * sizes.group_patch, sizes.group_patch);
            multiply_into(patches.transposed(), of_group(group), dmatrix, sizes.group_outputs, true);
        }
    });
    if dx.is_empty() {
        return;
    }
    let to_patches = |dpatches: &mut [f32], accumulate: bool| {
        for (group, matrix) in sizes.matrices(matrices) {
            let dpatches = &mut dpatches[group * sizes.group_patch..];
            multiply_into(of_group(group), matrix.transposed(), dpatches, sizes.patch, accumulate);
        }
    };
    let row = sizes.positions * sizes.patch;
    if sizes.direct {
        return to_patches(&mut dx[start.1 * row..][..lines * row], true);
    }
    with_scratch(rows * sizes.patch, |dpatches| {
        to_patches(dpatches, false);
        for (line, dpatches) in (start.1..).zip(dpatches.chunks_exact(row)) {
            patches::scatter(dpatches, line % sizes.lines, geometry, &mut dx[line / sizes.lines * sizes.image..]);
        }
    });
}
