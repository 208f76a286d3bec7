//! The flow between two layers on CUDA.

use dfdx::tensor::Cuda;

use crate::error::Result;
use crate::tensor::backend::length;
use crate::tensor::cuda::launch::{THREADS, launch};
use crate::tensor::cuda::recording::{device, expect_length, pointer, record};
use crate::tensor::cuda::sums::{Doubles, TILE, parts};
use crate::tensor::{Flat, Tape};

/// At most how many images at once.
const IMAGES: usize = 65535;

pub(crate) fn flow<T: Tape<f32, Cuda>>(
    student: [&Flat<Cuda>; 2],
    teacher: [&Flat<Cuda>; 2],
    batch: usize,
    channels: [usize; 2],
    tape: &mut T,
) -> Result<Flat<Cuda>> {
    let positions = |layers: [&Flat<Cuda>; 2]| length(layers[0]) / (batch * channels[0]).max(1);
    for (what, layers) in [("the student's feature", student), ("the teacher's feature", teacher)] {
        expect_length(what, layers[0], &[batch, positions(layers), channels[0]])?;
        expect_length(what, layers[1], &[batch, positions(layers), channels[1]])?;
    }
    let (device, entries) = (device(student[0]), batch * channels[0] * channels[1]);
    let [m, n] = channels.map(|channels| channels as i64);
    let grid = move |rows: usize, columns: usize| {
        [columns.div_ceil(TILE) as u32, rows.div_ceil(TILE) as u32, batch.min(IMAGES) as u32]
    };
    let difference = Doubles::new(&device, entries)?;
    for (layers, sign) in [(student, 1.0), (teacher, -1.0)] {
        let (a, b, to) = (pointer(layers[0])?, pointer(layers[1])?, difference.pointer()?);
        let (grid, positions) = (grid(channels[0], channels[1]), positions(layers) as i64);
        launch!("flow_matrix", grid, THREADS, a, b, batch as i64, positions, m, n, sign, to)?;
    }
    let sums = Doubles::new(&device, parts(entries) as usize)?;
    let (from, to) = (difference.pointer()?, sums.pointer()?);
    launch!("flow_squares", parts(entries), THREADS, from, entries as i64, to)?;
    let loss = sums.sum(1.0 / entries as f64)?;
    let (positions, [a, b]) = (positions(student), student.map(Clone::clone));
    record(tape, student.map(Some), &loss, move |dloss, [da, db]| {
        let (a, b, d) = (pointer(&a)?, pointer(&b)?, difference.pointer()?);
        let (images, p, step) = (batch as i64, positions as i64, 2.0 / (entries * positions) as f64);
        let (of_a, of_b) = (grid(positions, channels[0]), grid(positions, channels[1]));
        launch!("flow_backward", of_a, THREADS, b, d, n, 1_i64, images, p, m, n, step, dloss, da)?;
        launch!("flow_backward", of_b, THREADS, a, d, 1_i64, n, images, p, n, m, step, dloss, db)
    });
    Ok(loss)
}
