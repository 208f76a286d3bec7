//! Flattening on the processor; every image is a share of its own.

use rayon::prelude::*;

use crate::error::Result;
use crate::tensor::backend::length;
use crate::tensor::recording::{expect_length, record, tensor, values};
use crate::tensor::{Cpu, Flat, Tape};

pub(crate) fn flatten<T: Tape<f32, Cpu>>(
    x: &Flat<Cpu>,
    batch: usize,
    channels: usize,
    tape: &mut T,
) -> Result<Flat<Cpu>> {
    let positions = length(x) / (batch * channels).max(1);
    expect_length("the input to flatten", x, &[batch, positions, channels])?;
    let image = positions * channels;
    let mut y = vec![0.0; batch * image];
    y.par_chunks_mut(image).zip(values(x).par_chunks(image)).for_each(|(y, x)| {
        for (channel, y) in y.chunks_exact_mut(positions).enumerate() {
            y.iter_mut().zip(x.iter().skip(channel).step_by(channels)).for_each(|(y, x)| *y = *x);
        }
    });
    let y = tensor(&x.device().clone(), y)?;
    record(tape, [Some(x)], &y, move |dy, [dx]| {
        dx.par_chunks_mut(image).zip(dy.par_chunks(image)).for_each(|(dx, dy)| {
            for (channel, dy) in dy.chunks_exact(positions).enumerate() {
                dx.iter_mut().skip(channel).step_by(channels).zip(dy).for_each(|(dx, dy)| *dx += dy);
            }
        });
    });
    Ok(y)
}
