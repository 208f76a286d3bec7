//! Between PyTorch's weight layout and the matrices that the multiplication wants, one a group.

use crate::tensor::geometry::Convolution;

/// Calls `visit` with each pair of (index into (O, I / groups, Kh, Kw), index into groups x (Kh · Kw · I / groups) x
/// (O / groups)).
fn each_pair(geometry: &Convolution, mut visit: impl FnMut(usize, usize)) {
    let groups = geometry.groups;
    let (inputs, outputs) = (geometry.in_channels / groups, geometry.out_channels / groups);
    let positions = geometry.window.kernel[0] * geometry.window.kernel[1];
    for group in 0..groups {
        let start = group * outputs * inputs * positions;
        for position in 0..positions {
            for input in 0..inputs {
                for output in 0..outputs {
                    let from = (output * inputs + input) * positions + position;
                    visit(start + from, start + (position * inputs + input) * outputs + output);
                }
            }
        }
    }
}

/// The weights of every group as a (Kh · Kw · I / groups) x (O / groups) matrix, one after the other.
pub(super) fn as_matrices(weight: &[f32], geometry: &Convolution) -> Vec<f32> {
    let mut matrices = vec![0.0; weight.len()];
    each_pair(geometry, |from, to| matrices[to] = weight[from]);
    matrices
}

/// Adds matrices of [`as_matrices`]' layout to a gradient of PyTorch's.
pub(super) fn add_matrices(gradient: &mut [f32], matrices: &[f32], geometry: &Convolution) {
    each_pair(geometry, |to, from| gradient[to] += matrices[from]);
}
