//! Between PyTorch's weight layout and the matrix that the multiplication wants.

use crate::tensor::geometry::Convolution;

/// Calls `visit` with each pair of (index into (O, I, Kh, Kw), index into (Kh · Kw · I) x O).
fn each_pair(geometry: &Convolution, mut visit: impl FnMut(usize, usize)) {
    let (inputs, outputs) = (geometry.in_channels, geometry.out_channels);
    let positions = geometry.window.kernel[0] * geometry.window.kernel[1];
    for position in 0..positions {
        for input in 0..inputs {
            for output in 0..outputs {
                visit((output * inputs + input) * positions + position, (position * inputs + input) * outputs + output);
            }
        }
    }
}

/// The weights as a (Kh · Kw · I) x O matrix.
pub(super) fn as_matrix(weight: &[f32], geometry: &Convolution) -> Vec<f32> {
    let mut matrix = vec![0.0; weight.len()];
    each_pair(geometry, |from, to| matrix[to] = weight[from]);
    matrix
}

/// Adds a matrix of [`as_matrix`]'s layout to a gradient of PyTorch's.
pub(super) fn add_matrix(gradient: &mut [f32], matrix: &[f32], geometry: &Convolution) {
    each_pair(geometry, |to, from| gradient[to] += matrix[from]);
}
