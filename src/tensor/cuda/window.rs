//! The sizes of windows that slide over images, as kernels are told them.

use super::launch::Argument;
use crate::tensor::geometry::Window;

/// The same is in `window.h`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(crate) struct Shape {
    batch: i32,
    input: [i32; 2],
    channels: i32,
    output: [i32; 2],
    outputs: i32,
    kernel: [i32; 2],
    stride: [i32; 2],
    padding: [i32; 2],
    dilation: [i32; 2],
    groups: i32,
}

impl Argument for Shape {}

impl Shape {
    /// Of `batch` images with `channels` and their size, to images with `outputs` channels and theirs.
    pub(crate) fn new(
        batch: usize,
        input: [usize; 2],
        channels: usize,
        output: [usize; 2],
        outputs: usize,
        window: &Window,
        groups: usize,
    ) -> Self {
        let pair = |pair: [usize; 2]| pair.map(|size| size as i32);
        Self {
            batch: batch as i32,
            input: pair(input),
            channels: channels as i32,
            output: pair(output),
            outputs: outputs as i32,
            kernel: pair(window.kernel),
            stride: pair(window.stride),
            padding: pair(window.padding),
            dilation: pair(window.dilation),
            groups: groups as i32,
        }
    }
}
