//! The products of every two rows, on the processor.

use rayon::prelude::*;

/// Sums kept apart, so that the processor adds several at once.
const LANES: usize = 8;

/// `G_ij = x_i · x_j` of the rows of `x` (rows, anything), as (rows, rows); exactly symmetric.
pub(crate) fn gram(x: &[f32], rows: usize) -> Vec<f64> {
    let size = x.len() / rows.max(1);
    let row = |index: usize| &x[index * size..][..size];
    let mut gram = vec![0.0; rows * rows];
    gram.par_chunks_mut(rows.max(1)).enumerate().for_each(|(i, line)| {
        for (j, value) in line.iter_mut().enumerate() {
            *value = product(row(i), row(j));
        }
    });
    gram
}

/// The gradient of `x` where `dgram` is that of its [`gram`]: `(dG + dGᵀ) x`.
pub(crate) fn gradient(x: &[f32], dgram: &[f64], rows: usize) -> Vec<f32> {
    let size = x.len() / rows.max(1);
    let mut gradient = vec![0.0; x.len()];
    gradient.par_chunks_mut(size.max(1)).enumerate().for_each(|(i, gradient)| {
        let mut sum = vec![0.0; size];
        for (j, other) in x.chunks_exact(size.max(1)).enumerate() {
            let factor = dgram[i * rows + j] + dgram[j * rows + i];
            sum.iter_mut().zip(other).for_each(|(sum, x)| *sum += factor * f64::from(*x));
        }
        gradient.iter_mut().zip(sum).for_each(|(gradient, sum)| *gradient = sum as f32);
    });
    gradient
}

fn product(a: &[f32], b: &[f32]) -> f64 {
    let mut lanes = [0.0; LANES];
    for (a, b) in a.chunks(LANES).zip(b.chunks(LANES)) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += f64::from(*a) * f64::from(*b);
        }
    }
    lanes.iter().sum()
}
