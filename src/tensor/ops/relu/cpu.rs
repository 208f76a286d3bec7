//! The rectifier on the processor.

use rayon::prelude::*;

use super::rectify;
use crate::error::Result;
use crate::tensor::partition::ELEMENTS;
use crate::tensor::recording::{record, tensor, values};
use crate::tensor::{Cpu, Flat, Tape};

pub(crate) fn relu<T: Tape<f32, Cpu>>(x: &Flat<Cpu>, tape: &mut T) -> Result<Flat<Cpu>> {
    let mut values = values(x);
    let passed = rectify_all::<T>(&mut values);
    let y = tensor(&x.device().clone(), values)?;
    record(tape, [Some(x)], &y, move |dy, [dx]| add_passed(dx, &dy, &passed));
    Ok(y)
}

/// Rectifies in place and says which values passed; nothing is kept when the tape `T` records nothing.
pub(crate) fn rectify_all<T: Tape<f32, Cpu>>(values: &mut [f32]) -> Vec<bool> {
    if !T::OWNS_TAPE {
        values.par_chunks_mut(ELEMENTS).for_each(|values| values.iter_mut().for_each(|value| *value = rectify(*value)));
        return Vec::new();
    }
    let mut passed = vec![false; values.len()];
    values.par_chunks_mut(ELEMENTS).zip(passed.par_chunks_mut(ELEMENTS)).for_each(|(values, passed)| {
        for (value, passed) in values.iter_mut().zip(passed) {
            *value = rectify(*value);
            *passed = *value != 0.0;
        }
    });
    passed
}

/// `dx += dy` where the value passed.
fn add_passed(dx: &mut [f32], dy: &[f32], passed: &[bool]) {
    dx.par_chunks_mut(ELEMENTS).zip(dy.par_chunks(ELEMENTS)).zip(passed.par_chunks(ELEMENTS)).for_each(
        |((dx, dy), passed)| {
            for ((dx, dy), passed) in dx.iter_mut().zip(dy).zip(passed) {
                *dx += if *passed { *dy } else { 0.0 };
            }
        },
    );
}
