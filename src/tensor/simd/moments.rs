//! Sums over rows, channel by channel, of some rows that stay in a cache; callers join them in order.

use pulp::{Simd, WithSimd};

use super::{dispatch, load};

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
            let center = simd.partial_load_f32s(&self.center[range.clone()]);
            let mut sums = [simd.splat_f32s(0.0); CHAINS];
            let mut products = [simd.splat_f32s(0.0); CHAINS];
            let mut row = 0;
            while row < rows {
                for chain in 0..CHAINS.min(rows - row) {
                    let x = load(simd, &self.x[(row + chain) * channels..][range.clone()]);
                    let (a, b) = match self.other {
                        None => {
                            let centered = simd.sub_f32s(x, center);
                            (centered, centered)
                        }
                        Some(other) => (x, simd.sub_f32s(load(simd, &other[(row + chain) * channels..][range.clone()]), center)),
                    };
                    sums[chain] = simd.add_f32s(sums[chain], a);
                    products[chain] = simd.mul_add_f32s(a, b, products[chain]);
                }
                row += CHAINS;
            }
            for (total, chains) in [(self.sums as &mut [f32], sums), (self.products as &mut [f32], products)] {
                let [a, b, c, d] = chains;
                let sum = simd.add_f32s(simd.add_f32s(a, b), simd.add_f32s(c, d));
                let total = &mut total[range.clone()];
                simd.partial_store_f32s(total, simd.add_f32s(simd.partial_load_f32s(total), sum));
            }
        }
    }
}
