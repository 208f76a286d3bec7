//! Depthwise convolution: every output channel reads one input channel.
//!
//! There is little arithmetic for each value, so a matrix product is of no use. Instead a run of channels, which are
//! neighbours in memory, is summed over the taps in registers. The gradient of the input is a convolution of the same kind
//! from the outputs back to the inputs, so one loop computes both.
//!
//! Where an input channel has several outputs, it is first repeated so that each output channel has an input channel of
//! its own, and the copies' gradients are added up.

use rayon::prelude::*;

use super::weights;
use crate::tensor::geometry::Convolution;
use crate::tensor::partition::with_scratch;

/// A depthwise convolution with its weights.
pub(super) struct Depthwise {
    geometry: Convolution,
    /// (Kh · Kw, O).
    taps: Vec<f32>,
    /// Along height and width.
    rows: Axis,
    columns: Axis,
    /// Outputs of each input channel.
    multiplier: usize,
}

/// What meets what along one axis: input i, output o and tap k meet where the tap of the output's window lies on the
/// input.
struct Axis {
    /// For each output the (tap, input) that it meets, for each input the (tap, output), for each tap the (output, input).
    by_output: Vec<Vec<(usize, usize)>>,
    by_input: Vec<Vec<(usize, usize)>>,
    by_tap: Vec<Vec<(usize, usize)>>,
}

impl Axis {
    fn new(geometry: &Convolution, axis: usize, outputs: usize) -> Self {
        let (window, inputs) = (&geometry.window, geometry.input[axis]);
        let mut by_output = Vec::with_capacity(outputs);
        let mut by_input = vec![Vec::new(); inputs];
        let mut by_tap = vec![Vec::new(); window.kernel[axis]];
        for output in 0..outputs {
            let (first, taps) = window.covered(axis, output, inputs);
            let met: Vec<(usize, usize)> = taps.zip((first..).step_by(window.dilation[axis])).collect();
            for (tap, input) in &met {
                by_input[*input].push((*tap, output));
                by_tap[*tap].push((output, *input));
            }
            by_output.push(met);
        }
        Self { by_output, by_input, by_tap }
    }
}

impl Depthwise {
    pub(super) fn new(weight: &[f32], geometry: &Convolution, output: [usize; 2]) -> Self {
        Self {
            geometry: *geometry,
            taps: weights::as_taps(weight, geometry),
            rows: Axis::new(geometry, 0, output[0]),
            columns: Axis::new(geometry, 1, output[1]),
            multiplier: geometry.out_channels / geometry.in_channels,
        }
    }

    pub(super) fn forward(&self, x: &[f32], bias: Option<&[f32]>, output: &mut [f32]) {
        output.par_chunks_mut(self.out_image()).zip(x.par_chunks(self.in_image())).for_each(|(output, x)| {
            if let Some(bias) = bias {
                output.chunks_exact_mut(bias.len()).for_each(|pixel| pixel.copy_from_slice(bias));
            }
            self.with_repeated(x, |x| {
                self.sum_taps(output, x, [&self.rows.by_output, &self.columns.by_output], self.geometry.input[1]);
            });
        });
    }

    pub(super) fn backward(&self, x: &[f32], dy: &[f32], dx: &mut [f32], dtaps: &mut [f32]) {
        for (x, dy) in x.chunks_exact(self.in_image()).zip(dy.chunks_exact(self.out_image())) {
            self.with_repeated(x, |x| self.add_tap_gradients(dtaps, x, dy));
        }
        let meetings = [&self.rows.by_input, &self.columns.by_input].map(Vec::as_slice);
        let positions = self.columns.by_output.len();
        for (dx, dy) in dx.chunks_exact_mut(self.in_image()).zip(dy.chunks_exact(self.out_image())) {
            if self.multiplier == 1 {
                self.sum_taps(dx, dy, meetings, positions);
                continue;
            }
            with_scratch(dx.len() * self.multiplier, |repeated| {
                repeated.fill(0.0);
                self.sum_taps(repeated, dy, meetings, positions);
                for (dx, copies) in dx.iter_mut().zip(repeated.chunks_exact(self.multiplier)) {
                    *dx += copies.iter().sum::<f32>();
                }
            });
        }
    }

    pub(super) fn add_weights(&self, gradient: &mut [f32], dtaps: &[f32]) {
        weights::add_taps(gradient, dtaps, &self.geometry);
    }

    /// Adds to every pixel of the image `target` the weighted pixels of the image `source` that it meets. `meetings` are the
    /// (tap, source) for every line and every column of the target; `width` is of the source.
    fn sum_taps(
        &self,
        target: &mut [f32],
        source: &[f32],
        [vertical, horizontal]: [&[Vec<(usize, usize)>]; 2],
        width: usize,
    ) {
        let channels = self.geometry.out_channels;
        for (line, vertical) in target.chunks_exact_mut(horizontal.len() * channels).zip(vertical) {
            for (start, lanes) in runs(channels) {
                for (pixel, horizontal) in line.chunks_exact_mut(channels).zip(horizontal) {
                    let pixel = &mut pixel[start..][..lanes];
                    match lanes {
                        WIDE => self.sum_at::<WIDE>(pixel, source, start, vertical, horizontal, width),
                        NARROW => self.sum_at::<NARROW>(pixel, source, start, vertical, horizontal, width),
                        _ => self.sum_at::<1>(pixel, source, start, vertical, horizontal, width),
                    }
                }
            }
        }
    }

    /// [`Depthwise::sum_taps`] for one pixel's channels from `start` on.
    #[inline(always)]
    fn sum_at<const LANES: usize>(
        &self,
        pixel: &mut [f32],
        source: &[f32],
        start: usize,
        vertical: &[(usize, usize)],
        horizontal: &[(usize, usize)],
        width: usize,
    ) {
        let channels = self.geometry.out_channels;
        let mut sums: [f32; LANES] = lanes(pixel, 0);
        for (k, y) in vertical {
            let taps = &self.taps[k * self.columns.by_tap.len() * channels + start..];
            let line = &source[y * width * channels + start..];
            for (l, x) in horizontal {
                let (tap, value): ([f32; LANES], [f32; LANES]) = (lanes(taps, l * channels), lanes(line, x * channels));
                for lane in 0..LANES {
                    sums[lane] += tap[lane] * value[lane];
                }
            }
        }
        pixel.copy_from_slice(&sums);
    }

    /// Adds one image's gradients of the weights, `Σ over positions of x dy` for every tap and channel.
    fn add_tap_gradients(&self, dtaps: &mut [f32], x: &[f32], dy: &[f32]) {
        let channels = self.geometry.out_channels;
        let (width, positions) = (self.geometry.input[1], self.columns.by_output.len());
        for (dy, vertical) in dy.chunks_exact(positions * channels).zip(&self.rows.by_output) {
            for (k, y) in vertical {
                let x = &x[y * width * channels..][..width * channels];
                let dtaps = &mut dtaps[k * self.columns.by_tap.len() * channels..];
                for (start, lanes) in runs(channels) {
                    for (dtap, pairs) in dtaps.chunks_exact_mut(channels).zip(&self.columns.by_tap) {
                        let dtap = &mut dtap[start..][..lanes];
                        match lanes {
                            WIDE => sum_products::<WIDE>(dtap, &dy[start..], &x[start..], pairs, channels),
                            NARROW => sum_products::<NARROW>(dtap, &dy[start..], &x[start..], pairs, channels),
                            _ => sum_products::<1>(dtap, &dy[start..], &x[start..], pairs, channels),
                        }
                    }
                }
            }
        }
    }

    /// The image with every channel as often as it has outputs.
    fn with_repeated<R>(&self, x: &[f32], work: impl FnOnce(&[f32]) -> R) -> R {
        if self.multiplier == 1 {
            return work(x);
        }
        with_scratch(x.len() * self.multiplier, |repeated| {
            for (copies, value) in repeated.chunks_exact_mut(self.multiplier).zip(x) {
                copies.fill(*value);
            }
            work(repeated)
        })
    }

    fn in_image(&self) -> usize {
        self.geometry.input[0] * self.geometry.input[1] * self.geometry.in_channels
    }

    fn out_image(&self) -> usize {
        self.rows.by_output.len() * self.columns.by_output.len() * self.geometry.out_channels
    }
}

/// Adds to `sum` the products of `a` and `b` over `pairs` of pixels, each `channels` apart.
#[inline(always)]
fn sum_products<const LANES: usize>(sum: &mut [f32], a: &[f32], b: &[f32], pairs: &[(usize, usize)], channels: usize) {
    let mut sums: [f32; LANES] = lanes(sum, 0);
    for (at, bt) in pairs {
        let (a, b): ([f32; LANES], [f32; LANES]) = (lanes(a, at * channels), lanes(b, bt * channels));
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sum.copy_from_slice(&sums);
}

/// How many channels are summed side by side in registers; what is left over is done by fewer.
const WIDE: usize = 16;
const NARROW: usize = 4;

/// Channels cut into runs of [`WIDE`], [`NARROW`] and 1: where each starts, and its length. Every channel's sums run in the
/// same order in all of them.
fn runs(channels: usize) -> impl Iterator<Item = (usize, usize)> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let length = [WIDE, NARROW, 1].into_iter().find(|length| start + length <= channels)?;
        start += length;
        Some((start - length, length))
    })
}

/// The `LANES` values from `start` on.
#[inline(always)]
fn lanes<const LANES: usize>(values: &[f32], start: usize) -> [f32; LANES] {
    let mut lanes = [0.0; LANES];
    lanes.copy_from_slice(&values[start..][..LANES]);
    lanes
}
