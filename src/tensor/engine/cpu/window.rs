//! Where a window finds its values: images with borders of zeros, the positions of the window in them, and the tables that
//! the kernels of [`crate::tensor::simd`] follow.

use crate::tensor::geometry::Convolution;
use crate::tensor::partition::with_scratch;
use crate::tensor::simd::map::Through;
use crate::tensor::simd::padded;
use crate::tensor::simd::places::Table;

/// How an image lies in scratch memory: lines and columns of zeros around it, and room for more channels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bordered {
    /// Height, width and channels of the image.
    pub(super) image: [usize; 3],
    /// Lines above and columns to the left.
    before: [usize; 2],
    /// Lines and columns with the borders.
    size: [usize; 2],
    /// Values from one position to the next.
    pub(super) pitch: usize,
}

impl Bordered {
    /// The image is to be read from `low` to `high`, line and column, which may lie outside it.
    fn new([height, width, channels]: [usize; 3], low: [isize; 2], high: [isize; 2], pitch: usize) -> Self {
        let before = low.map(|low| low.min(0).unsigned_abs());
        let along = |axis: usize, n: usize| before[axis] + n.max((high[axis] + 1).max(0) as usize);
        Self { image: [height, width, channels], before, size: [along(0, height), along(1, width)], pitch }
    }

    /// Values of one image in scratch memory.
    pub(super) fn length(&self) -> usize {
        self.size[0] * self.size[1] * self.pitch
    }

    /// Whether the image itself is laid out like this.
    pub(super) fn is_plain(&self) -> bool {
        self.pitch == self.image[2] && self.size == [self.image[0], self.image[1]]
    }

    /// Where a line and column of the image start.
    fn at(&self, line: isize, column: isize) -> isize {
        ((line + self.before[0] as isize) * self.size[1] as isize + column + self.before[1] as isize)
            * self.pitch as isize
    }

    /// Copies an image and surrounds it with zeros. What is in the room for more channels is left as it is.
    pub(super) fn fill(&self, image: &[f32], scratch: &mut [f32]) {
        self.clear_border(scratch);
        let [_, width, channels] = self.image;
        let source = image.chunks_exact(width * channels);
        for (target, line) in self.lines(scratch).zip(source) {
            if self.pitch == channels {
                target.copy_from_slice(line);
            } else {
                for (target, pixel) in target.chunks_mut(self.pitch).zip(line.chunks_exact(channels)) {
                    target[..channels].copy_from_slice(pixel);
                }
            }
        }
    }

    /// As [`Bordered::fill`], with the gradient that `through` makes of `g` and `x`.
    pub(super) fn fill_through(&self, through: &Through, g: &[f32], x: &[f32], scratch: &mut [f32]) {
        self.clear_border(scratch);
        let [_, width, channels] = self.image;
        let length = width * channels;
        for (target, (g, x)) in self.lines(scratch).zip(g.chunks_exact(length).zip(x.chunks_exact(length))) {
            if self.pitch == channels {
                through.apply(g, x, target, false);
                continue;
            }
            with_scratch(length, |line| {
                through.apply(g, x, line, false);
                for (target, pixel) in target.chunks_mut(self.pitch).zip(line.chunks_exact(channels)) {
                    target[..channels].copy_from_slice(pixel);
                }
            });
        }
    }

    /// The lines of the image itself.
    fn lines<'a>(&self, scratch: &'a mut [f32]) -> impl Iterator<Item = &'a mut [f32]> {
        let (start, length) = (self.before[1] * self.pitch, self.image[1] * self.pitch);
        let lines = scratch.chunks_exact_mut(self.size[1] * self.pitch).skip(self.before[0]);
        lines.map(move |line| &mut line[start..start + length])
    }

    fn clear_border(&self, scratch: &mut [f32]) {
        let [height, width, _] = self.image;
        let (above, left) = (self.before[0], self.before[1] * self.pitch);
        for (index, line) in scratch.chunks_exact_mut(self.size[1] * self.pitch).enumerate() {
            if (above..above + height).contains(&index) {
                line[..left].fill(0.0);
                line[left + width * self.pitch..].fill(0.0);
            } else {
                line.fill(0.0);
            }
        }
    }
}

/// One sliding of a window over some images: which positions, what is under the window, and where results go.
#[derive(Debug)]
pub(super) struct Pass {
    /// Where the window is, and where the outputs go.
    pub(super) positions: Table,
    pub(super) targets: Table,
    /// What is under the window, from its start.
    pub(super) segments: Vec<u32>,
    /// Values in each segment.
    pub(super) run: usize,
    /// For each value under the window, where its weights for the first output are.
    pub(super) rows: Vec<u32>,
}

/// A tap of a window: how far from its start, and its number in the kernel.
struct Tap {
    offset: isize,
    number: usize,
}

impl Pass {
    /// `taps` each read `run` channels, whose weights are `step` apart from `first(tap)` on.
    fn new(
        positions: Vec<(isize, usize)>,
        mut taps: Vec<Tap>,
        run: usize,
        pitch: usize,
        weight: impl Fn(usize, usize) -> usize,
        images: usize,
        [scratch, output]: [usize; 2],
    ) -> Self {
        taps.sort_by_key(|tap| tap.offset);
        // Offsets are counted from the lowest tap.
        let lowest = taps.first().map_or(0, |tap| tap.offset);
        let rows = taps.iter().flat_map(|tap| (0..run).map(|channel| weight(tap.number, channel) as u32)).collect();
        let mut segments: Vec<u32> = taps.iter().map(|tap| (tap.offset - lowest) as u32).collect();
        // Neighbours along a line are one segment, if every line has as many.
        let mut length = run;
        if pitch == run {
            let lines: Vec<&[u32]> = segments.chunk_by(|a, b| b - a == run as u32).collect();
            if lines.iter().all(|line| line.len() == lines[0].len()) {
                length = run * lines.first().map_or(1, |line| line.len());
                segments = lines.iter().map(|line| line[0]).collect();
            }
        }
        let (positions, targets): (Vec<usize>, Vec<usize>) =
            positions.into_iter().map(|(position, target)| ((position + lowest) as usize, target)).unzip();
        let (positions, targets) = (Table::new(&positions, images, scratch), Table::new(&targets, images, output));
        Self { positions, targets, segments, run: length, rows }
    }
}

/// A convolution's tables.
#[derive(Debug)]
pub(super) struct Windows {
    /// The image, and the gradient of the output, each with the border that the windows need.
    pub(super) x: Bordered,
    pub(super) dy: Bordered,
    /// Values of an output image.
    pub(super) output: usize,
    /// Images in a tile.
    pub(super) tile: usize,
    pub(super) forward: Pass,
    /// To the input: one pass for every place of an input relative to the stride.
    pub(super) backward: Vec<Pass>,
    /// Images in a sheet: whole tiles.
    pub(super) sheet: usize,
    /// To the weights: where in `x` and in `dy` each line of outputs starts, for a sheet; and the positions in a line.
    pub(super) lines: [Table; 2],
    pub(super) length: usize,
    /// From one position to the next along a line of `x`.
    pub(super) step: usize,
    /// Every position of `dy`, for a sheet.
    pub(super) dy_positions: Table,
    /// Where each line of outputs starts where [`COLUMNS`] of every position lie together, for a sheet.
    pub(super) together: Table,
}

/// Outputs whose sums lie together where there are very many weights: whole vectors of every processor.
pub(super) const COLUMNS: usize = 64;

/// Positions of a tile, at least: so many share the weights while these are in a core's cache.
const POSITIONS: usize = 96;

/// Positions of a sheet, at least: so many are added up before very many weights' sums are read and written. Fewer in unit
/// tests, whose batches are small.
const SHEET: usize = if cfg!(test) { 128 } else { 512 };

impl Windows {
    /// The tables for images of `geometry`, whose output has these lines and columns. Depthwise, if `depthwise`.
    pub(super) fn new(geometry: &Convolution, output: [usize; 2], depthwise: bool) -> Self {
        let (mut geometry, mut output) = (*geometry, output);
        let window = &geometry.window;
        if window.kernel == [1, 1] && window.stride == [1, 1] && window.padding == [0, 0] {
            // Without neighbours, an image is one line.
            geometry.input = [1, geometry.input[0] * geometry.input[1]];
            output = geometry.input;
        }
        let Convolution { input: [height, width], in_channels, out_channels, window, .. } = geometry;
        let (kernel, stride, dilation) = (window.kernel, window.stride, window.dilation);
        let padding = window.padding.map(|padding| padding as isize);
        let reach = |axis: usize| ((kernel[axis] - 1) * dilation[axis]) as isize;
        let last = |axis: usize| ((output[axis] - 1) * stride[axis]) as isize - padding[axis] + reach(axis);
        let x_pitch = if depthwise { padded(in_channels) } else { in_channels };
        let x = Bordered::new([height, width, in_channels], padding.map(|p| -p), [last(0), last(1)], x_pitch);
        // Output o is read by the input at i through tap k where o = (i + p − k d) / s.
        let low = |axis: usize| -((reach(axis) - padding[axis]).max(0) / stride[axis] as isize);
        let high = |axis: usize, n: usize| (n as isize - 1 + padding[axis]).max(0) / stride[axis] as isize;
        let dy_image = [output[0], output[1], out_channels];
        let (low, high) = ([low(0), low(1)], [high(0, height), high(1, width)]);
        let dy = Bordered::new(dy_image, low, high, padded(out_channels));
        let output_size = output[0] * output[1] * out_channels;
        let tile = POSITIONS.div_ceil(output[0] * output[1]);
        let sheet = SHEET.div_ceil(tile * output[0] * output[1]) * tile;

        // A weight of PyTorch's: output, input, line, column.
        let taps = kernel[0] * kernel[1];
        let inputs = if depthwise { 1 } else { in_channels };
        let mut forward_taps = Vec::new();
        for k in 0..kernel[0] {
            for l in 0..kernel[1] {
                let offset = x.at((k * dilation[0]) as isize, (l * dilation[1]) as isize) - x.at(0, 0);
                forward_taps.push(Tap { offset, number: k * kernel[1] + l });
            }
        }
        let start = |line: usize, column: usize| {
            x.at((line * stride[0]) as isize - padding[0], (column * stride[1]) as isize - padding[1])
        };
        let mut positions = Vec::new();
        for line in 0..output[0] {
            for column in 0..output[1] {
                positions.push((start(line, column), (line * output[1] + column) * out_channels));
            }
        }
        let run = if depthwise { 1 } else { in_channels };
        let forward = Pass::new(
            positions,
            forward_taps,
            run,
            x.pitch,
            |tap, channel| channel * taps + tap,
            tile,
            [x.length(), output_size],
        );

        let mut backward = Vec::new();
        for phase in 0..stride[0] * stride[1] {
            let phase = [phase / stride[1], phase % stride[1]];
            // The taps that meet inputs at `phase`, counted with the padding, and how far from (i + p) / s their output is.
            let meeting = |axis: usize| -> Vec<(usize, isize)> {
                let (s, d) = (stride[axis] as isize, dilation[axis] as isize);
                let met = (0..kernel[axis]).map(|k| (k, phase[axis] as isize - k as isize * d));
                met.filter(|(_, distance)| distance.rem_euclid(s) == 0)
                    .map(|(k, distance)| (k, distance.div_euclid(s)))
                    .collect()
            };
            let (lines, columns) = (meeting(0), meeting(1));
            let mut meeting_taps = Vec::new();
            for (k, down) in &lines {
                for (l, right) in &columns {
                    let offset = dy.at(*down, *right) - dy.at(0, 0);
                    meeting_taps.push(Tap { offset, number: k * kernel[1] + l });
                }
            }
            let of_phase = |axis: usize, n: usize| -> Vec<(usize, isize)> {
                let place = |i: usize| i as isize + padding[axis];
                let inside = (0..n).filter(|i| place(*i) as usize % stride[axis] == phase[axis]);
                inside.map(|i| (i, place(i).div_euclid(stride[axis] as isize))).collect()
            };
            let mut positions = Vec::new();
            for (i, line) in of_phase(0, height) {
                for (j, column) in of_phase(1, width) {
                    positions.push((dy.at(line, column), (i * width + j) * in_channels));
                }
            }
            if positions.is_empty() {
                continue;
            }
            let run = if depthwise { 1 } else { out_channels };
            let sizes = [dy.length(), height * width * in_channels];
            let weight = |tap, channel| channel * inputs * taps + tap;
            backward.push(Pass::new(positions, meeting_taps, run, dy.pitch, weight, tile, sizes));
        }

        let x_lines: Vec<usize> = (0..output[0]).map(|line| start(line, 0) as usize).collect();
        let dy_lines: Vec<usize> = (0..output[0]).map(|line| dy.at(line as isize, 0) as usize).collect();
        let dy_all =
            (0..output[0] * output[1]).map(|place| ((place / output[1]) as isize, (place % output[1]) as isize));
        let together: Vec<usize> = (0..output[0]).map(|line| line * output[1] * COLUMNS).collect();
        let dy_all: Vec<usize> = dy_all.map(|(line, column)| dy.at(line, column) as usize).collect();
        Self {
            lines: [Table::new(&x_lines, sheet, x.length()), Table::new(&dy_lines, sheet, dy.length())],
            sheet,
            dy_positions: Table::new(&dy_all, sheet, dy.length()),
            together: Table::new(&together, sheet, output[0] * output[1] * COLUMNS),
            length: output[1],
            step: stride[1] * x.pitch,
            forward,
            backward,
            x,
            dy,
            output: output_size,
            tile,
        }
    }
}
