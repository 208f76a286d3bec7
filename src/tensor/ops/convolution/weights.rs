//! Between PyTorch's weight layout and those that the kernels want.

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

/// Calls `visit` with each pair of (index into (O, 1, Kh, Kw), index into (Kh · Kw, O)).
fn each_tap(geometry: &Convolution, mut visit: impl FnMut(usize, usize)) {
    let (outputs, positions) = (geometry.out_channels, geometry.window.kernel[0] * geometry.window.kernel[1]);
    for position in 0..positions {
        for output in 0..outputs {
            visit(output * positions + position, position * outputs + output);
        }
    }
}

/// The weights of a depthwise convolution, for every position of the window one value a channel.
pub(super) fn as_taps(weight: &[f32], geometry: &Convolution) -> Vec<f32> {
    let mut taps = vec![0.0; weight.len()];
    each_tap(geometry, |from, to| taps[to] = weight[from]);
    taps
}

/// Adds a gradient of [`as_taps`]' layout to one of PyTorch's.
pub(super) fn add_taps(gradient: &mut [f32], taps: &[f32], geometry: &Convolution) {
    each_tap(geometry, |to, from| gradient[to] += taps[from]);
}
