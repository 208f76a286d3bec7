//! The shortcut without parameters on the processor; every image is a share of its own.

use rayon::prelude::*;

use crate::error::{Error, Kind, Result};
use crate::tensor::geometry::ChannelPadding;
use crate::tensor::partition::add;
use crate::tensor::recording::{expect_length, record, tensor, values};
use crate::tensor::{Cpu, Flat, Tape};

pub(crate) fn pad_shortcut<T: Tape<f32, Cpu>>(
    x: &Flat<Cpu>,
    geometry: &ChannelPadding,
    tape: &mut T,
) -> Result<Flat<Cpu>> {
    let geometry = *geometry;
    let ChannelPadding { batch, input: [height, width], in_channels, out_channels, before, stride } = geometry;
    expect_length("a shortcut's input", x, &[batch, height, width, in_channels])?;
    if stride == 0 || before.checked_add(in_channels).is_none_or(|last| last > out_channels) {
        return Err(Error::new(Kind::Internal, format!("a shortcut that cannot be: {geometry:?}")));
    }
    let [out_height, out_width] = geometry.output();
    let (in_image, out_image) = (height * width * in_channels, out_height * out_width * out_channels);
    let mut y = vec![0.0; batch * out_image];
    y.par_chunks_mut(out_image).zip(values(x).par_chunks(in_image)).for_each(|(y, x)| {
        each_pixel(&geometry, |from, to| y[to..][..in_channels].copy_from_slice(&x[from..][..in_channels]));
    });
    let y = tensor(&x.device().clone(), y)?;
    record(tape, [Some(x)], &y, move |dy, [dx]| {
        dx.par_chunks_mut(in_image).zip(dy.par_chunks(out_image)).for_each(|(dx, dy)| {
            each_pixel(&geometry, |to, from| add(&mut dx[to..][..in_channels], &dy[from..]));
        });
    });
    Ok(y)
}

/// Calls `visit` with where each pixel's channels start in the input image and in the output image.
pub(crate) fn each_pixel(geometry: &ChannelPadding, mut visit: impl FnMut(usize, usize)) {
    let [out_height, out_width] = geometry.output();
    for line in 0..out_height {
        for column in 0..out_width {
            let from = (line * geometry.input[1] + column) * geometry.stride * geometry.in_channels;
            visit(from, (line * out_width + column) * geometry.out_channels + geometry.before);
        }
    }
}
