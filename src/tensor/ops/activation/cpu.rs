//! The activation functions on the processor.

use rayon::prelude::*;

use super::Activation;
use super::sigmoid::sigmoid;
use crate::error::Result;
use crate::tensor::ops::relu::rectify;
use crate::tensor::partition::ELEMENTS;
use crate::tensor::recording::{record, tensor, values};
use crate::tensor::{Cpu, Flat, Tape};

pub(crate) fn activation<T: Tape<f32, Cpu>>(x: &Flat<Cpu>, function: Activation, tape: &mut T) -> Result<Flat<Cpu>> {
    let x_values = values(x);
    let mut y = vec![0.0; x_values.len()];
    // Matched out here, so that every loop is over one function.
    match function {
        Activation::Relu6 => write(&mut y, &x_values, relu6),
        Activation::Silu => write(&mut y, &x_values, |x| x * sigmoid(x)),
        Activation::HardSwish => write(&mut y, &x_values, hard_swish),
        Activation::Sigmoid => write(&mut y, &x_values, sigmoid),
    }
    let y = tensor(&x.device().clone(), y)?;
    record(tape, [Some(x)], &y, move |dy, [dx]| match function {
        Activation::Relu6 => add_slopes(dx, &dy, &x_values, relu6_slope),
        Activation::Silu => add_slopes(dx, &dy, &x_values, silu_slope),
        Activation::HardSwish => add_slopes(dx, &dy, &x_values, hard_swish_slope),
        Activation::Sigmoid => add_slopes(dx, &dy, &x_values, sigmoid_slope),
    });
    Ok(y)
}

/// `y = function(x)`.
fn write(y: &mut [f32], x: &[f32], function: impl Fn(f32) -> f32 + Sync) {
    y.par_chunks_mut(ELEMENTS).zip(x.par_chunks(ELEMENTS)).for_each(|(y, x)| {
        for (y, x) in y.iter_mut().zip(x) {
            *y = function(*x);
        }
    });
}

/// `dx += dy slope(x)`.
fn add_slopes(dx: &mut [f32], dy: &[f32], x: &[f32], slope: impl Fn(f32) -> f32 + Sync) {
    dx.par_chunks_mut(ELEMENTS).zip(dy.par_chunks(ELEMENTS)).zip(x.par_chunks(ELEMENTS)).for_each(|((dx, dy), x)| {
        for ((dx, dy), x) in dx.iter_mut().zip(dy).zip(x) {
            *dx += dy * slope(*x);
        }
    });
}

impl Activation {
    /// The function's value.
    #[inline(always)]
    pub(crate) fn value(self, x: f32) -> f32 {
        match self {
            Self::Relu6 => relu6(x),
            Self::Silu => x * sigmoid(x),
            Self::HardSwish => hard_swish(x),
            Self::Sigmoid => sigmoid(x),
        }
    }

    /// The function's derivative.
    #[inline(always)]
    pub(crate) fn slope(self, x: f32) -> f32 {
        match self {
            Self::Relu6 => relu6_slope(x),
            Self::Silu => silu_slope(x),
            Self::HardSwish => hard_swish_slope(x),
            Self::Sigmoid => sigmoid_slope(x),
        }
    }
}

#[inline(always)]
fn sigmoid_slope(x: f32) -> f32 {
    let sigmoid = sigmoid(x);
    sigmoid * (1.0 - sigmoid)
}

#[inline(always)]
fn silu_slope(x: f32) -> f32 {
    let sigmoid = sigmoid(x);
    sigmoid * (1.0 + x * (1.0 - sigmoid))
}

#[inline(always)]
fn relu6(x: f32) -> f32 {
    at_most_six(rectify(x))
}

#[inline(always)]
fn relu6_slope(x: f32) -> f32 {
    if x <= 0.0 || x >= 6.0 { 0.0 } else { 1.0 }
}

#[inline(always)]
fn hard_swish(x: f32) -> f32 {
    x * at_most_six(rectify(x + 3.0)) / 6.0
}

#[inline(always)]
fn hard_swish_slope(x: f32) -> f32 {
    if x <= -3.0 {
        0.0
    } else if x < 3.0 {
        x / 3.0 + 0.5
    } else {
        1.0
    }
}

/// `min(x, 6)`, but NaN for NaN.
#[inline(always)]
fn at_most_six(x: f32) -> f32 {
    if x >= 6.0 { 6.0 } else { x }
}
