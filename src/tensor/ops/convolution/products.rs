//! Convolution as matrix products: the patches of an image times the weights, a group of channels at a time.

use rayon::prelude::*;

use super::{patches, weights};
use crate::tensor::geometry::Convolution;
use crate::tensor::matrix::{Matrix, multiply_into};
use crate::tensor::partition::with_scratch;

/// Rows of the patch matrix gathered at once, so that it stays in a core's cache.
const ROWS: usize = 384;

/// A dense or grouped convolution with its weights.
pub(super) struct Products {
    geometry: Convolution,
    /// For each group a matrix, (Kh · Kw · I / groups) x (O / groups).
    matrices: Vec<f32>,
    /// Values in one input image, one output line, and one row of the patch matrix.
    image: usize,
    line: usize,
    patch: usize,
    /// Rows and columns of a group's matrix.
    group_patch: usize,
    group_outputs: usize,
    /// Output lines of an image, and positions along each.
    lines: usize,
    positions: usize,
    /// Lines handled at once.
    tile: usize,
    /// The input is its own patch matrix: 1x1 kernel, stride 1, no padding.
    direct: bool,
}

impl Products {
    pub(super) fn new(weight: &[f32], geometry: &Convolution, [lines, positions]: [usize; 2]) -> Self {
        let Convolution { input: [height, width], in_channels, out_channels, window, groups, .. } = *geometry;
        let patch = window.kernel[0] * window.kernel[1] * in_channels;
        Self {
            geometry: *geometry,
            matrices: weights::as_matrices(weight, geometry),
            image: height * width * in_channels,
            line: positions * out_channels,
            patch,
            group_patch: patch / groups,
            group_outputs: out_channels / groups,
            lines,
            positions,
            tile: (ROWS / positions).max(1),
            direct: window.kernel == [1, 1] && window.stride == [1, 1] && window.padding == [0, 0],
        }
    }

    pub(super) fn forward(&self, x: &[f32], bias: Option<&[f32]>, output: &mut [f32]) {
        let outputs = self.geometry.out_channels;
        output.par_chunks_mut(self.tile * self.line).enumerate().for_each(|(tile, output)| {
            let lines = output.len() / self.line;
            if let Some(bias) = bias {
                output.chunks_exact_mut(outputs).for_each(|row| row.copy_from_slice(bias));
            }
            self.with_patches(x, tile * self.tile, lines, |patches| {
                let patches = Matrix::new(patches, lines * self.positions, self.patch);
                for (group, matrix) in self.matrices().enumerate() {
                    let patches = patches.columns(group * self.group_patch, self.group_patch);
                    multiply_into(patches, matrix, &mut output[group * self.group_outputs..], outputs, bias.is_some());
                }
            });
        });
    }

    pub(super) fn backward(&self, x: &[f32], dy: &[f32], dx: &mut [f32], dmatrices: &mut [f32]) {
        for (tile, dy) in dy.chunks(self.tile * self.line).enumerate() {
            self.backward_tile(x, tile * self.tile, dy, dx, dmatrices);
        }
    }

    pub(super) fn add_weights(&self, gradient: &mut [f32], dmatrices: &[f32]) {
        weights::add_matrices(gradient, dmatrices, &self.geometry);
    }

    /// One tile of lines on the way back, from line `first` on, counted over all images of `x`.
    fn backward_tile(&self, x: &[f32], first: usize, dy: &[f32], dx: &mut [f32], dmatrices: &mut [f32]) {
        let lines = dy.len() / self.line;
        let rows = lines * self.positions;
        let dy = Matrix::new(dy, rows, self.geometry.out_channels);
        let of_group = |group: usize| dy.columns(group * self.group_outputs, self.group_outputs);
        self.with_patches(x, first, lines, |patches| {
            let patches = Matrix::new(patches, rows, self.patch);
            for (group, dmatrix) in dmatrices.chunks_exact_mut(self.group_patch * self.group_outputs).enumerate() {
                let patches = patches.columns(group * self.group_patch, self.group_patch);
                multiply_into(patches.transposed(), of_group(group), dmatrix, self.group_outputs, true);
            }
        });
        if dx.is_empty() {
            return;
        }
        let to_patches = |dpatches: &mut [f32], accumulate: bool| {
            for (group, matrix) in self.matrices().enumerate() {
                let dpatches = &mut dpatches[group * self.group_patch..];
                multiply_into(of_group(group), matrix.transposed(), dpatches, self.patch, accumulate);
            }
        };
        let row = self.positions * self.patch;
        if self.direct {
            return to_patches(&mut dx[first * row..][..lines * row], true);
        }
        with_scratch(rows * self.patch, |dpatches| {
            to_patches(dpatches, false);
            for (line, dpatches) in (first..).zip(dpatches.chunks_exact(row)) {
                let image = &mut dx[line / self.lines * self.image..];
                patches::scatter(dpatches, line % self.lines, &self.geometry, image);
            }
        });
    }

    /// The weights of every group.
    fn matrices(&self) -> impl Iterator<Item = Matrix<'_>> {
        let (rows, columns) = (self.group_patch, self.group_outputs);
        self.matrices.chunks_exact(rows * columns).map(move |matrix| Matrix::new(matrix, rows, columns))
    }

    /// The patch matrix of `count` lines from line `first` on, counted over all images of `x`.
    fn with_patches<R>(&self, x: &[f32], first: usize, count: usize, work: impl FnOnce(&[f32]) -> R) -> R {
        let row = self.positions * self.patch;
        if self.direct {
            return work(&x[first * row..][..count * row]);
        }
        with_scratch(count * row, |rows| {
            for (line, rows) in (first..).zip(rows.chunks_exact_mut(row)) {
                patches::gather(&x[line / self.lines * self.image..], line % self.lines, &self.geometry, rows);
            }
            work(rows)
        })
    }
}
