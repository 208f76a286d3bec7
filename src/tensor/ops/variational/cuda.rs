//! Variational information distillation on CUDA.

use dfdx::tensor::Cuda;

use super::EPSILON;
use crate::error::Result;
use crate::tensor::backend::length;
use crate::tensor::cuda::launch::{THREADS, blocks, launch};
use crate::tensor::cuda::recording::{device, expect_length, pointer, record, zeros};
use crate::tensor::cuda::sums::{Doubles, add_scaled};
use crate::tensor::{Flat, Tape};

/// How many channels a block takes side by side; the same number is in `cuda.cu`.
const COLUMNS: usize = 32;
/// The rows that a block sums over, at least.
const SHARE: usize = 256;
/// Into at most how many parts the rows are cut.
const PARTS: usize = 256;

pub(crate) fn variational<T: Tape<f32, Cuda>>(
    mean: &Flat<Cuda>,
    scale: &Flat<Cuda>,
    teacher: &Flat<Cuda>,
    tape: &mut T,
) -> Result<Flat<Cuda>> {
    let (channels, count) = (length(scale), length(mean));
    let rows = count / channels.max(1);
    expect_length("a predicted mean", mean, &[rows, channels])?;
    expect_length("the teacher's feature", teacher, &[count])?;
    let (device, parts) = (device(mean), rows.div_ceil(SHARE).min(PARTS));
    let squares = Doubles::new(&device, parts * channels)?;
    let (m, t, to) = (pointer(mean)?, pointer(teacher)?, squares.pointer()?);
    let (grid, share) = ([channels.div_ceil(COLUMNS) as u32, parts as u32], rows.div_ceil(parts) as i64);
    launch!("variational_squares", grid, THREADS, m, t, rows as i64, channels as i64, share, to)?;
    let (losses, variances) = (Doubles::new(&device, channels)?, Doubles::new(&device, channels)?);
    let scale_gradient = zeros(&device, channels)?;
    let (s, to_losses, to_variances, to_gradient) =
        (pointer(scale)?, losses.pointer()?, variances.pointer()?, pointer(&scale_gradient)?);
    launch!(
        "variational_channels",
        blocks(channels),
        THREADS,
        s,
        to,
        parts as i64,
        rows as i64,
        channels as i64,
        EPSILON,
        to_losses,
        to_variances,
        to_gradient
    )?;
    let loss = losses.sum(1.0 / count as f64)?;
    let (m, t) = (mean.clone(), teacher.clone());
    record(tape, [Some(mean), Some(scale)], &loss, move |dloss, [dmean, dscale]| {
        let (m, t, variances) = (pointer(&m)?, pointer(&t)?, variances.pointer()?);
        let (of, channels) = (count as i64, channels as i64);
        launch!("variational_backward", blocks(count), THREADS, m, t, variances, of, channels, dloss, dmean)?;
        add_scaled(dscale, dloss, &scale_gradient)
    });
    Ok(loss)
}
