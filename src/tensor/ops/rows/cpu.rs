//! Sums over rows, on the processor.

use crate::error::Result;
use crate::tensor::backend::length;
use crate::tensor::recording::{expect_length, record, tensor, values};
use crate::tensor::{Cpu, Flat, Tape};

pub(crate) fn row_norm_sum<T: Tape<f32, Cpu>>(
    x: &Flat<Cpu>,
    rows: usize,
    scale: f32,
    tape: &mut T,
) -> Result<Flat<Cpu>> {
    let columns = columns(x, rows)?;
    let x_values = values(x);
    let norms: Vec<f64> = x_values.chunks(columns).map(norm).collect();
    let sum: f64 = norms.iter().sum();
    let loss = tensor(&x.device().clone(), vec![(sum * f64::from(scale)) as f32])?;
    record(tape, [Some(x)], &loss, move |dloss, [dx]| {
        let step = f64::from(dloss[0]) * f64::from(scale);
        for ((dx, x), norm) in dx.chunks_mut(columns).zip(x_values.chunks(columns)).zip(norms) {
            if norm > 0.0 {
                add_scaled(dx, x, (step / norm) as f32);
            }
        }
    });
    Ok(loss)
}

pub(crate) fn row_square_sum<T: Tape<f32, Cpu>>(x: &Flat<Cpu>, strengths: &[f32], tape: &mut T) -> Result<Flat<Cpu>> {
    let columns = columns(x, strengths.len())?;
    let (x_values, strengths) = (values(x), strengths.to_vec());
    let squares = x_values.chunks(columns).map(square_sum);
    let sum: f64 = squares.zip(&strengths).map(|(square, strength)| 0.5 * f64::from(*strength) * square).sum();
    let loss = tensor(&x.device().clone(), vec![sum as f32])?;
    record(tape, [Some(x)], &loss, move |dloss, [dx]| {
        for ((dx, x), strength) in dx.chunks_mut(columns).zip(x_values.chunks(columns)).zip(strengths) {
            add_scaled(dx, x, dloss[0] * strength);
        }
    });
    Ok(loss)
}

pub(crate) fn shrink_rows(x: &mut Flat<Cpu>, rows: usize, threshold: f32) -> Result<()> {
    let columns = columns(x, rows)?;
    let mut x_values = values(x);
    for row in x_values.chunks_mut(columns) {
        let norm = norm(row);
        if norm <= f64::from(threshold) {
            // Not multiplied: zeros, whatever the signs.
            row.fill(0.0);
        } else {
            let factor = (1.0 - f64::from(threshold) / norm) as f32;
            row.iter_mut().for_each(|value| *value *= factor);
        }
    }
    x.copy_from(&x_values);
    Ok(())
}

fn columns(x: &Flat<Cpu>, rows: usize) -> Result<usize> {
    let columns = length(x) / rows.max(1);
    expect_length("a tensor that is summed by rows", x, &[rows, columns])?;
    Ok(columns)
}

fn square_sum(row: &[f32]) -> f64 {
    row.iter().map(|value| f64::from(*value) * f64::from(*value)).sum()
}

fn norm(row: &[f32]) -> f64 {
    square_sum(row).sqrt()
}

fn add_scaled(total: &mut [f32], values: &[f32], factor: f32) {
    for (total, value) in total.iter_mut().zip(values) {
        *total += factor * value;
    }
}
