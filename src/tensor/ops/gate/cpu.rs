//! Gated channels on the processor; every image is a share of its own.

use rayon::prelude::*;

use crate::error::Result;
use crate::tensor::backend::length;
use crate::tensor::partition::add_products;
use crate::tensor::recording::{expect_length, record, tensor, values};
use crate::tensor::{Cpu, Flat, Tape};

pub(crate) fn gate<T: Tape<f32, Cpu>>(
    x: &Flat<Cpu>,
    gate: &Flat<Cpu>,
    batch: usize,
    channels: usize,
    tape: &mut T,
) -> Result<Flat<Cpu>> {
    let positions = length(x) / batch.saturating_mul(channels).max(1);
    expect_length("a gate's input", x, &[batch, positions, channels])?;
    expect_length("a gate", gate, &[batch, channels])?;
    let image = positions * channels;
    let (x_values, gate_values) = (values(x), values(gate));
    let mut y = vec![0.0; x_values.len()];
    y.par_chunks_mut(image).zip(x_values.par_chunks(image)).zip(gate_values.par_chunks(channels)).for_each(
        |((y, x), gate)| {
            for (y, x) in y.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
                for ((y, x), gate) in y.iter_mut().zip(x).zip(gate) {
                    *y = x * gate;
                }
            }
        },
    );
    let y = tensor(&x.device().clone(), y)?;
    record(tape, [Some(x), Some(gate)], &y, move |dy, [dx, dgate]| {
        dx.par_chunks_mut(image).zip(dy.par_chunks(image)).zip(gate_values.par_chunks(channels)).for_each(
            |((dx, dy), gate)| {
                let rows = dx.chunks_exact_mut(channels).zip(dy.chunks_exact(channels));
                rows.for_each(|(dx, dy)| add_products(dx, dy, gate));
            },
        );
        dgate.par_chunks_mut(channels).zip(dy.par_chunks(image)).zip(x_values.par_chunks(image)).for_each(
            |((dgate, dy), x)| {
                let rows = dy.chunks_exact(channels).zip(x.chunks_exact(channels));
                rows.for_each(|(dy, x)| add_products(dgate, dy, x));
            },
        );
    });
    Ok(y)
}
