//! Pooling on the processor; every image is a share of its own.

use rayon::prelude::*;

use crate::error::{Error, Kind, Result};
use crate::tensor::backend::length;
use crate::tensor::geometry::Pool;
use crate::tensor::partition::add;
use crate::tensor::recording::{expect_length, record, tensor, values};
use crate::tensor::{Cpu, Flat, Tape};

/// Checks the sizes and returns height and width of the output.
fn output_size(x: &Flat<Cpu>, geometry: &Pool) -> Result<[usize; 2]> {
    let Pool { batch, input: [height, width], channels, window } = *geometry;
    expect_length("a pooling's input", x, &[batch, height, width, channels])?;
    let half = (0..2).all(|axis| window.padding[axis] <= window.kernel[axis] / 2);
    window
        .positions(geometry.input)
        .filter(|_| half && window.dilation == [1, 1])
        .ok_or_else(|| Error::new(Kind::Internal, format!("a pooling's window does not fit its input: {geometry:?}")))
}

/// Calls `visit(output position, input position)` for every pair of an output and an input under its window, in reading
/// order; a position is an index into height x width.
pub(crate) fn each_pair(geometry: &Pool, [out_height, out_width]: [usize; 2], mut visit: impl FnMut(usize, usize)) {
    let [height, width] = geometry.input;
    for line in 0..out_height {
        let (y, vertical) = geometry.window.covered(0, line, height);
        for position in 0..out_width {
            let (x, horizontal) = geometry.window.covered(1, position, width);
            for down in 0..vertical.len() {
                for right in 0..horizontal.len() {
                    visit(line * out_width + position, (y + down) * width + x + right);
                }
            }
        }
    }
}

pub(crate) fn max_pool<T: Tape<f32, Cpu>>(x: &Flat<Cpu>, geometry: &Pool, tape: &mut T) -> Result<Flat<Cpu>> {
    let (geometry, output) = (*geometry, output_size(x, geometry)?);
    let channels = geometry.channels;
    let (in_image, out_image) = (geometry.input[0] * geometry.input[1] * channels, output[0] * output[1] * channels);
    let x_values = values(x);
    let mut y = vec![f32::NEG_INFINITY; geometry.batch * out_image];
    // For every output, the position its value came from.
    let mut winners = vec![u32::MAX; y.len()];
    y.par_chunks_mut(out_image).zip(winners.par_chunks_mut(out_image)).zip(x_values.par_chunks(in_image)).for_each(
        |((y, winners), x)| {
            each_pair(&geometry, output, |to, from| {
                let y = &mut y[to * channels..][..channels];
                let winners = &mut winners[to * channels..][..channels];
                for ((y, winner), x) in y.iter_mut().zip(winners).zip(&x[from * channels..]) {
                    if *x > *y || x.is_nan() || *winner == u32::MAX {
                        *y = *x;
                        *winner = from as u32;
                    }
                }
            });
        },
    );
    drop(x_values);
    let y = tensor(&x.device().clone(), y)?;
    record(tape, [Some(x)], &y, move |dy, [dx]| {
        dx.par_chunks_mut(in_image).zip(dy.par_chunks(out_image)).zip(winners.par_chunks(out_image)).for_each(
            |((dx, dy), winners)| {
                for (index, (dy, winner)) in dy.iter().zip(winners).enumerate() {
                    dx[*winner as usize * channels + index % channels] += dy;
                }
            },
        );
    });
    Ok(y)
}

pub(crate) fn average_pool<T: Tape<f32, Cpu>>(x: &Flat<Cpu>, geometry: &Pool, tape: &mut T) -> Result<Flat<Cpu>> {
    let (geometry, output) = (*geometry, output_size(x, geometry)?);
    let channels = geometry.channels;
    let (in_image, out_image) = (geometry.input[0] * geometry.input[1] * channels, output[0] * output[1] * channels);
    let share = 1.0 / (geometry.window.kernel[0] * geometry.window.kernel[1]) as f32;
    let mut y = vec![0.0; geometry.batch * out_image];
    y.par_chunks_mut(out_image).zip(values(x).par_chunks(in_image)).for_each(|(y, x)| {
        each_pair(&geometry, output, |to, from| add(&mut y[to * channels..][..channels], &x[from * channels..]));
        y.iter_mut().for_each(|y| *y *= share);
    });
    let y = tensor(&x.device().clone(), y)?;
    record(tape, [Some(x)], &y, move |mut dy, [dx]| {
        dx.par_chunks_mut(in_image).zip(dy.par_chunks_mut(out_image)).for_each(|(dx, dy)| {
            dy.iter_mut().for_each(|dy| *dy *= share);
            each_pair(&geometry, output, |from, to| add(&mut dx[to * channels..][..channels], &dy[from * channels..]));
        });
    });
    Ok(y)
}

pub(crate) fn global_average_pool<T: Tape<f32, Cpu>>(
    x: &Flat<Cpu>,
    batch: usize,
    channels: usize,
    tape: &mut T,
) -> Result<Flat<Cpu>> {
    let positions = length(x) / (batch * channels).max(1);
    expect_length("a global pooling's input", x, &[batch, positions, channels])?;
    let (image, share) = (positions * channels, 1.0 / positions as f32);
    let mut y = vec![0.0; batch * channels];
    y.par_chunks_mut(channels).zip(values(x).par_chunks(image)).for_each(|(y, x)| {
        x.chunks_exact(channels).for_each(|row| add(y, row));
        y.iter_mut().for_each(|y| *y *= share);
    });
    let y = tensor(&x.device().clone(), y)?;
    record(tape, [Some(x)], &y, move |mut dy, [dx]| {
        dx.par_chunks_mut(image).zip(dy.par_chunks_mut(channels)).for_each(|(dx, dy)| {
            dy.iter_mut().for_each(|dy| *dy *= share);
            dx.chunks_exact_mut(channels).for_each(|row| add(row, dy));
        });
    });
    Ok(y)
}
