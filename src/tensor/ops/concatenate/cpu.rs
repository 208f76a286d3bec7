//! Concatenation on the processor.

use rayon::prelude::*;

use crate::error::{Error, Kind, Result};
use crate::tensor::backend::length;
use crate::tensor::partition::{add, rows_per_share};
use crate::tensor::recording::{expect_length, record_all, tensor, values};
use crate::tensor::{Cpu, Flat, Tape};

pub(crate) fn concatenate<T: Tape<f32, Cpu>>(
    inputs: &[&Flat<Cpu>],
    channels: &[usize],
    tape: &mut T,
) -> Result<Flat<Cpu>> {
    let (Some(first), true) = (inputs.first(), inputs.len() == channels.len()) else {
        let message = format!("{} inputs to concatenate, and channels of {}", inputs.len(), channels.len());
        return Err(Error::new(Kind::Internal, message));
    };
    let rows = length(first) / channels[0].max(1);
    for (input, channels) in inputs.iter().zip(channels) {
        expect_length("an input to concatenate", input, &[rows, *channels])?;
    }
    let all: usize = channels.iter().sum();
    let mut y = vec![0.0; rows * all];
    let share = rows_per_share(all);
    for ((input, channels), start) in inputs.iter().zip(channels).zip(starts(channels)) {
        y.par_chunks_mut(share * all).zip(values(input).par_chunks(share * channels)).for_each(|(y, x)| {
            for (y, x) in y.chunks_exact_mut(all).zip(x.chunks_exact(*channels)) {
                y[start..][..*channels].copy_from_slice(x);
            }
        });
    }
    let y = tensor(&first.device().clone(), y)?;
    let channels = channels.to_vec();
    let recorded: Vec<_> = inputs.iter().map(|input| Some(*input)).collect();
    record_all(tape, &recorded, &y, move |dy, mut gradients| {
        for ((dx, channels), start) in gradients.iter_mut().zip(&channels).zip(starts(&channels)) {
            dx.par_chunks_mut(share * channels).zip(dy.par_chunks(share * all)).for_each(|(dx, dy)| {
                let rows = dx.chunks_exact_mut(*channels).zip(dy.chunks_exact(all));
                rows.for_each(|(dx, dy)| add(dx, &dy[start..]));
            });
        }
        gradients
    });
    Ok(y)
}

/// Where the channels of each input start in the output.
pub(crate) fn starts(channels: &[usize]) -> impl Iterator<Item = usize> {
    channels.iter().scan(0, |start, channels| {
        *start += channels;
        Some(*start - channels)
    })
}
