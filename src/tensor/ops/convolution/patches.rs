//! The patch matrix: from an image to one output line's rows of it, and back.

use crate::tensor::geometry::Convolution;
use crate::tensor::partition::add;

/// Writes the rows of the patch matrix for output line `line` of `image` (H, W, I): one row for each position along the
/// line, in it (Kh, Kw, I) values.
pub(super) fn gather(image: &[f32], line: usize, geometry: &Convolution, rows: &mut [f32]) {
    let ([height, width], channels) = (geometry.input, geometry.in_channels);
    let [_, kernel_width] = geometry.window.kernel;
    let (y, vertical) = geometry.window.covered(0, line, height);
    let kernel_line = kernel_width * channels;
    for (position, row) in rows.chunks_exact_mut(geometry.window.kernel[0] * kernel_line).enumerate() {
        let (x, horizontal) = geometry.window.covered(1, position, width);
        row[..vertical.start * kernel_line].fill(0.0);
        row[vertical.end * kernel_line..].fill(0.0);
        for (down, k) in vertical.clone().enumerate() {
            let part = &mut row[k * kernel_line..][..kernel_line];
            part[..horizontal.start * channels].fill(0.0);
            part[horizontal.end * channels..].fill(0.0);
            // Neighbours along the width are neighbours in memory, so a line of the window is one copy.
            let source = &image[((y + down) * width + x) * channels..][..horizontal.len() * channels];
            part[horizontal.start * channels..][..source.len()].copy_from_slice(source);
        }
    }
}

/// The transpose of [`gather`]: adds each value of `rows` to the pixel it would have come from.
pub(super) fn scatter(rows: &[f32], line: usize, geometry: &Convolution, image: &mut [f32]) {
    let ([height, width], channels) = (geometry.input, geometry.in_channels);
    let [_, kernel_width] = geometry.window.kernel;
    let (y, vertical) = geometry.window.covered(0, line, height);
    let kernel_line = kernel_width * channels;
    for (position, row) in rows.chunks_exact(geometry.window.kernel[0] * kernel_line).enumerate() {
        let (x, horizontal) = geometry.window.covered(1, position, width);
        for (down, k) in vertical.clone().enumerate() {
            let target = &mut image[((y + down) * width + x) * channels..][..horizontal.len() * channels];
            add(target, &row[k * kernel_line + horizontal.start * channels..]);
        }
    }
}
