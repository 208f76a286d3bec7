//! The patch matrix: from an image to one output line's rows of it, and back.

use crate::tensor::geometry::Convolution;
use crate::tensor::partition::add;

/// Writes the rows of the patch matrix for output line `line` of `image` (H, W, I): one row for each position along the
/// line, in it (groups, Kh, Kw, I / groups) values.
pub(super) fn gather(image: &[f32], line: usize, geometry: &Convolution, rows: &mut [f32]) {
    let padded = geometry.window.padding != [0, 0];
    let row = row_length(geometry);
    for (position, row) in rows.chunks_exact_mut(row).enumerate() {
        if padded {
            clear_outside(line, position, geometry, row);
        }
        each_run(line, position, geometry, |pixels, taps, length| {
            row[taps..][..length].copy_from_slice(&image[pixels..][..length]);
        });
    }
}

/// The transpose of [`gather`]: adds each value of `rows` to the pixel it would have come from.
pub(super) fn scatter(rows: &[f32], line: usize, geometry: &Convolution, image: &mut [f32]) {
    for (position, row) in rows.chunks_exact(row_length(geometry)).enumerate() {
        each_run(line, position, geometry, |pixels, taps, length| {
            add(&mut image[pixels..][..length], &row[taps..][..length]);
        });
    }
}

fn row_length(geometry: &Convolution) -> usize {
    geometry.window.kernel[0] * geometry.window.kernel[1] * geometry.in_channels
}

/// Calls `visit(start in the image, start in the row, length)` for every run of values that a row of the patch matrix
/// has from the image.
fn each_run(line: usize, position: usize, geometry: &Convolution, mut visit: impl FnMut(usize, usize, usize)) {
    let Convolution { input: [height, width], in_channels, window, groups, .. } = *geometry;
    let (y, vertical) = window.covered(0, line, height);
    let (x, horizontal) = window.covered(1, position, width);
    let channels = in_channels / groups;
    let kernel_line = window.kernel[1] * channels;
    for group in 0..groups {
        for (down, k) in vertical.clone().enumerate() {
            let taps = (group * window.kernel[0] + k) * kernel_line + horizontal.start * channels;
            let pixels = ((y + down * window.dilation[0]) * width + x) * in_channels + group * channels;
            if groups == 1 && window.dilation[1] == 1 {
                // Neighbours along the width are neighbours in memory, so a line of the window is one run.
                visit(pixels, taps, horizontal.len() * channels);
            } else {
                for right in 0..horizontal.len() {
                    visit(pixels + right * window.dilation[1] * in_channels, taps + right * channels, channels);
                }
            }
        }
    }
}

/// Sets what a row has from outside the image to zero.
fn clear_outside(line: usize, position: usize, geometry: &Convolution, row: &mut [f32]) {
    let Convolution { input: [height, width], in_channels, window, groups, .. } = *geometry;
    let (_, vertical) = window.covered(0, line, height);
    let (_, horizontal) = window.covered(1, position, width);
    let channels = in_channels / groups;
    let kernel_line = window.kernel[1] * channels;
    for block in row.chunks_exact_mut(window.kernel[0] * kernel_line) {
        block[..vertical.start * kernel_line].fill(0.0);
        block[vertical.end * kernel_line..].fill(0.0);
        for k in vertical.clone() {
            let part = &mut block[k * kernel_line..][..kernel_line];
            part[..horizontal.start * channels].fill(0.0);
            part[horizontal.end * channels..].fill(0.0);
        }
    }
}
