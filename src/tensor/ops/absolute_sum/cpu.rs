//! The L1 penalty on the processor.

use crate::error::Result;
use crate::tensor::recording::{record, tensor, values};
use crate::tensor::{Cpu, Flat, Tape};

pub(crate) fn absolute_sum<T: Tape<f32, Cpu>>(x: &Flat<Cpu>, scale: f32, tape: &mut T) -> Result<Flat<Cpu>> {
    let x_values = values(x);
    let sum: f64 = x_values.iter().map(|x| f64::from(x.abs())).sum();
    let loss = tensor(&x.device().clone(), vec![(sum * f64::from(scale)) as f32])?;
    record(tape, [Some(x)], &loss, move |dloss, [dx]| {
        let step = dloss[0] * scale;
        for (dx, x) in dx.iter_mut().zip(x_values) {
            *dx += if x == 0.0 { 0.0 } else { step * x.signum() };
        }
    });
    Ok(loss)
}
