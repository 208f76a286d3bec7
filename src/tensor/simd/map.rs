//! Value by value, over some rows that stay in a cache.
//!
//! What is one number a channel is given as a table that repeats those of all channels often enough to fill vectors, see
//! [`period`]; rows lie behind each other, so a table is laid over several rows at once.

use std::marker::PhantomData;

use pulp::{Simd, WithSimd};

use super::dispatch;
use crate::tensor::ops::activation::Activation;
use crate::tensor::ops::relu::rectify;

/// The length of a table for so many channels: a multiple of them, and of many vectors unless there are very many channels.
pub(crate) fn period(channels: usize) -> usize {
    const VECTORS: usize = 64;
    const ENOUGH: usize = 512;
    let mut divisor = (channels, VECTORS);
    while divisor.1 > 0 {
        divisor = (divisor.1, divisor.0 % divisor.1);
    }
    let whole = channels / divisor.0 * VECTORS;
    if whole > 8 * ENOUGH { channels } else { whole * ENOUGH.div_ceil(whole) }
}

/// What follows an affine map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    Identity,
    Relu,
    Other(Activation),
}

/// A function as a type, so that loops over it are compiled for it alone.
trait Scalar {
    fn value(x: f32) -> f32;
    /// The derivative at x.
    fn slope(x: f32) -> f32;
}

/// Defines types for functions.
macro_rules! scalars {
    ($($name:ident, $x:ident: $value:expr, $slope:expr;)*) => {
        $(
            struct $name;
            impl Scalar for $name {
                #[inline(always)]
                fn value($x: f32) -> f32 {
                    $value
                }
                #[inline(always)]
                #[allow(unused_variables, reason = "the slope of some is a constant")]
                fn slope($x: f32) -> f32 {
                    $slope
                }
            }
        )*
    };
}

scalars! {
    Identity, x: x, 1.0;
    Relu, x: rectify(x), if x <= 0.0 { 0.0 } else { 1.0 };
    Relu6, x: Activation::Relu6.value(x), Activation::Relu6.slope(x);
    Silu, x: Activation::Silu.value(x), Activation::Silu.slope(x);
    HardSwish, x: Activation::HardSwish.value(x), Activation::HardSwish.slope(x);
    Sigmoid, x: Activation::Sigmoid.value(x), Activation::Sigmoid.slope(x);
}

/// Calls a function that is generic over a [`Scalar`] with the one for a [`Function`].
macro_rules! for_function {
    ($function:expr, $call:ident($($argument:expr),*)) => {
        match $function {
            Function::Identity => $call::<Identity>($($argument),*),
            Function::Relu => $call::<Relu>($($argument),*),
            Function::Other(Activation::Relu6) => $call::<Relu6>($($argument),*),
            Function::Other(Activation::Silu) => $call::<Silu>($($argument),*),
            Function::Other(Activation::HardSwish) => $call::<HardSwish>($($argument),*),
            Function::Other(Activation::Sigmoid) => $call::<Sigmoid>($($argument),*),
        }
    };
}

/// Defines functions whose loops the compiler vectorises for this processor. Their bodies become methods: closures are
/// compiled for the least processor before they reach the place where they could be compiled for this one.
macro_rules! vectorized {
    ($($(#[$doc:meta])* $visibility:vis fn $name:ident<$($generic:ident)?>($($argument:ident: $type:ty),* $(,)?) $body:block)*) => {
        $(
            $(#[$doc])*
            $visibility fn $name<'a, $($generic: Scalar)?>($($argument: $type),*) {
                struct Work<'a, $($generic)?> {
                    $($argument: $type,)*
                    marker: PhantomData<(&'a (), $($generic)?)>,
                }
                impl<$($generic: Scalar)?> WithSimd for Work<'_, $($generic)?> {
                    type Output = ();
                    #[inline(always)]
                    fn with_simd<S: Simd>(self, _: S) {
                        let Self { $($argument,)* marker: _ } = self;
                        $body
                    }
                }
                dispatch(Work::<$($generic)?> { $($argument,)* marker: PhantomData });
            }
        )*
    };
}

/// `y = f(scale x + shift + other)`; scale and shift are tables.
pub(crate) fn affine(x: &[f32], [scale, shift]: [&[f32]; 2], other: Option<&[f32]>, function: Function, y: &mut [f32]) {
    match other {
        None => for_function!(function, affine_alone(x, scale, shift, y)),
        Some(other) => for_function!(function, affine_with(x, scale, shift, other, y)),
    }
}

/// `g = g f'(u)` where u is `scale x + shift`, or where `y = f(u)` is enough to know the slope.
pub(crate) fn weigh_by_slope(g: &mut [f32], y: &[f32], x: &[f32], [scale, shift]: [&[f32]; 2], function: Function) {
    match function {
        Function::Identity => {}
        Function::Relu => weigh_by::<Relu>(g, y),
        Function::Other(Activation::Relu6) => weigh_by::<Relu6>(g, y),
        _ => for_function!(function, weigh_affine(g, x, scale, shift)),
    }
}

/// `y = f(y)`.
pub(crate) fn apply(y: &mut [f32], function: Function) {
    if function != Function::Identity {
        for_function!(function, apply_in_place(y));
    }
}

/// `g = g f'(x)`.
pub(crate) fn weigh(g: &mut [f32], x: &[f32], function: Function) {
    if function != Function::Identity {
        for_function!(function, weigh_by(g, x));
    }
}

/// The gradient through a normalization, `scale g − slope (x − mean) − offset`, each but g and x a table.
#[derive(Clone, Copy)]
pub(crate) struct Through<'a> {
    pub(crate) scale: &'a [f32],
    pub(crate) slope: &'a [f32],
    pub(crate) mean: &'a [f32],
    pub(crate) offset: &'a [f32],
}

impl<'a> Through<'a> {
    /// Writes the gradient, or adds it.
    pub(crate) fn apply(&self, g: &'a [f32], x: &'a [f32], out: &'a mut [f32], add: bool) {
        if add { add_through(*self, g, x, out) } else { write_through(*self, g, x, out) }
    }
}

/// `total += values`, or `total = values`.
pub(crate) fn give(total: &mut [f32], values: &[f32], add: bool) {
    if add { add_values(total, values) } else { total.copy_from_slice(values) }
}

/// Every row of `x` times `row`, written or added.
pub(crate) fn times_row(y: &mut [f32], x: &[f32], row: &[f32], add: bool) {
    if add { add_times_row(y, x, row) } else { write_times_row(y, x, row) }
}

vectorized! {
    fn affine_alone<F>(x: &'a [f32], scale: &'a [f32], shift: &'a [f32], y: &'a mut [f32]) {
        for (y, x) in y.chunks_mut(scale.len()).zip(x.chunks(scale.len())) {
            for (((y, x), scale), shift) in y.iter_mut().zip(x).zip(scale).zip(shift) {
                *y = F::value(x.mul_add(*scale, *shift));
            }
        }
    }

    fn affine_with<F>(x: &'a [f32], scale: &'a [f32], shift: &'a [f32], other: &'a [f32], y: &'a mut [f32]) {
        let period = scale.len();
        for ((y, x), other) in y.chunks_mut(period).zip(x.chunks(period)).zip(other.chunks(period)) {
            for ((((y, x), other), scale), shift) in y.iter_mut().zip(x).zip(other).zip(scale).zip(shift) {
                *y = F::value(x.mul_add(*scale, *shift) + other);
            }
        }
    }

    fn weigh_affine<F>(g: &'a mut [f32], x: &'a [f32], scale: &'a [f32], shift: &'a [f32]) {
        for (g, x) in g.chunks_mut(scale.len()).zip(x.chunks(scale.len())) {
            for (((g, x), scale), shift) in g.iter_mut().zip(x).zip(scale).zip(shift) {
                *g *= F::slope(x.mul_add(*scale, *shift));
            }
        }
    }

    fn weigh_by<F>(g: &'a mut [f32], x: &'a [f32]) {
        for (g, x) in g.iter_mut().zip(x) {
            let slope = F::slope(*x);
            // What does not pass is zero, whatever it was.
            *g = if slope == 0.0 { 0.0 } else { *g * slope };
        }
    }

    fn apply_in_place<F>(y: &'a mut [f32]) {
        for y in y.iter_mut() {
            *y = F::value(*y);
        }
    }

    fn write_through<>(through: Through<'a>, g: &'a [f32], x: &'a [f32], out: &'a mut [f32]) {
        let Through { scale, slope, mean, offset } = through;
        let period = scale.len();
        for ((out, g), x) in out.chunks_mut(period).zip(g.chunks(period)).zip(x.chunks(period)) {
            let tables = scale.iter().zip(slope).zip(mean).zip(offset);
            for (((out, g), x), (((scale, slope), mean), offset)) in out.iter_mut().zip(g).zip(x).zip(tables) {
                *out = scale.mul_add(*g, slope.mul_add(mean - x, -offset));
            }
        }
    }

    fn add_through<>(through: Through<'a>, g: &'a [f32], x: &'a [f32], out: &'a mut [f32]) {
        let Through { scale, slope, mean, offset } = through;
        let period = scale.len();
        for ((out, g), x) in out.chunks_mut(period).zip(g.chunks(period)).zip(x.chunks(period)) {
            let tables = scale.iter().zip(slope).zip(mean).zip(offset);
            for (((out, g), x), (((scale, slope), mean), offset)) in out.iter_mut().zip(g).zip(x).zip(tables) {
                *out += scale.mul_add(*g, slope.mul_add(mean - x, -offset));
            }
        }
    }

    fn add_values<>(total: &'a mut [f32], values: &'a [f32]) {
        for (total, value) in total.iter_mut().zip(values) {
            *total += value;
        }
    }

    /// `total += values · weights`.
    pub(crate) fn add_products<>(total: &'a mut [f32], values: &'a [f32], weights: &'a [f32]) {
        for ((total, value), weight) in total.iter_mut().zip(values).zip(weights) {
            *total = value.mul_add(*weight, *total);
        }
    }

    fn write_times_row<>(y: &'a mut [f32], x: &'a [f32], row: &'a [f32]) {
        let n = row.len();
        for (y, x) in y.chunks_exact_mut(n).zip(x.chunks_exact(n)) {
            for c in 0..n {
                y[c] = x[c] * row[c];
            }
        }
    }

    fn add_times_row<>(y: &'a mut [f32], x: &'a [f32], row: &'a [f32]) {
        let n = row.len();
        for (y, x) in y.chunks_exact_mut(n).zip(x.chunks_exact(n)) {
            for c in 0..n {
                y[c] = x[c].mul_add(row[c], y[c]);
            }
        }
    }

    /// Adds to `row` the products of `a` and `b`, row by row.
    pub(crate) fn sum_products<>(row: &'a mut [f32], a: &'a [f32], b: &'a [f32]) {
        let n = row.len();
        for (a, b) in a.chunks_exact(n).zip(b.chunks_exact(n)) {
            for c in 0..n {
                row[c] = a[c].mul_add(b[c], row[c]);
            }
        }
    }
}
