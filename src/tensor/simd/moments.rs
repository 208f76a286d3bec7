//! Sums over rows, channel by channel, of some rows that stay in a cache; callers join them in order.

use pulp::{Simd, WithSimd};

use super::{dispatch, load, store};

/// Rows summed side by side, so that one sum does not wait for the next.
const CHAINS: usize = 4;

/// `sums[c] += Σ over rows of a` and `products[c] += Σ a · b`, where for each row and channel a and b are
///
/// - without `other`: both `x − center`;
/// - with it: `x`, and `other − center`.
pub(crate) struct Moments<'a> {
    /// (rows, channels).
    pub(crate) x: &'a [f32],
    pub(crate) other: Option<&'a [f32]>,
    pub(crate) center: &'a [f32],
    pub(crate) sums: &'a mut [f32],
    pub(crate) products: &'a mut [f32],
}

impl Moments<'_> {
    /// Adds the sums of all rows.
    pub(crate) fn run(self) {
        let channels = self.center.len();
        assert!(channels > 0 && self.x.len().is_multiple_of(channels), "whole rows");
        assert!(self.sums.len() == channels && self.products.len() == channels, "a sum for each channel");
        assert!(self.other.is_none_or(|other| other.len() == self.x.len()), "two of the same size");
        dispatch(self);
    }
}

impl WithSimd for Moments<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let channels = self.center.len();
        let rows = self.x.len() / channels;
        for column in (0..channels).step_by(S::F32_LANES) {
            let range = column..(column + S::F32_LANES).min(channels);
            let center = load(simd, &self.center[range.clone()]);
            let at = Column { start: range.start, end: range.end, channels };
            let mut sums = [simd.splat_f32s(0.0); CHAINS];
            let mut products = [simd.splat_f32s(0.0); CHAINS];
            let whole = rows / CHAINS * CHAINS;
            for row in (0..whole).step_by(CHAINS) {
                for chain in 0..CHAINS {
                    let (a, b) = self.pair(simd, &at, row + chain, center);
                    sums[chain] = simd.add_f32s(sums[chain], a);
                    products[chain] = simd.mul_add_f32s(a, b, products[chain]);
                }
            }
            for row in whole..rows {
                let (a, b) = self.pair(simd, &at, row, center);
                sums[0] = simd.add_f32s(sums[0], a);
                products[0] = simd.mul_add_f32s(a, b, products[0]);
            }
            let [sum, product] = [sums, products].map(
                #[inline(always)]
                |[a, b, c, d]| simd.add_f32s(simd.add_f32s(a, b), simd.add_f32s(c, d)),
            );
            for (total, sum) in [(&mut self.sums[range.clone()], sum), (&mut self.products[range], product)] {
                let sum = simd.add_f32s(load(simd, total), sum);
                store(simd, total, sum);
            }
        }
    }
}

/// Some channels of a row.
struct Column {
    start: usize,
    end: usize,
    channels: usize,
}

impl Column {
    #[inline(always)]
    fn of<S: Simd>(&self, simd: S, values: &[f32], row: usize) -> S::f32s {
        load(simd, &values[row * self.channels + self.start..row * self.channels + self.end])
    }
}

impl Moments<'_> {
    /// a and b for the channels `at` of a row.
    #[inline(always)]
    fn pair<S: Simd>(&self, simd: S, at: &Column, row: usize, center: S::f32s) -> (S::f32s, S::f32s) {
        let x = at.of(simd, self.x, row);
        match self.other {
            None => {
                let centered = simd.sub_f32s(x, center);
                (centered, centered)
            }
            Some(other) => (x, simd.sub_f32s(at.of(simd, other, row), center)),
        }
    }
}
