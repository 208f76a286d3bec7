//! The product on the processor.

use rayon::prelude::*;

use crate::error::Result;
use crate::tensor::backend::length;
use crate::tensor::partition::{ELEMENTS, add_products};
use crate::tensor::recording::{expect_length, record, tensor, values};
use crate::tensor::{Cpu, Flat, Tape};

pub(crate) fn product<T: Tape<f32, Cpu>>(a: &Flat<Cpu>, b: &Flat<Cpu>, tape: &mut T) -> Result<Flat<Cpu>> {
    expect_length("the second factor of a product", b, &[length(a)])?;
    let (a_values, b_values) = (values(a), values(b));
    let mut y = vec![0.0; a_values.len()];
    y.par_chunks_mut(ELEMENTS).zip(a_values.par_chunks(ELEMENTS)).zip(b_values.par_chunks(ELEMENTS)).for_each(
        |((y, a), b)| {
            for ((y, a), b) in y.iter_mut().zip(a).zip(b) {
                *y = a * b;
            }
        },
    );
    let y = tensor(&a.device().clone(), y)?;
    record(tape, [Some(a), Some(b)], &y, move |dy, [da, db]| {
        for (gradient, other) in [(da, &b_values), (db, &a_values)] {
            gradient
                .par_chunks_mut(ELEMENTS)
                .zip(dy.par_chunks(ELEMENTS))
                .zip(other.par_chunks(ELEMENTS))
                .for_each(|((gradient, dy), other)| add_products(gradient, dy, other));
        }
    });
    Ok(y)
}
