//! The flow between two layers on the processor; every image is a share of its own.

use rayon::prelude::*;

use crate::error::Result;
use crate::tensor::backend::length;
use crate::tensor::recording::{expect_length, loss, values};
use crate::tensor::{Cpu, Flat, Tape};

pub(crate) fn flow<T: Tape<f32, Cpu>>(
    student: [&Flat<Cpu>; 2],
    teacher: [&Flat<Cpu>; 2],
    batch: usize,
    channels: [usize; 2],
    tape: &mut T,
) -> Result<Flat<Cpu>> {
    for (what, layers) in [("the student's feature", student), ("the teacher's feature", teacher)] {
        let positions = length(layers[0]) / (batch * channels[0]).max(1);
        expect_length(what, layers[0], &[batch, positions, channels[0]])?;
        expect_length(what, layers[1], &[batch, positions, channels[1]])?;
    }
    let ([a, b], [teacher_a, teacher_b]) = (student.map(values), teacher.map(values));
    let (mut da, mut db) = (vec![0.0; a.len()], vec![0.0; b.len()]);
    let image = |feature: &[f32]| feature.len() / batch;
    let count = (batch * channels[0] * channels[1]) as f64;
    let students = a.par_chunks(image(&a)).zip(b.par_chunks(image(&b)));
    let teachers = teacher_a.par_chunks(image(&teacher_a)).zip(teacher_b.par_chunks(image(&teacher_b)));
    let gradients = da.par_chunks_mut(image(&a)).zip(db.par_chunks_mut(image(&b)));
    let sums: Vec<f64> = students
        .zip(teachers)
        .zip(gradients)
        .map(|(((a, b), (teacher_a, teacher_b)), (da, db))| {
            let mut difference = matrix(a, b, channels);
            difference.iter_mut().zip(matrix(teacher_a, teacher_b, channels)).for_each(|(own, other)| *own -= other);
            let sum = difference.iter().map(|d| d * d).sum();
            let step = 2.0 / (count * (a.len() / channels[0]) as f64);
            pass_back(&difference, step, [a, b], [da, db], channels);
            sum
        })
        .collect();
    loss(student, sums.iter().sum::<f64>() / count, [da, db], tape)
}

/// The matrix G of one image.
fn matrix(a: &[f32], b: &[f32], channels: [usize; 2]) -> Vec<f64> {
    let positions = (a.len() / channels[0]) as f64;
    let mut matrix = vec![0.0; channels[0] * channels[1]];
    for (a, b) in a.chunks_exact(channels[0]).zip(b.chunks_exact(channels[1])) {
        for (line, a) in matrix.chunks_exact_mut(channels[1]).zip(a) {
            line.iter_mut().zip(b).for_each(|(sum, b)| *sum += f64::from(*a) * f64::from(*b));
        }
    }
    matrix.iter_mut().for_each(|sum| *sum /= positions);
    matrix
}

/// The gradients of one image, where G has the gradient `step · difference · P`.
fn pass_back(difference: &[f64], step: f64, [a, b]: [&[f32]; 2], [da, db]: [&mut [f32]; 2], channels: [usize; 2]) {
    let rows = a.chunks_exact(channels[0]).zip(b.chunks_exact(channels[1]));
    let gradients = da.chunks_exact_mut(channels[0]).zip(db.chunks_exact_mut(channels[1]));
    let mut column = vec![0.0; channels[1]];
    for ((a, b), (da, db)) in rows.zip(gradients) {
        column.fill(0.0);
        for ((line, a), da) in difference.chunks_exact(channels[1]).zip(a).zip(da) {
            *da = (step * line.iter().zip(b).map(|(d, b)| d * f64::from(*b)).sum::<f64>()) as f32;
            column.iter_mut().zip(line).for_each(|(sum, d)| *sum += d * f64::from(*a));
        }
        db.iter_mut().zip(&column).for_each(|(db, sum)| *db = (step * sum) as f32);
    }
}
