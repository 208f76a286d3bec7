//! Depthwise windows: every channel is summed over the taps with weights of its own, and back.
//!
//! `y[p, c] = Σ over s of x[position(p) + tap(s) + c] w[s, c]` and `sums[s, c] += Σ over p of x[position(p) + tap(s) + c]
//! dy[p, c]`. Channels lie side by side in a vector; x and dy have whole vectors of them at every position.

use pulp::{Simd, WithSimd};

use super::dispatch;
use super::places::Places;
use super::slide::Finish;

/// What both directions read.
#[derive(Clone, Copy)]
pub(crate) struct Windows<'a> {
    pub(crate) x: &'a [f32],
    /// Where the window of each position starts in `x`.
    pub(crate) positions: Places<'a>,
    /// The taps of the window, from its start.
    pub(crate) taps: &'a [u32],
    /// Whole vectors of channels, [`super::padded`].
    pub(crate) columns: usize,
}

impl Windows<'_> {
    fn check(&self) {
        assert!(self.columns.is_multiple_of(super::lanes()), "whole vectors");
        let tap = self.taps.iter().max().map_or(0, |tap| *tap as usize);
        assert!(self.positions.greatest() + tap + self.columns <= self.x.len(), "a window outside the input");
    }
}

/// The sums over the taps.
pub(crate) struct Forward<'a> {
    pub(crate) windows: Windows<'a>,
    /// (taps, columns).
    pub(crate) weights: &'a [f32],
    pub(crate) y: &'a mut [f32],
    /// Where the outputs of each position start in `y`.
    pub(crate) targets: Places<'a>,
    /// How many of the columns are written.
    pub(crate) channels: usize,
    pub(crate) finish: Finish<'a>,
}

impl Forward<'_> {
    /// Computes all channels of all positions.
    pub(crate) fn run(self) {
        self.windows.check();
        assert_eq!(self.windows.positions.len(), self.targets.len(), "a target for each position");
        assert_eq!(self.weights.len(), self.windows.taps.len() * self.windows.columns, "weights for each tap");
        assert!(self.channels <= self.windows.columns);
        assert!(self.targets.greatest() + self.channels <= self.y.len(), "outputs outside the output");
        self.finish.check(self.channels, self.y);
        dispatch(self);
    }
}

/// Positions summed side by side.
const POSITIONS: usize = 8;

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Windows { x, positions, taps, columns } = self.windows;
        let (positions, targets) = (positions.get(), self.targets.get());
        for first in (0..positions.len()).step_by(POSITIONS) {
            let mut starts = [0; POSITIONS];
            for (place, start) in starts.iter_mut().enumerate() {
                *start = positions[(first + place).min(positions.len() - 1)] as usize;
            }
            for column in (0..self.channels).step_by(S::F32_LANES) {
                let mut sums = [simd.splat_f32s(0.0); POSITIONS];
                // SAFETY: `run` has checked that a window with whole vectors lies in `x` at every position, and that there
                // are as many weights.
                unsafe {
                    let weights = self.weights.as_ptr().add(column);
                    sum(simd, x.as_ptr().add(column), &starts, taps, weights, columns, &mut sums);
                }
                let end = (column + S::F32_LANES).min(self.channels);
                for (sum, target) in sums.iter().zip(targets[first..].iter().take(POSITIONS)) {
                    self.finish.write(simd, *sum, self.y, *target as usize, column..end);
                }
            }
        }
    }
}

/// # Safety
/// `x` must be valid for reads of a vector from each of `starts` plus each of `taps`, and `weights` from each of
/// `taps.len()` places that are `columns` apart.
#[inline(always)]
unsafe fn sum<S: Simd>(
    simd: S,
    x: *const f32,
    starts: &[usize; POSITIONS],
    taps: &[u32],
    weights: *const f32,
    columns: usize,
    sums: &mut [S::f32s; POSITIONS],
) {
    let mut total = *sums;
    for (index, tap) in taps.iter().enumerate() {
        // SAFETY: as the caller promises.
        let weight = unsafe { weights.add(index * columns).cast::<S::f32s>().read_unaligned() };
        for p in 0..POSITIONS {
            // SAFETY: as the caller promises.
            let value = unsafe { x.add(starts[p] + *tap as usize).cast::<S::f32s>().read_unaligned() };
            total[p] = simd.mul_add_f32s(weight, value, total[p]);
        }
    }
    *sums = total;
}

/// The gradient of the weights.
pub(crate) struct Backward<'a> {
    pub(crate) windows: Windows<'a>,
    pub(crate) dy: &'a [f32],
    /// Where the gradients of each position start in `dy`, whole vectors of them.
    pub(crate) sources: Places<'a>,
    /// (taps, columns).
    pub(crate) sums: &'a mut [f32],
}

impl Backward<'_> {
    /// Adds the products of all positions.
    pub(crate) fn run(self) {
        self.windows.check();
        assert_eq!(self.windows.positions.len(), self.sources.len(), "a gradient for each position");
        assert_eq!(self.sums.len(), self.windows.taps.len() * self.windows.columns, "a sum for each tap");
        assert!(self.sources.greatest() + self.windows.columns <= self.dy.len(), "gradients outside the gradient");
        dispatch(self);
    }

    /// T taps from `tap` on. Returns T.
    #[inline(always)]
    fn block<S: Simd, const T: usize>(&mut self, simd: S, tap: usize, column: usize) -> usize {
        let Windows { x, positions, taps, columns } = self.windows;
        let mut places = [0; T];
        for (index, place) in places.iter_mut().enumerate() {
            *place = taps[tap + index] as usize + column;
        }
        let mut sums = [simd.splat_f32s(0.0); T];
        for (position, source) in positions.get().iter().zip(self.sources.get()) {
            // SAFETY: `run` has checked that whole vectors lie in `dy` at every source, and in `x` under every tap.
            unsafe {
                let dy = self.dy.as_ptr().add(*source as usize + column).cast::<S::f32s>().read_unaligned();
                let x = x.as_ptr().add(*position as usize);
                for t in 0..T {
                    sums[t] = simd.mul_add_f32s(dy, x.add(places[t]).cast::<S::f32s>().read_unaligned(), sums[t]);
                }
            }
        }
        for (index, sum) in sums.iter().enumerate() {
            let target = &mut self.sums[(tap + index) * columns + column..][..S::F32_LANES];
            simd.partial_store_f32s(target, simd.add_f32s(simd.partial_load_f32s(target), *sum));
        }
        T
    }
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let taps = self.windows.taps.len();
        for column in (0..self.windows.columns).step_by(S::F32_LANES) {
            let mut tap = 0;
            while tap < taps {
                tap += match taps - tap {
                    9.. => self.block::<S, 9>(simd, tap, column),
                    5.. => self.block::<S, 5>(simd, tap, column),
                    3.. => self.block::<S, 3>(simd, tap, column),
                    _ => self.block::<S, 1>(simd, tap, column),
                };
            }
        }
    }
}
