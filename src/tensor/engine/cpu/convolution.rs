//! Convolutions, dense and depthwise, and the linear layer, which is a dense one without neighbours.

use rayon::prelude::*;

use super::memory::Buffer;
use super::window::{Bordered, Windows};
use crate::tensor::geometry::Convolution as Geometry;
use crate::tensor::partition::with_scratch;
use crate::tensor::simd::map::Through;
use crate::tensor::simd::moments::Moments;
use crate::tensor::simd::outer::Outer;
use crate::tensor::simd::slide::{Finish, Panels, Slide};
use crate::tensor::simd::{padded, taps};

/// At most how many sums of the weights' gradient are kept apart, each over its own images.
const SHARES: usize = 16;

/// At most how many numbers these sums have together, unless there are very many weights.
const SUMS: usize = 1 << 22;

/// So many outputs lie in a line of the cache.
pub(super) const TOGETHER: usize = 16;

/// A convolution with everything that is worked out before it runs.
#[derive(Debug)]
pub(super) struct Convolution {
    pub(super) geometry: Geometry,
    pub(super) depthwise: bool,
    pub(super) windows: Windows,
    /// The weights as the kernels read them, packed anew for every run.
    forward: Panels,
    backward: Vec<Panels>,
    /// (taps, channels) of a depthwise convolution, for the same.
    taps: Vec<f32>,
    back_taps: Vec<Vec<f32>>,
}

/// The gradient of a convolution's output: as it is, or to be led through the normalization behind it.
#[derive(Clone, Copy)]
pub(super) struct Incoming<'a> {
    pub(super) g: &'a [f32],
    pub(super) through: Option<(Through<'a>, &'a [f32])>,
}

/// Where a convolution's gradients go.
pub(super) struct Outgoing<'a> {
    /// The input's, if it is wanted; added if so said.
    pub(super) dx: Option<(&'a mut [f32], bool)>,
    pub(super) dweight: &'a mut [f32],
    pub(super) dbias: Option<&'a mut [f32]>,
}

impl Convolution {
    /// None if there is no kernel for it: groups that are neither one nor as many as channels.
    pub(super) fn new(geometry: &Geometry) -> Option<Self> {
        let output = geometry.window.positions(geometry.input)?;
        let depthwise = geometry.groups > 1;
        if depthwise && (geometry.groups != geometry.in_channels || geometry.in_channels != geometry.out_channels) {
            return None;
        }
        // Places in a tile are told in 32 bits.
        let windows = Windows::new(geometry, output, depthwise);
        let most = windows.sheet * (windows.x.length() + windows.dy.length() + windows.output);
        (most < u32::MAX as usize).then(|| Self {
            geometry: *geometry,
            depthwise,
            windows,
            forward: Panels::default(),
            backward: Vec::new(),
            taps: Vec::new(),
            back_taps: Vec::new(),
        })
    }

    pub(super) fn input_image(&self) -> usize {
        self.geometry.input[0] * self.geometry.input[1] * self.geometry.in_channels
    }

    fn kernel(&self) -> usize {
        self.geometry.window.kernel[0] * self.geometry.window.kernel[1]
    }

    /// Packs the weights for [`Convolution::forward`].
    pub(super) fn pack_forward(&mut self, weight: &[f32]) {
        if self.depthwise {
            let (kernel, channels) = (self.kernel(), self.geometry.out_channels);
            pack_taps(&mut self.taps, weight, &self.windows.forward.rows, kernel, channels);
        } else {
            let columns = self.geometry.out_channels;
            let step = self.geometry.in_channels * self.kernel();
            self.forward.pack(weight, &self.windows.forward.rows, columns, step);
        }
    }

    /// Packs the weights for [`Convolution::backward`] to the input.
    fn pack_backward(&mut self, weight: &[f32]) {
        let (channels, kernel) = (self.geometry.in_channels, self.kernel());
        self.back_taps.resize_with(self.windows.backward.len(), Vec::new);
        self.backward.resize_with(self.windows.backward.len(), Panels::default);
        for ((pass, panels), taps) in self.windows.backward.iter().zip(&mut self.backward).zip(&mut self.back_taps) {
            if self.depthwise {
                pack_taps(taps, weight, &pass.rows, kernel, channels);
            } else if !pass.rows.is_empty() {
                panels.pack(weight, &pass.rows, channels, kernel);
            }
        }
    }

    /// How many tiles a batch is cut into.
    pub(super) fn tiles(&self, batch: usize) -> usize {
        batch.div_ceil(self.windows.tile)
    }

    /// Computes the convolution of all images. If `moments` is given, it gets for each tile the sums over its rows of
    /// `y − first row` and of its square, 2 x channels numbers.
    pub(super) fn forward(&self, x: &[f32], y: &mut [f32], finish: Finish, moments: Option<&mut [f32]>) {
        let tile = self.windows.tile;
        let (inputs, outputs) = (tile * self.input_image(), tile * self.windows.output);
        let channels = self.geometry.out_channels;
        let tiles = y.par_chunks_mut(outputs).zip(x.par_chunks(inputs)).enumerate();
        let compute = |(index, (y, x)): (usize, (&mut [f32], &[f32]))| {
            let images = y.len() / self.windows.output;
            // What is beside the output lies where the output does.
            let finish = match finish {
                Finish::Affine { scale, shift, other: Some(other), relu } => {
                    let other = &other[index * outputs..][..y.len()];
                    Finish::Affine { scale, shift, other: Some(other), relu }
                }
                other => other,
            };
            with_bordered(&self.windows.x, x, None, |x| self.slide(x, images, y, finish));
        };
        match moments {
            None => tiles.for_each(compute),
            Some(moments) => tiles.zip(moments.par_chunks_mut(2 * channels)).for_each(|((index, (y, x)), moments)| {
                compute((index, (&mut *y, x)));
                moments.fill(0.0);
                let (sums, products) = moments.split_at_mut(channels);
                Moments { x: y, other: None, center: &y[..channels], sums, products }.run();
            }),
        }
    }

    fn slide(&self, x: &[f32], images: usize, y: &mut [f32], finish: Finish) {
        let pass = &self.windows.forward;
        let (positions, targets) = (pass.positions.of(images), pass.targets.of(images));
        if self.depthwise {
            let channels = self.geometry.out_channels;
            let windows = taps::Windows { x, positions, taps: &pass.segments, columns: padded(channels) };
            return taps::Forward { windows, weights: &self.taps, y, targets, channels, finish }.run();
        }
        let (segments, run) = (&pass.segments, pass.run);
        Slide { x, positions, segments, run, panels: &self.forward, y, targets, finish }.run();
    }

    /// How many sums of the weights' gradient are kept apart, and how many numbers each has.
    fn shares(&self, batch: usize) -> (usize, usize) {
        let rows = self.windows.forward.rows.len();
        let numbers = rows * padded(self.geometry.out_channels);
        if self.goes_by_columns() {
            return (1, numbers);
        }
        ((SUMS / numbers.max(1)).clamp(4, SHARES).min(self.tiles(batch)), numbers)
    }

    /// How many numbers [`Convolution::backward`] needs for its sums.
    pub(super) fn sums(&self, batch: usize) -> usize {
        let (shares, numbers) = self.shares(batch);
        shares * (numbers + self.geometry.out_channels)
    }

    /// Computes the gradients. `weight` is as it was in the run forwards; `sums` has [`Convolution::sums`] numbers.
    pub(super) fn backward(
        &mut self,
        x: &[f32],
        weight: &[f32],
        incoming: Incoming,
        outgoing: Outgoing,
        sums: &mut Buffer,
    ) {
        if outgoing.dx.is_some() {
            self.pack_backward(weight);
        }
        if self.goes_by_columns() {
            return self.backward_by_columns(x, &incoming, outgoing, sums);
        }
        let this = &*self;
        let Outgoing { dx, dweight, dbias } = outgoing;
        let batch = incoming.g.len() / this.windows.output;
        let (shares, numbers) = this.shares(batch);
        let images = this.tiles(batch).div_ceil(shares) * this.windows.tile;
        let (in_share, out_share) = (images * this.input_image(), images * this.windows.output);
        let add = dx.as_ref().is_some_and(|(_, add)| *add);
        let mut dx = dx.map(|(dx, _)| dx.chunks_mut(in_share));
        let channels = this.geometry.out_channels;
        let work: Vec<_> = x
            .chunks(in_share)
            .zip(incoming.g.chunks(out_share))
            .zip(sums.chunks_exact_mut(numbers + channels))
            .enumerate()
            .map(|(share, ((x, g), sums))| {
                let through = incoming.through.map(|(through, y)| (through, &y[share * out_share..][..g.len()]));
                (x, Incoming { g, through }, dx.as_mut().and_then(Iterator::next), sums)
            })
            .collect();
        let used = work.len();
        work.into_par_iter().for_each(|(x, incoming, dx, sums)| {
            sums.fill(0.0);
            let (sums, bias) = sums.split_at_mut(numbers);
            this.backward_share(x, &incoming, dx.map(|dx| (dx, add)), sums);
            if dbias_wanted(&dbias) {
                add_rows(bias, incoming.g);
            }
        });
        let sums = &sums[..used * (numbers + channels)];
        if let Some(dbias) = dbias {
            for share in sums.chunks_exact(numbers + channels) {
                dbias.iter_mut().zip(&share[numbers..]).for_each(|(total, sum)| *total += sum);
            }
        }
        this.collect(sums, numbers + channels, dweight);
    }

    /// The gradients from some images, on one thread.
    fn backward_share(&self, x: &[f32], incoming: &Incoming, dx: Option<(&mut [f32], bool)>, sums: &mut [f32]) {
        let windows = &self.windows;
        let (inputs, outputs) = (windows.tile * self.input_image(), windows.tile * windows.output);
        let add = dx.as_ref().is_some_and(|(_, add)| *add);
        let mut dx = dx.map(|(dx, _)| dx.chunks_mut(inputs));
        for (tile, (x, g)) in x.chunks(inputs).zip(incoming.g.chunks(outputs)).enumerate() {
            let images = g.len() / windows.output;
            let through = incoming.through.map(|(through, y)| (through, &y[tile * outputs..][..g.len()]));
            let dx = dx.as_mut().and_then(Iterator::next);
            with_bordered(&windows.dy, g, through, |dy| {
                with_bordered(&windows.x, x, None, |x| self.add_outer(x, dy, images, sums));
                if let Some(dx) = dx {
                    self.slide_back(dy, images, dx, add);
                }
            });
        }
    }

    fn add_outer(&self, x: &[f32], dy: &[f32], images: usize, sums: &mut [f32]) {
        let (windows, columns) = (&self.windows, padded(self.geometry.out_channels));
        let (segments, run) = (&windows.forward.segments[..], windows.forward.run);
        if self.depthwise {
            let positions = windows.forward.positions.of(images);
            let read = taps::Windows { x, positions, taps: segments, columns };
            return taps::Backward { windows: read, dy, sources: windows.dy_positions.of(images), sums }.run();
        }
        let [x_lines, dy_lines] = [0, 1].map(|side| windows.lines[side].of(images));
        let (x_step, dy_step, length) = (windows.step, windows.dy.pitch, windows.length);
        Outer { x, x_lines, x_step, dy, dy_lines, dy_step, length, segments, run, columns, sums }.run();
    }

    pub(super) fn slide_back(&self, dy: &[f32], images: usize, dx: &mut [f32], add: bool) {
        if !add && self.windows.backward.iter().any(|pass| pass.segments.is_empty()) {
            // Inputs that no window reads.
            dx.fill(0.0);
        }
        let finish = if add { Finish::Add } else { Finish::Write };
        let passes = self.windows.backward.iter().zip(&self.backward).zip(&self.back_taps);
        for ((pass, panels), taps) in passes.filter(|((pass, _), _)| !pass.segments.is_empty()) {
            let (positions, targets) = (pass.positions.of(images), pass.targets.of(images));
            if self.depthwise {
                let channels = self.geometry.in_channels;
                let windows = taps::Windows { x: dy, positions, taps: &pass.segments, columns: padded(channels) };
                taps::Forward { windows, weights: taps, y: dx, targets, channels, finish }.run();
            } else {
                let (segments, run) = (&pass.segments, pass.run);
                Slide { x: dy, positions, segments, run, panels, y: dx, targets, finish }.run();
            }
        }
    }

    /// Adds the sums of all shares, in their order, to a gradient in PyTorch's layout.
    fn collect(&self, sums: &[f32], share: usize, dweight: &mut [f32]) {
        let columns = padded(self.geometry.out_channels);
        let rows = &self.windows.forward.rows;
        let step = dweight.len() / self.geometry.out_channels;
        dweight.par_chunks_mut(TOGETHER * step).enumerate().for_each(|(chunk, dweight)| {
            let outputs = dweight.len() / step;
            for (row, place) in rows.iter().enumerate() {
                let mut totals = [0.0; TOGETHER];
                for sums in sums.chunks_exact(share) {
                    let sums = &sums[row * columns + chunk * TOGETHER..][..outputs];
                    totals.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
                }
                let targets = dweight[*place as usize..].iter_mut().step_by(step);
                targets.zip(&totals[..outputs]).for_each(|(target, total)| *target += total);
            }
        });
    }
}

fn dbias_wanted(dbias: &Option<&mut [f32]>) -> bool {
    dbias.is_some()
}

/// Adds the rows of `values` to `sums`.
pub(super) fn add_rows(sums: &mut [f32], values: &[f32]) {
    for row in values.chunks_exact(sums.len()) {
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
}

/// Weights of a depthwise convolution, (taps, whole vectors of channels).
fn pack_taps(target: &mut Vec<f32>, weight: &[f32], rows: &[u32], kernel: usize, channels: usize) {
    let columns = padded(channels);
    target.resize(rows.len() * columns, 0.0);
    for (row, target) in rows.iter().zip(target.chunks_exact_mut(columns)) {
        for (channel, target) in target.iter_mut().enumerate().take(channels) {
            *target = weight[channel * kernel + *row as usize];
        }
    }
}

/// Runs `work` on some images laid out as `layout` says, led through a normalization if asked; without a copy where they
/// lie like that already.
fn with_bordered<R>(
    layout: &Bordered,
    images: &[f32],
    through: Option<(Through, &[f32])>,
    work: impl FnOnce(&[f32]) -> R,
) -> R {
    if layout.is_plain() && through.is_none() {
        return work(images);
    }
    let size: usize = layout.image.iter().product();
    let length = layout.length();
    with_scratch(images.len() / size * length, |scratch| {
        for (index, (image, scratch)) in images.chunks_exact(size).zip(scratch.chunks_exact_mut(length)).enumerate() {
            lay(layout, index, image, &through, scratch);
        }
        work(scratch)
    })
}

/// Lays image number `index` out in scratch memory.
pub(super) fn lay(
    layout: &Bordered,
    index: usize,
    image: &[f32],
    through: &Option<(Through, &[f32])>,
    scratch: &mut [f32],
) {
    match through {
        None => layout.fill(image, scratch),
        Some((through, x)) => layout.fill_through(through, image, &x[index * image.len()..][..image.len()], scratch),
    }
}
