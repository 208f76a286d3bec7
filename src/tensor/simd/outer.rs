//! Sums of outer products: `sums[s, j, o] += Σ over positions p of x[position(p) + segment(s) + j] dy[p, o]`, the gradient of
//! the weights of what [`super::slide`] computes.

use pulp::{Simd, WithSimd};

use super::dispatch;
use super::places::Places;

/// One run of the kernel. Positions are in lines of `length`, along which x goes on by `x_step` and dy by `dy_step`.
pub(crate) struct Outer<'a> {
    pub(crate) x: &'a [f32],
    /// Where the window of the first position of each line starts in `x`.
    pub(crate) x_lines: Places<'a>,
    pub(crate) x_step: usize,
    pub(crate) dy: &'a [f32],
    /// Where the first position of each line starts in `dy`.
    pub(crate) dy_lines: Places<'a>,
    /// Values between positions of `dy`; there are `columns` of them at each.
    pub(crate) dy_step: usize,
    /// Positions in a line.
    pub(crate) length: usize,
    /// The segments of the window, from its start.
    pub(crate) segments: &'a [u32],
    /// Values in each segment.
    pub(crate) run: usize,
    /// Whole vectors of outputs, [`super::padded`].
    pub(crate) columns: usize,
    /// (segments · run, columns).
    pub(crate) sums: &'a mut [f32],
}

impl Outer<'_> {
    /// Adds the products of all positions.
    pub(crate) fn run(self) {
        assert_eq!(self.x_lines.len(), self.dy_lines.len(), "as many lines");
        assert_eq!(self.sums.len(), self.segments.len() * self.run * self.columns, "a sum for each weight");
        assert!(self.columns.is_multiple_of(super::lanes()) && self.length > 0, "whole vectors");
        let Some(segment) = self.segments.iter().max() else { return };
        let last = self.x_lines.greatest() + *segment as usize + (self.length - 1) * self.x_step + self.run;
        assert!(last <= self.x.len(), "a window outside the input");
        assert!(
            self.dy_lines.greatest() + (self.length - 1) * self.dy_step + self.columns <= self.dy.len(),
            "a line outside the gradient"
        );
        dispatch(self);
    }

    #[inline(always)]
    fn columns<S: Simd, const V: usize>(&mut self, simd: S, column: usize, wide: bool) {
        for segment in 0..self.segments.len() {
            let mut row = 0;
            while row < self.run {
                row += match self.run - row {
                    // Sixteen rows of two vectors have no room in registers, sixteen of one have.
                    16.. if V == 1 && wide => self.block::<S, 16, V>(simd, segment, row, column),
                    8.. if wide => self.block::<S, 8, V>(simd, segment, row, column),
                    4.. => self.block::<S, 4, V>(simd, segment, row, column),
                    2.. => self.block::<S, 2, V>(simd, segment, row, column),
                    _ => self.block::<S, 1, V>(simd, segment, row, column),
                };
            }
        }
    }

    /// R rows from `row` on of a segment, V vectors from `column` on. Returns R.
    #[inline(always)]
    fn block<S: Simd, const R: usize, const V: usize>(
        &mut self,
        simd: S,
        segment: usize,
        row: usize,
        column: usize,
    ) -> usize {
        let mut sums = [[simd.splat_f32s(0.0); V]; R];
        for (x, dy) in self.x_lines.get().iter().zip(self.dy_lines.get()) {
            let x = *x as usize + self.segments[segment] as usize + row;
            let dy = *dy as usize + column;
            // SAFETY: `run` has checked that R ≤ run values from every position of the line are in `x`, and V whole vectors in
            // `dy`.
            unsafe {
                let (x, dy) = (self.x.as_ptr().add(x), self.dy.as_ptr().add(dy));
                let steps = [self.x_step, self.dy_step];
                sum::<S, R, V>(simd, [x, dy], steps, self.length, &mut sums);
            }
        }
        for (place, sums) in sums.iter().enumerate() {
            let start = (segment * self.run + row + place) * self.columns + column;
            for (vector, sum) in sums.iter().enumerate() {
                let target = &mut self.sums[start + vector * S::F32_LANES..][..S::F32_LANES];
                simd.partial_store_f32s(target, simd.add_f32s(simd.partial_load_f32s(target), *sum));
            }
        }
        R
    }
}

impl WithSimd for Outer<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let wide = S::F32_LANES == 16;
        let mut column = 0;
        while column + 2 * S::F32_LANES <= self.columns {
            self.columns::<S, 2>(simd, column, wide);
            column += 2 * S::F32_LANES;
        }
        if column < self.columns {
            self.columns::<S, 1>(simd, column, wide);
        }
    }
}

/// Adds the products along a line.
///
/// # Safety
/// `x` must be valid for reads of R values, and `dy` of V vectors, at each of `length` places that are `steps` apart.
#[inline(always)]
unsafe fn sum<S: Simd, const R: usize, const V: usize>(
    simd: S,
    [mut x, mut dy]: [*const f32; 2],
    [x_step, dy_step]: [usize; 2],
    length: usize,
    sums: &mut [[S::f32s; V]; R],
) {
    let mut total = *sums;
    for _ in 0..length {
        let mut gradient = [simd.splat_f32s(0.0); V];
        for (v, gradient) in gradient.iter_mut().enumerate() {
            // SAFETY: one of the V vectors at this place.
            *gradient = unsafe { dy.cast::<S::f32s>().add(v).read_unaligned() };
        }
        for (r, total) in total.iter_mut().enumerate() {
            // SAFETY: one of the R values at this place.
            let value = simd.splat_f32s(unsafe { *x.add(r) });
            for v in 0..V {
                total[v] = simd.mul_add_f32s(gradient[v], value, total[v]);
            }
        }
        // No `add`: after the last place these may point further than one past the end.
        (x, dy) = (x.wrapping_add(x_step), dy.wrapping_add(dy_step));
    }
    *sums = total;
}
