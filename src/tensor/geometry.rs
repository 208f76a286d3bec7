//! Windows that slide over images, and the sizes that operations are told.

use serde::{Deserialize, Serialize};

/// A window that slides over height and width, padded with zeros. All pairs are (height, width).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Size of the window.
    pub kernel: [usize; 2],
    /// Step between windows.
    pub stride: [usize; 2],
    /// Rows and columns added on each side.
    pub padding: [usize; 2],
    /// Step between the taps of the window; 1 for a window without gaps.
    pub dilation: [usize; 2],
}

impl Window {
    /// The number of windows that fit along (height, width): `(n + 2p - d (k - 1) - 1) / s + 1`. None if the kernel, the stride
    /// or the dilation is zero, the window does not fit, or the sizes overflow.
    pub fn positions(&self, input: [usize; 2]) -> Option<[usize; 2]> {
        let along = |axis: usize| {
            let padded = self.padding[axis].checked_mul(2)?.checked_add(input[axis])?;
            if self.kernel[axis] == 0 || self.dilation[axis] == 0 {
                return None;
            }
            let reach = (self.kernel[axis] - 1).checked_mul(self.dilation[axis])?.checked_add(1)?;
            padded.checked_sub(reach)?.checked_div(self.stride[axis])?.checked_add(1)
        };
        Some([along(0)?, along(1)?])
    }

    /// For the window at `position` along `axis`: the first input index it covers and the range of its taps that lie
    /// inside an input of size `n`. The index is of the first tap inside; the next are `dilation` apart. Where no tap is
    /// inside (padding can be wider than a window reaches), the range is empty and the index 0.
    pub(crate) fn covered(&self, axis: usize, position: usize, n: usize) -> (usize, std::ops::Range<usize>) {
        let (start, dilation) = (position * self.stride[axis], self.dilation[axis]);
        let first = self.padding[axis].saturating_sub(start).div_ceil(dilation).min(self.kernel[axis]);
        let last = (n + self.padding[axis]).saturating_sub(start).div_ceil(dilation).min(self.kernel[axis]);
        if first >= last {
            return (0, first..first);
        }
        (start + first * dilation - self.padding[axis], first..last)
    }
}

/// The sizes of a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Convolution {
    /// Images.
    pub batch: usize,
    /// Height and width of an input image.
    pub input: [usize; 2],
    /// Channels of the input.
    pub in_channels: usize,
    /// Channels of the output.
    pub out_channels: usize,
    /// Kernel, stride, padding and dilation.
    pub window: Window,
    /// Runs that the channels are cut into; a divisor of both. Equal to `in_channels` for a depthwise convolution.
    pub groups: usize,
}

/// The sizes of a pooling operation; every channel is pooled alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// Images.
    pub batch: usize,
    /// Height and width of an input image.
    pub input: [usize; 2],
    /// Channels of input and output.
    pub channels: usize,
    /// Kernel, stride and padding. The padding is at most half the kernel.
    pub window: Window,
}

/// The sizes of an adaptive average pooling: output i of m reads the inputs from `⌊i n / m⌋` to before `⌈(i + 1) n / m⌉`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdaptivePool {
    /// Images.
    pub batch: usize,
    /// Height and width of an input image.
    pub input: [usize; 2],
    /// Height and width of the output.
    pub output: [usize; 2],
    /// Channels of input and output.
    pub channels: usize,
}

/// The sizes of a shortcut that drops positions and adds channels of zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelPadding {
    /// Images.
    pub batch: usize,
    /// Height and width of an input image.
    pub input: [usize; 2],
    /// Channels of the input.
    pub in_channels: usize,
    /// Channels of the output, at least as many.
    pub out_channels: usize,
    /// Channels of zeros before the input's.
    pub before: usize,
    /// Every how many rows and columns one is kept.
    pub stride: usize,
}

impl ChannelPadding {
    /// Height and width of the output: `⌈n / stride⌉`.
    pub fn output(&self) -> [usize; 2] {
        self.input.map(|n| n.div_ceil(self.stride))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(kernel: usize, stride: usize, padding: usize) -> Window {
        Window { kernel: [kernel; 2], stride: [stride; 2], padding: [padding; 2], dilation: [1, 1] }
    }

    #[test]
    fn positions_match_the_formula_and_refuse_what_does_not_fit() {
        assert_eq!(window(3, 1, 1).positions([7, 9]), Some([7, 9]));
        assert_eq!(window(3, 2, 1).positions([7, 8]), Some([4, 4]));
        assert_eq!(window(5, 1, 0).positions([4, 9]), None);
        assert_eq!(window(3, 0, 1).positions([4, 9]), None);
        assert_eq!(window(0, 1, 0).positions([4, 9]), None);
        assert_eq!(window(3, 1, usize::MAX).positions([4, 9]), None);
        let dilated = |dilation: usize| Window { dilation: [dilation; 2], ..window(3, 1, 0) };
        assert_eq!(dilated(2).positions([5, 9]), Some([1, 5]));
        assert_eq!(dilated(2).positions([4, 9]), None);
        assert_eq!(dilated(0).positions([4, 9]), None);
        assert_eq!(dilated(usize::MAX).positions([4, 9]), None);
    }

    #[test]
    fn covered_is_the_part_of_the_window_inside_the_image() {
        for (kernel, stride, padding, dilation, n) in [
            (3, 1, 1, 1, 5),
            (5, 2, 2, 1, 3),
            (4, 3, 2, 1, 9),
            (1, 2, 0, 1, 7),
            (7, 1, 3, 1, 2),
            (3, 1, 2, 2, 5),
            (3, 2, 3, 2, 7),
            (2, 1, 2, 3, 2),
            (4, 1, 5, 3, 4),
            (1, 1, 2, 1, 3),
            (2, 3, 4, 2, 1),
            (2, 1, 2, 4, 1),
        ] {
            let window = Window { dilation: [dilation; 2], ..window(kernel, stride, padding) };
            for position in 0..window.positions([n, n]).unwrap()[0] {
                let inside: Vec<_> = (0..kernel)
                    .map(|tap| (tap, (position * stride + tap * dilation) as isize - padding as isize))
                    .filter(|(_, index)| (0..n as isize).contains(index))
                    .collect();
                let (start, taps) = window.covered(0, position, n);
                assert_eq!(taps.len(), inside.len());
                assert!(start < n && taps.end <= kernel);
                if let Some((tap, index)) = inside.first() {
                    assert_eq!((taps.start, start), (*tap, *index as usize));
                }
            }
        }
    }
}
