//! Scaling on the processor.

use rayon::prelude::*;

use crate::error::Result;
use crate::tensor::backend::length;
use crate::tensor::partition::{ELEMENTS, add, rows_per_share};
use crate::tensor::recording::{expect_length, record, tensor, values};
use crate::tensor::{Cpu, Flat, Tape};

pub(crate) fn scale<T: Tape<f32, Cpu>>(
    x: &Flat<Cpu>,
    factors: &Flat<Cpu>,
    run: usize,
    tape: &mut T,
) -> Result<Flat<Cpu>> {
    expect_length("the input of a scaling", x, &[length(factors), run])?;
    let mut scaled = values(x);
    let factors = values(factors);
    multiply_runs(&mut scaled, &factors, run);
    let y = tensor(&x.device().clone(), scaled)?;
    record(tape, [Some(x)], &y, move |mut dy, [dx]| {
        multiply_runs(&mut dy, &factors, run);
        dx.par_chunks_mut(ELEMENTS).zip(dy.par_chunks(ELEMENTS)).for_each(|(dx, dy)| add(dx, dy));
    });
    Ok(y)
}

/// Multiplies every run of values by its factor.
pub(crate) fn multiply_runs(values: &mut [f32], factors: &[f32], run: usize) {
    let runs = rows_per_share(run);
    values.par_chunks_mut(runs * run).zip(factors.par_chunks(runs)).for_each(|(values, factors)| {
        if run == 1 {
            values.iter_mut().zip(factors).for_each(|(value, factor)| *value *= factor);
        } else {
            for (values, factor) in values.chunks_exact_mut(run).zip(factors) {
                values.iter_mut().for_each(|value| *value *= factor);
            }
        }
    });
}
