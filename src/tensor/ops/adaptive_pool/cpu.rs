//! Adaptive pooling on the processor; every image is a share of its own.

use std::ops::Range;

use rayon::prelude::*;

use crate::error::{Error, Kind, Result};
use crate::tensor::geometry::AdaptivePool;
use crate::tensor::partition::{add, add_scaled};
use crate::tensor::recording::{expect_length, record, tensor, values};
use crate::tensor::{Cpu, Flat, Tape};

pub(crate) fn adaptive_average_pool<T: Tape<f32, Cpu>>(
    x: &Flat<Cpu>,
    geometry: &AdaptivePool,
    tape: &mut T,
) -> Result<Flat<Cpu>> {
    let geometry = *geometry;
    let AdaptivePool { batch, input: [height, width], output: [out_height, out_width], channels } = geometry;
    expect_length("an adaptive pooling's input", x, &[batch, height, width, channels])?;
    if out_height == 0 || out_width == 0 {
        return Err(Error::new(Kind::Internal, format!("an adaptive pooling to nothing: {geometry:?}")));
    }
    let (in_image, out_image) = (height * width * channels, out_height * out_width * channels);
    let mut y = vec![0.0; batch * out_image];
    y.par_chunks_mut(out_image).zip(values(x).par_chunks(in_image)).for_each(|(y, x)| {
        each_window(&geometry, |to, pixels, share| {
            let y = &mut y[to * channels..][..channels];
            pixels.for_each(|from| add(y, &x[from * channels..]));
            y.iter_mut().for_each(|y| *y *= share);
        });
    });
    let y = tensor(&x.device().clone(), y)?;
    record(tape, [Some(x)], &y, move |dy, [dx]| {
        dx.par_chunks_mut(in_image).zip(dy.par_chunks(out_image)).for_each(|(dx, dy)| {
            each_window(&geometry, |from, pixels, share| {
                let dy = &dy[from * channels..][..channels];
                pixels.for_each(|to| add_scaled(&mut dx[to * channels..][..channels], share, dy));
            });
        });
    });
    Ok(y)
}

/// Calls `visit(output position, input positions under its window, 1 / how many)` for every output, in reading order; a
/// position is an index into height x width.
pub(crate) fn each_window(geometry: &AdaptivePool, mut visit: impl FnMut(usize, &mut dyn Iterator<Item = usize>, f32)) {
    let AdaptivePool { input: [height, width], output: [out_height, out_width], .. } = *geometry;
    for line in 0..out_height {
        let rows = covered(line, height, out_height);
        for position in 0..out_width {
            let columns = covered(position, width, out_width);
            let share = 1.0 / (rows.len() * columns.len()) as f32;
            let mut pixels = rows.clone().flat_map(|row| columns.clone().map(move |column| row * width + column));
            visit(line * out_width + position, &mut pixels, share);
        }
    }
}

/// The inputs, of `n`, that output `index` of `outputs` is the mean of.
fn covered(index: usize, n: usize, outputs: usize) -> Range<usize> {
    index * n / outputs..((index + 1) * n).div_ceil(outputs)
}
