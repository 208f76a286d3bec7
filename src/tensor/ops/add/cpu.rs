//! The sum on the processor.

use rayon::prelude::*;

use crate::error::Result;
use crate::tensor::backend::length;
use crate::tensor::ops::relu::cpu::rectify_all;
use crate::tensor::partition::{ELEMENTS, add as add_slice};
use crate::tensor::recording::{expect_length, record, tensor, values};
use crate::tensor::{Cpu, Flat, Tape};

pub(crate) fn add<T: Tape<f32, Cpu>>(a: &Flat<Cpu>, b: &Flat<Cpu>, relu: bool, tape: &mut T) -> Result<Flat<Cpu>> {
    expect_length("the second term of a sum", b, &[length(a)])?;
    let mut sum = values(a);
    let b_values = values(b);
    sum.par_chunks_mut(ELEMENTS).zip(b_values.par_chunks(ELEMENTS)).for_each(|(sum, b)| add_slice(sum, b));
    drop(b_values);
    let passed = if relu { rectify_all::<T>(&mut sum) } else { Vec::new() };
    let y = tensor(&a.device().clone(), sum)?;
    record(tape, [Some(a), Some(b)], &y, move |mut dy, [da, db]| {
        if relu {
            dy.par_chunks_mut(ELEMENTS).zip(passed.par_chunks(ELEMENTS)).for_each(|(dy, passed)| {
                for (dy, passed) in dy.iter_mut().zip(passed) {
                    *dy = if *passed { *dy } else { 0.0 };
                }
            });
        }
        da.par_chunks_mut(ELEMENTS).zip(db.par_chunks_mut(ELEMENTS)).zip(dy.par_chunks(ELEMENTS)).for_each(
            |((da, db), dy)| {
                add_slice(da, dy);
                add_slice(db, dy);
            },
        );
    });
    Ok(y)
}
