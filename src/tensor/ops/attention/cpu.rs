//! Attention transfer on the processor; every image is a share of its own.

use rayon::prelude::*;

use crate::error::Result;
use crate::tensor::backend::length;
use crate::tensor::recording::{expect_length, loss, values};
use crate::tensor::{Cpu, Flat, Tape};

pub(crate) fn attention<T: Tape<f32, Cpu>>(
    student: &Flat<Cpu>,
    teacher: &Flat<Cpu>,
    batch: usize,
    positions: usize,
    tape: &mut T,
) -> Result<Flat<Cpu>> {
    let channels = |feature: &Flat<Cpu>| length(feature) / (batch * positions).max(1);
    let (own, others) = (channels(student), channels(teacher));
    expect_length("the student's feature", student, &[batch, positions, own])?;
    expect_length("the teacher's feature", teacher, &[batch, positions, others])?;
    let (features, teachers) = (values(student), values(teacher));
    let mut gradient = vec![0.0; features.len()];
    let count = (batch * positions) as f64;
    let images = gradient.par_chunks_mut(positions * own).zip(features.par_chunks(positions * own));
    let sums: Vec<f64> = images
        .zip(teachers.par_chunks(positions * others))
        .map(|((gradient, student), teacher)| {
            let ((map, norm), (target, _)) = (normalised(student, own), normalised(teacher, others));
            let differences = || map.iter().zip(&target).map(|(a, t)| a - t);
            let along: f64 = map.iter().zip(differences()).map(|(a, difference)| a * difference).sum();
            let rows = gradient.chunks_exact_mut(own).zip(student.chunks_exact(own));
            for (((gradient, feature), a), difference) in rows.zip(&map).zip(differences()) {
                let step = if norm > 0.0 { 2.0 * (difference - a * along) / (norm * count) } else { 0.0 };
                for (gradient, value) in gradient.iter_mut().zip(feature) {
                    *gradient = (2.0 * f64::from(*value) * step / own as f64) as f32;
                }
            }
            differences().map(|difference| difference * difference).sum()
        })
        .collect();
    loss([student], sums.iter().sum::<f64>() / count, [gradient], tape)
}

/// The attention of one image, and the norm it was divided by.
fn normalised(feature: &[f32], channels: usize) -> (Vec<f64>, f64) {
    let energy = |row: &[f32]| row.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>() / channels as f64;
    let mut map: Vec<f64> = feature.chunks_exact(channels).map(energy).collect();
    let norm = map.iter().map(|a| a * a).sum::<f64>().sqrt();
    if norm > 0.0 {
        map.iter_mut().for_each(|a| *a /= norm);
    }
    (map, norm)
}
