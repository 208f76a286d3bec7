//! The polarization regularizer on the processor.

use crate::error::{Error, Kind, Result};
use crate::tensor::recording::{record_all, tensor, values};
use crate::tensor::{Cpu, Flat, Tape};

pub(crate) fn polarization<T: Tape<f32, Cpu>>(
    inputs: &[&Flat<Cpu>],
    scale: f32,
    t: f32,
    tape: &mut T,
) -> Result<Flat<Cpu>> {
    let Some(first) = inputs.first() else {
        return Err(Error::new(Kind::Internal, "polarization has no tensor to look at"));
    };
    let all: Vec<Vec<f32>> = inputs.iter().map(|input| values(input)).collect();
    let every = || all.iter().flatten().map(|value| f64::from(*value));
    let count = every().count() as f64;
    let mean = every().sum::<f64>() / count;
    let (t, scale) = (f64::from(t), f64::from(scale));
    let sum: f64 = every().map(|value| t * value.abs() - (value - mean).abs()).sum();
    let mean_sign = every().map(|value| sign(value - mean)).sum::<f64>() / count;
    let loss = tensor(&first.device().clone(), vec![(sum * scale) as f32])?;
    let recorded: Vec<Option<&Flat<Cpu>>> = inputs.iter().map(|input| Some(*input)).collect();
    record_all(tape, &recorded, &loss, move |dloss, mut gradients| {
        let step = f64::from(dloss[0]) * scale;
        for (gradient, value) in gradients.iter_mut().flatten().zip(all.iter().flatten()) {
            let value = f64::from(*value);
            *gradient += (step * (t * sign(value) - sign(value - mean) + mean_sign)) as f32;
        }
        gradients
    });
    Ok(loss)
}

/// The sign, 0 for 0.
fn sign(value: f64) -> f64 {
    if value == 0.0 { 0.0 } else { value.signum() }
}
