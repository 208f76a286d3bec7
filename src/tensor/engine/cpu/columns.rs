//! The gradient of more weights than a cache holds: one sum for each, over sheets of many positions, some outputs a task.

use rayon::prelude::*;

use super::convolution::{Convolution, Incoming, Outgoing, TOGETHER, add_rows, lay};
use super::window::{Bordered, COLUMNS};
use crate::tensor::partition::with_scratch;
use crate::tensor::simd::map::Through;
use crate::tensor::simd::outer::Outer;
use crate::tensor::simd::padded;

/// With more weights than this their sums are kept once, and not by shares of the images. Fewer in unit tests, whose
/// networks are small.
const MANY: usize = if cfg!(test) { 1 << 11 } else { 1 << 20 };

impl Convolution {
    /// Whether the sums of the weights' gradient are too many for a cache. Then adding up a tile's few positions costs less
    /// than reading and writing the sums, and so does adding up shares.
    pub(super) fn goes_by_columns(&self) -> bool {
        let numbers = self.windows.forward.rows.len() * padded(self.geometry.out_channels);
        !self.depthwise && numbers > MANY
    }

    /// The gradients with one sum for each weight: sheet after sheet, and in a sheet some outputs a task.
    pub(super) fn backward_by_columns(&self, x: &[f32], incoming: &Incoming, outgoing: Outgoing, sums: &mut [f32]) {
        let (windows, channels) = (&self.windows, self.geometry.out_channels);
        let Outgoing { dx, dweight, dbias } = outgoing;
        let (rows, numbers) = (windows.forward.rows.len(), sums.len() - channels);
        let (sums, bias) = sums.split_at_mut(numbers);
        sums.par_chunks_mut(rows * COLUMNS).for_each(|sums| sums.fill(0.0));
        let (inputs, outputs) = (windows.sheet * self.input_image(), windows.sheet * windows.output);
        let add = dx.as_ref().is_some_and(|(_, add)| *add);
        let mut dx = dx.map(|(dx, _)| dx.chunks_mut(inputs));
        for (sheet, (x, g)) in x.chunks(inputs).zip(incoming.g.chunks(outputs)).enumerate() {
            let through = incoming.through.map(|(through, y)| (through, &y[sheet * outputs..][..g.len()]));
            let dx = dx.as_mut().and_then(Iterator::next);
            with_sheet(&windows.dy, g, through, |dy| {
                with_sheet(&windows.x, x, None, |x| self.add_columns(x, dy, g.len() / windows.output, sums));
                if let Some(dx) = dx {
                    let tiles = dx.par_chunks_mut(windows.tile * self.input_image());
                    tiles.zip(dy.par_chunks(windows.tile * windows.dy.length())).for_each(|(dx, dy)| {
                        self.slide_back(dy, dx.len() / self.input_image(), dx, add);
                    });
                }
            });
        }
        if let Some(dbias) = dbias {
            bias.fill(0.0);
            add_rows(bias, incoming.g);
            dbias.iter_mut().zip(bias).for_each(|(total, sum)| *total += *sum);
        }
        self.collect_columns(sums, dweight);
    }

    /// Adds the products of a sheet to `sums`, in which [`COLUMNS`] outputs of every row lie together.
    fn add_columns(&self, x: &[f32], dy: &[f32], images: usize, sums: &mut [f32]) {
        let windows = &self.windows;
        let (segments, run) = (&windows.forward.segments[..], windows.forward.run);
        let rows = windows.forward.rows.len();
        sums.par_chunks_mut(rows * COLUMNS).enumerate().for_each(|(chunk, sums)| {
            let (x_lines, x_step, length) = (windows.lines[0].of(images), windows.step, windows.length);
            let columns = sums.len() / rows;
            // Behind each other, what is read for every row stays in the nearest cache; far apart, it falls on few of that
            // cache's places.
            let positions = windows.dy_positions.of(images);
            with_scratch(positions.len() * COLUMNS, |together| {
                for (together, place) in together.chunks_exact_mut(COLUMNS).zip(positions.get()) {
                    together[..columns].copy_from_slice(&dy[*place as usize + chunk * COLUMNS..][..columns]);
                }
                let (dy, dy_lines, dy_step) = (&*together, windows.together.of(images), COLUMNS);
                Outer { x, x_lines, x_step, dy, dy_lines, dy_step, length, segments, run, columns, sums }.run();
            });
        });
    }

    /// Adds what [`Convolution::add_columns`] made to a gradient in PyTorch's layout.
    fn collect_columns(&self, sums: &[f32], dweight: &mut [f32]) {
        let rows = &self.windows.forward.rows;
        let step = dweight.len() / self.geometry.out_channels;
        dweight.par_chunks_mut(COLUMNS * step).zip(sums.par_chunks(rows.len() * COLUMNS)).for_each(
            |(dweight, sums)| {
                let columns = sums.len() / rows.len();
                for (chunk, dweight) in dweight.chunks_mut(TOGETHER * step).enumerate() {
                    for (sums, place) in sums.chunks_exact(columns).zip(rows) {
                        let targets = dweight[*place as usize..].iter_mut().step_by(step);
                        targets.zip(&sums[chunk * TOGETHER..]).for_each(|(target, sum)| *target += sum);
                    }
                }
            },
        );
    }
}

/// Runs `work` on the images of a sheet laid out as `layout` says, on all threads; without a copy where they lie like that
/// already.
fn with_sheet<R>(
    layout: &Bordered,
    images: &[f32],
    through: Option<(Through, &[f32])>,
    work: impl FnOnce(&[f32]) -> R,
) -> R {
    if layout.is_plain() && through.is_none() {
        return work(images);
    }
    let size: usize = layout.image.iter().product();
    with_scratch(images.len() / size * layout.length(), |scratch| {
        let each = images.par_chunks_exact(size).zip(scratch.par_chunks_exact_mut(layout.length())).enumerate();
        each.for_each(|(index, (image, scratch))| lay(layout, index, image, &through, scratch));
        work(scratch)
    })
}
