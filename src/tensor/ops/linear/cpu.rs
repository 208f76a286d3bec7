//! The fully connected layer on the processor.

use rayon::prelude::*;

use crate::error::Result;
use crate::tensor::backend::length;
use crate::tensor::matrix::{Matrix, multiply};
use crate::tensor::partition::add_in_order;
use crate::tensor::recording::{expect_length, record, tensor, values};
use crate::tensor::{Cpu, Flat, Tape};

/// Rows of the batch, or of the weights' gradient, that make a share.
const ROWS: usize = 32;

pub(crate) fn linear<T: Tape<f32, Cpu>>(
    x: &Flat<Cpu>,
    weight: &Flat<Cpu>,
    bias: Option<&Flat<Cpu>>,
    batch: usize,
    input_gradient: bool,
    tape: &mut T,
) -> Result<Flat<Cpu>> {
    let inputs = length(x) / batch.max(1);
    let outputs = length(weight) / inputs.max(1);
    expect_length("a linear layer's input", x, &[batch, inputs])?;
    expect_length("a linear layer's weight", weight, &[outputs, inputs])?;
    if let Some(bias) = bias {
        expect_length("a linear layer's bias", bias, &[outputs])?;
    }
    let (x_values, weights) = (values(x), values(weight));
    let mut y = vec![0.0; batch * outputs];
    let biases = bias.map(values);
    // Turned round so that the product sums over inputs one after the other. With the weights as they are it sums them
    // in lanes, and then an input that is always zero changes the order of the others: removing a silent unit would
    // change the last bits of every logit. (Above some thousand inputs the product is cut into blocks, and it does.)
    let turned = transposed(&weights, outputs, inputs);
    y.par_chunks_mut(ROWS * outputs).zip(x_values.par_chunks(ROWS * inputs)).for_each(|(y, x)| {
        if let Some(biases) = &biases {
            y.chunks_exact_mut(outputs).for_each(|row| row.copy_from_slice(biases));
        }
        let x = Matrix::new(x, x.len() / inputs, inputs);
        multiply(x, Matrix::new(&turned, inputs, outputs), y, biases.is_some());
    });
    let y = tensor(&x.device().clone(), y)?;
    record(tape, [input_gradient.then_some(x), Some(weight), bias], &y, move |dy, [dx, dweight, dbias]| {
        dweight.par_chunks_mut(ROWS * inputs).enumerate().for_each(|(share, dweight)| {
            let dy = Matrix::new(&dy, batch, outputs).columns(share * ROWS, dweight.len() / inputs);
            multiply(dy.transposed(), Matrix::new(&x_values, batch, inputs), dweight, true);
        });
        dx.par_chunks_mut(ROWS * inputs).zip(dy.par_chunks(ROWS * outputs)).for_each(|(dx, dy)| {
            let dy = Matrix::new(dy, dy.len() / outputs, outputs);
            multiply(dy, Matrix::new(&weights, outputs, inputs), dx, true);
        });
        add_in_order(dbias, dy.chunks_exact(dbias.len().max(1)).take(if dbias.is_empty() { 0 } else { batch }));
    });
    Ok(y)
}

/// A copy of a matrix (rows, columns), row after row, with rows and columns exchanged.
fn transposed(matrix: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let mut turned = vec![0.0; matrix.len()];
    turned.par_chunks_mut(rows.max(1)).enumerate().for_each(|(column, turned)| {
        for (row, value) in turned.iter_mut().enumerate() {
            *value = matrix[row * columns + column];
        }
    });
    turned
}
