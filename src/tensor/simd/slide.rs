//! Weighted sums of what lies under a window: `y[p, o] = Σ over (s, j) of x[position(p) + segment(s) + j] w[s, j, o]`.
//!
//! A window is a list of segments, runs of neighbouring values at fixed distances from a position. Outputs lie side by side
//! in a vector, so each value of x is broadcast to them, and some positions are summed together so that each vector of
//! weights is loaded once for all of them. All sums stay in registers from the first term to the last.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::places::Places;
use super::{dispatch, load, store};

/// The weights of some outputs, packed for the kernel: panels of two vectors of outputs, then one of one vector if there is
/// an odd number of vectors; in a panel row after row. Outputs beyond the last are zeros.
#[derive(Debug, Default, Clone)]
pub(crate) struct Panels {
    values: Vec<f32>,
    rows: usize,
    columns: usize,
}

impl Panels {
    /// Packs a matrix whose value in row r and column c is `weight[rows[r] + c · column_step]`.
    pub(crate) fn pack(&mut self, weight: &[f32], rows: &[u32], columns: usize, column_step: usize) {
        use rayon::prelude::*;
        let lanes = super::lanes();
        let vectors = columns.div_ceil(lanes);
        (self.rows, self.columns) = (rows.len(), columns);
        self.values.resize(rows.len() * vectors * lanes, 0.0);
        let pack = |(panel, values): (usize, &mut [f32])| {
            let first = panel * 2 * lanes;
            let width = values.len() / rows.len();
            for column in 0..width.min(columns - first) {
                let weight = &weight[(first + column) * column_step..];
                for (row, target) in rows.iter().zip(values[column..].iter_mut().step_by(width)) {
                    *target = weight[*row as usize];
                }
            }
        };
        let panels = self.values.par_chunks_mut(rows.len() * 2 * lanes).enumerate();
        // Small ones are packed sooner than they are handed around.
        if rows.len() * columns < 1 << 15 {
            panels.with_min_len(usize::MAX).for_each(pack)
        } else {
            panels.for_each(pack)
        }
    }
}

/// What becomes of the sums.
#[derive(Clone, Copy)]
pub(crate) enum Finish<'a> {
    /// They are written.
    Write,
    /// They are added to what is there.
    Add,
    /// They are written with a number for each output added.
    Bias(&'a [f32]),
    /// `f(scale · sum + shift + other)` is written, where `other`, laid out as the outputs, may be missing.
    Affine { scale: &'a [f32], shift: &'a [f32], other: Option<&'a [f32]>, relu: bool },
}

/// One run of the kernel.
pub(crate) struct Slide<'a> {
    pub(crate) x: &'a [f32],
    /// Where the window of each position starts in `x`.
    pub(crate) positions: Places<'a>,
    /// The segments of the window, from its start.
    pub(crate) segments: &'a [u32],
    /// Values in each segment.
    pub(crate) run: usize,
    /// `segments · run` rows, a column for each output.
    pub(crate) panels: &'a Panels,
    pub(crate) y: &'a mut [f32],
    /// Where the outputs of each position start in `y`.
    pub(crate) targets: Places<'a>,
    pub(crate) finish: Finish<'a>,
}

impl Slide<'_> {
    /// Computes all outputs of all positions.
    pub(crate) fn run(self) {
        let columns = self.panels.columns;
        assert_eq!(self.positions.len(), self.targets.len(), "a target for each position");
        assert_eq!(
            self.panels.rows,
            self.segments.len() * self.run,
            "a row of weights for each value under the window"
        );
        let Some(segment) = self.segments.iter().max() else { return };
        let last = self.positions.greatest() + *segment as usize + self.run;
        assert!(last <= self.x.len(), "a window outside the input");
        assert!(self.targets.greatest() + columns <= self.y.len(), "outputs outside the output");
        self.finish.check(columns, self.y);
        dispatch(self);
    }

    #[inline(always)]
    fn panels<S: Simd, const WIDE: usize, const NARROW: usize>(&mut self, simd: S) {
        let vectors = self.panels.columns.div_ceil(S::F32_LANES);
        let size = self.panels.rows * 2 * S::F32_LANES;
        for (panel, start) in (0..vectors).step_by(2).enumerate() {
            let weights = &self.panels.values[panel * size..];
            if start + 2 <= vectors {
                self.panel::<S, WIDE, 2>(simd, weights, start * S::F32_LANES);
            } else {
                self.panel::<S, NARROW, 1>(simd, weights, start * S::F32_LANES);
            }
        }
    }

    /// All positions, P at a time, for V vectors of outputs from `output` on.
    #[inline(always)]
    fn panel<S: Simd, const P: usize, const V: usize>(&mut self, simd: S, weights: &[f32], output: usize) {
        assert!(weights.len() >= self.panels.rows * V * S::F32_LANES);
        let (positions, targets) = (self.positions.get(), self.targets.get());
        let count = positions.len();
        for first in (0..count).step_by(P) {
            // The last block may be short: its last position is then computed several times, and written once.
            let mut starts = [0; P];
            for (place, start) in starts.iter_mut().enumerate() {
                *start = positions[(first + place).min(count - 1)] as usize;
            }
            let mut sums = [[simd.splat_f32s(0.0); V]; P];
            // SAFETY: `run` has checked that the window of every position lies in `x`, and the assertion above that there
            // are weights for every value under it.
            unsafe {
                sum::<S, P, V>(simd, self.x.as_ptr(), &starts, self.segments, self.run, weights.as_ptr(), &mut sums)
            };
            for (place, sums) in sums.iter().enumerate().take(count - first) {
                let target = targets[first + place] as usize;
                for (vector, sum) in sums.iter().enumerate() {
                    let start = output + vector * S::F32_LANES;
                    let end = (start + S::F32_LANES).min(self.panels.columns);
                    self.finish.write(simd, *sum, self.y, target, start..end);
                }
            }
        }
    }
}

impl Finish<'_> {
    /// Fails if something is missing for `columns` outputs at each position of `y`.
    pub(super) fn check(&self, columns: usize, y: &[f32]) {
        match self {
            Finish::Bias(bias) => assert!(bias.len() >= columns),
            Finish::Affine { scale, shift, other, .. } => {
                assert!(scale.len() >= columns && shift.len() >= columns);
                assert!(other.is_none_or(|other| other.len() >= y.len()));
            }
            Finish::Write | Finish::Add => {}
        }
    }

    /// Writes what becomes of `sum`, for the outputs of `range` at `target` in `y`.
    #[inline(always)]
    pub(super) fn write<S: Simd>(self, simd: S, sum: S::f32s, y: &mut [f32], target: usize, range: Range<usize>) {
        let place = target + range.start..target + range.end;
        let value = match self {
            Finish::Write => sum,
            Finish::Add => simd.add_f32s(load(simd, &y[place.clone()]), sum),
            Finish::Bias(bias) => simd.add_f32s(sum, load(simd, &bias[range])),
            Finish::Affine { scale, shift, other, relu } => {
                let (scale, shift) = (load(simd, &scale[range.clone()]), load(simd, &shift[range]));
                let mut value = simd.mul_add_f32s(sum, scale, shift);
                if let Some(other) = other {
                    value = simd.add_f32s(value, load(simd, &other[place.clone()]));
                }
                if relu {
                    // NaN stays NaN.
                    let zero = simd.splat_f32s(0.0);
                    simd.select_f32s(simd.less_than_or_equal_f32s(value, zero), zero, value)
                } else {
                    value
                }
            }
        };
        store(simd, &mut y[place], value);
    }
}

impl WithSimd for Slide<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        // As many sums as there are registers for, beside those for weights and the broadcast value.
        if S::F32_LANES == 16 { self.panels::<S, 8, 16>(simd) } else { self.panels::<S, 4, 8>(simd) }
    }
}

/// Adds up the windows that start at `starts` in `x`.
///
/// Pointers, because with slices the sums are kept in memory and not in registers: 55 GFLOP/s instead of 240, measured.
///
/// # Safety
/// `x` must be valid for reads of `run` values from each of `starts` plus each of `segments`, and `weights` for
/// `segments.len() · run · V` vectors.
#[inline(always)]
unsafe fn sum<S: Simd, const P: usize, const V: usize>(
    simd: S,
    x: *const f32,
    starts: &[usize; P],
    segments: &[u32],
    run: usize,
    weights: *const f32,
    sums: &mut [[S::f32s; V]; P],
) {
    let mut total = *sums;
    let mut weights = weights.cast::<S::f32s>();
    for segment in segments {
        let mut rows = [x; P];
        for p in 0..P {
            // SAFETY: inside `x`, as the caller promises.
            rows[p] = unsafe { x.add(starts[p] + *segment as usize) };
        }
        for j in 0..run {
            let mut w = [simd.splat_f32s(0.0); V];
            for (v, w) in w.iter_mut().enumerate() {
                // SAFETY: weights are read in order, V for each of the `segments.len() · run` rows.
                *w = unsafe { weights.add(v).read_unaligned() };
            }
            for p in 0..P {
                // SAFETY: one of the `run` values of the segment.
                let value = simd.splat_f32s(unsafe { *rows[p].add(j) });
                for v in 0..V {
                    total[p][v] = simd.mul_add_f32s(w[v], value, total[p][v]);
                }
            }
            // SAFETY: at most one past the last.
            weights = unsafe { weights.add(V) };
        }
    }
    *sums = total;
}
