//! Value by value, over some rows that stay in a cache.

use pulp::{Simd, WithSimd};

use super::dispatch;
use crate::tensor::ops::activation::Activation;
use crate::tensor::ops::relu::rectify;

/// What follows an affine map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    Identity,
    Relu,
    Other(Activation),
}

/// Runs a closure compiled for this processor, so that the compiler vectorises its loops.
struct Compiled<F>(F);

impl<F: FnOnce()> WithSimd for Compiled<F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        self.0();
    }
}

/// `y = f(scale x + shift + other)`, the first two one number a channel.
pub(crate) fn affine(
    x: &[f32],
    [scale, shift]: [&[f32]; 2],
    other: Option<&[f32]>,
    function: Function,
    y: &mut [f32],
) {
    match function {
        Function::Identity => affine_with(x, [scale, shift], other, |u| u, y),
        Function::Relu => affine_with(x, [scale, shift], other, rectify, y),
        Function::Other(Activation::Relu6) => {
            affine_with(x, [scale, shift], other, #[inline(always)] |u| Activation::Relu6.value(u), y);
        }
        Function::Other(Activation::Silu) => {
            affine_with(x, [scale, shift], other, #[inline(always)] |u| Activation::Silu.value(u), y);
        }
        Function::Other(Activation::HardSwish) => {
            affine_with(x, [scale, shift], other, #[inline(always)] |u| Activation::HardSwish.value(u), y);
        }
        Function::Other(Activation::Sigmoid) => {
            affine_with(x, [scale, shift], other, #[inline(always)] |u| Activation::Sigmoid.value(u), y);
        }
    }
}

fn affine_with(
    x: &[f32],
    [scale, shift]: [&[f32]; 2],
    other: Option<&[f32]>,
    function: impl Fn(f32) -> f32,
    y: &mut [f32],
) {
    let n = scale.len();
    let shift = &shift[..n];
    dispatch(Compiled(#[inline(always)] || match other {
        None => {
            for (y, x) in y.chunks_exact_mut(n).zip(x.chunks_exact(n)) {
                for c in 0..n {
                    y[c] = function(x[c].mul_add(scale[c], shift[c]));
                }
            }
        }
        Some(other) => {
            for ((y, x), other) in y.chunks_exact_mut(n).zip(x.chunks_exact(n)).zip(other.chunks_exact(n)) {
                for c in 0..n {
                    y[c] = function(x[c].mul_add(scale[c], shift[c]) + other[c]);
                }
            }
        }
    }));
}

/// `g = g f'(u)` where u is `scale x + shift`, or where `y = f(u)` is enough to know the slope.
pub(crate) fn weigh_by_slope(g: &mut [f32], y: &[f32], x: &[f32], [scale, shift]: [&[f32]; 2], function: Function) {
    match function {
        Function::Identity => {}
        Function::Relu => dispatch(Compiled(#[inline(always)] || {
            for (g, y) in g.iter_mut().zip(y) {
                *g = if *y <= 0.0 { 0.0 } else { *g };
            }
        })),
        Function::Other(Activation::Relu6) => dispatch(Compiled(#[inline(always)] || {
            for (g, y) in g.iter_mut().zip(y) {
                *g = if *y <= 0.0 || *y >= 6.0 { 0.0 } else { *g };
            }
        })),
        Function::Other(Activation::Silu) => {
            weigh_with(g, x, [scale, shift], #[inline(always)] |u| Activation::Silu.slope(u));
        }
        Function::Other(Activation::HardSwish) => {
            weigh_with(g, x, [scale, shift], #[inline(always)] |u| Activation::HardSwish.slope(u));
        }
        Function::Other(Activation::Sigmoid) => {
            weigh_with(g, x, [scale, shift], #[inline(always)] |u| Activation::Sigmoid.slope(u));
        }
    }
}

fn weigh_with(g: &mut [f32], x: &[f32], [scale, shift]: [&[f32]; 2], slope: impl Fn(f32) -> f32) {
    let n = scale.len();
    let shift = &shift[..n];
    dispatch(Compiled(#[inline(always)] || {
        for (g, x) in g.chunks_exact_mut(n).zip(x.chunks_exact(n)) {
            for c in 0..n {
                g[c] *= slope(x[c].mul_add(scale[c], shift[c]));
            }
        }
    }));
}

/// The gradient through a normalization, `scale g − slope (x − mean) − offset`, each but g and x one number a channel.
#[derive(Clone, Copy)]
pub(crate) struct Through<'a> {
    pub(crate) scale: &'a [f32],
    pub(crate) slope: &'a [f32],
    pub(crate) mean: &'a [f32],
    pub(crate) offset: &'a [f32],
}

impl Through<'_> {
    /// Writes the gradient, or adds it. Rows of `out` start every `pitch` values.
    pub(crate) fn apply(&self, g: &[f32], x: &[f32], out: &mut [f32], pitch: usize, add: bool) {
        let n = self.scale.len();
        let Through { scale, slope, mean, offset } = *self;
        let (slope, mean, offset) = (&slope[..n], &mean[..n], &offset[..n]);
        dispatch(Compiled(#[inline(always)] || {
            for ((out, g), x) in out.chunks_mut(pitch).zip(g.chunks_exact(n)).zip(x.chunks_exact(n)) {
                let out = &mut out[..n];
                if add {
                    for c in 0..n {
                        out[c] += scale[c].mul_add(g[c], slope[c].mul_add(mean[c] - x[c], -offset[c]));
                    }
                } else {
                    for c in 0..n {
                        out[c] = scale[c].mul_add(g[c], slope[c].mul_add(mean[c] - x[c], -offset[c]));
                    }
                }
            }
        }));
    }
}

/// `total += values`, or `total = values`.
pub(crate) fn give(total: &mut [f32], values: &[f32], add: bool) {
    if !add {
        return total.copy_from_slice(values);
    }
    dispatch(Compiled(#[inline(always)] || {
        for (total, value) in total.iter_mut().zip(values) {
            *total += value;
        }
    }));
}

/// `total += values · weights`.
pub(crate) fn add_products(total: &mut [f32], values: &[f32], weights: &[f32]) {
    dispatch(Compiled(#[inline(always)] || crate::tensor::partition::add_products(total, values, weights)));
}

/// `y = f(y)`.
pub(crate) fn apply(y: &mut [f32], function: Function) {
    match function {
        Function::Identity => {}
        Function::Relu => apply_with(y, rectify),
        Function::Other(Activation::Relu6) => apply_with(y, #[inline(always)] |u| Activation::Relu6.value(u)),
        Function::Other(Activation::Silu) => apply_with(y, #[inline(always)] |u| Activation::Silu.value(u)),
        Function::Other(Activation::HardSwish) => apply_with(y, #[inline(always)] |u| Activation::HardSwish.value(u)),
        Function::Other(Activation::Sigmoid) => apply_with(y, #[inline(always)] |u| Activation::Sigmoid.value(u)),
    }
}

fn apply_with(y: &mut [f32], function: impl Fn(f32) -> f32) {
    dispatch(Compiled(#[inline(always)] || y.iter_mut().for_each(|y| *y = function(*y))));
}

/// `g = g f'(x)`.
pub(crate) fn weigh(g: &mut [f32], x: &[f32], function: Function) {
    match function {
        Function::Identity => {}
        Function::Relu => weigh_by(g, x, #[inline(always)] |x| if x <= 0.0 { 0.0 } else { 1.0 }),
        Function::Other(Activation::Relu6) => weigh_by(g, x, #[inline(always)] |x| Activation::Relu6.slope(x)),
        Function::Other(Activation::Silu) => weigh_by(g, x, #[inline(always)] |x| Activation::Silu.slope(x)),
        Function::Other(Activation::HardSwish) => weigh_by(g, x, #[inline(always)] |x| Activation::HardSwish.slope(x)),
        Function::Other(Activation::Sigmoid) => weigh_by(g, x, #[inline(always)] |x| Activation::Sigmoid.slope(x)),
    }
}

fn weigh_by(g: &mut [f32], x: &[f32], slope: impl Fn(f32) -> f32) {
    dispatch(Compiled(#[inline(always)] || g.iter_mut().zip(x).for_each(|(g, x)| *g *= slope(*x))));
}

/// Every row of `x` times `row`, written or added.
pub(crate) fn times_row(y: &mut [f32], x: &[f32], row: &[f32], add: bool) {
    let n = row.len();
    dispatch(Compiled(#[inline(always)] || {
        for (y, x) in y.chunks_exact_mut(n).zip(x.chunks_exact(n)) {
            if add {
                for c in 0..n {
                    y[c] = x[c].mul_add(row[c], y[c]);
                }
            } else {
                for c in 0..n {
                    y[c] = x[c] * row[c];
                }
            }
        }
    }));
}

/// Adds to `row` the products of `a` and `b`, row by row.
pub(crate) fn sum_products(row: &mut [f32], a: &[f32], b: &[f32]) {
    let n = row.len();
    dispatch(Compiled(#[inline(always)] || {
        for (a, b) in a.chunks_exact(n).zip(b.chunks_exact(n)) {
            for c in 0..n {
                row[c] = a[c].mul_add(b[c], row[c]);
            }
        }
    }));
}
