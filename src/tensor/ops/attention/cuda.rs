//! Attention transfer on CUDA.

use dfdx::tensor::Cuda;

use crate::error::Result;
use crate::tensor::backend::length;
use crate::tensor::cuda::launch::{THREADS, blocks, launch};
use crate::tensor::cuda::recording::{device, expect_length, pointer, record};
use crate::tensor::cuda::sums::{Doubles, row_blocks};
use crate::tensor::{Flat, Tape};

/// How many threads sum over the channels of a position; the same number is in `cuda.cu`.
const LANES: usize = 32;

pub(crate) fn attention<T: Tape<f32, Cuda>>(
    student: &Flat<Cuda>,
    teacher: &Flat<Cuda>,
    batch: usize,
    positions: usize,
    tape: &mut T,
) -> Result<Flat<Cuda>> {
    let channels = |feature: &Flat<Cuda>| length(feature) / (batch * positions).max(1);
    let (own, others) = (channels(student), channels(teacher));
    expect_length("the student's feature", student, &[batch, positions, own])?;
    expect_length("the teacher's feature", teacher, &[batch, positions, others])?;
    let (device, all) = (device(student), batch * positions);
    let map = |feature: &Flat<Cuda>, channels: usize| -> Result<Doubles> {
        let map = Doubles::new(&device, all)?;
        let (x, to) = (pointer(feature)?, map.pointer()?);
        launch!("attention_map", blocks(all * LANES), THREADS, x, all as i64, channels as i64, to)?;
        Ok(map)
    };
    let (map, target, losses) = (map(student, own)?, map(teacher, others)?, Doubles::new(&device, batch)?);
    let (steps, to) = (map.pointer()?, losses.pointer()?);
    let blocks_of_images = row_blocks(batch);
    launch!("attention", blocks_of_images, THREADS, steps, target.pointer()?, batch as i64, positions as i64, to)?;
    let loss = losses.sum(1.0 / all as f64)?;
    let feature = student.clone();
    record(tape, [Some(student)], &loss, move |dloss, [dx]| {
        let (count, x, steps) = (length(&feature), pointer(&feature)?, map.pointer()?);
        launch!("attention_backward", blocks(count), THREADS, x, steps, count as i64, own as i64, dloss, dx)
    });
    Ok(loss)
}
