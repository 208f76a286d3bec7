//! Standardized logits on the processor.

use crate::error::{Error, Kind, Result};
use crate::tensor::backend::length;
use crate::tensor::recording::{expect_length, record, tensor, values};
use crate::tensor::{Cpu, Flat, Tape};

/// Added to the standard deviation.
const EPSILON: f64 = 1e-7;

pub(crate) fn standardize<T: Tape<f32, Cpu>>(logits: &Flat<Cpu>, classes: usize, tape: &mut T) -> Result<Flat<Cpu>> {
    expect_length("the logits", logits, &[length(logits) / classes.max(1), classes])?;
    if classes < 2 {
        return Err(Error::new(Kind::Input, "one logit alone has no standard deviation"));
    }
    let mut standard = Vec::with_capacity(length(logits));
    let mut deviations = Vec::with_capacity(length(logits) / classes);
    for row in values(logits).chunks_exact(classes) {
        let mean = row.iter().map(|z| f64::from(*z)).sum::<f64>() / classes as f64;
        let squares: f64 = row.iter().map(|z| (f64::from(*z) - mean).powi(2)).sum();
        let deviation = (squares / (classes - 1) as f64).sqrt();
        standard.extend(row.iter().map(|z| (f64::from(*z) - mean) / (deviation + EPSILON)));
        deviations.push(deviation);
    }
    let y = tensor(&logits.device().clone(), standard.iter().map(|y| *y as f32).collect())?;
    record(tape, [Some(logits)], &y, move |dy, [dz]| {
        let rows = dz.chunks_exact_mut(classes).zip(dy.chunks_exact(classes)).zip(standard.chunks_exact(classes));
        for (((dz, dy), y), deviation) in rows.zip(deviations) {
            if deviation == 0.0 {
                continue;
            }
            let scale = deviation + EPSILON;
            let mean = dy.iter().map(|dy| f64::from(*dy)).sum::<f64>() / classes as f64;
            let along: f64 = dy.iter().zip(y).map(|(dy, y)| f64::from(*dy) * y).sum();
            let along = along * scale / (deviation * (classes - 1) as f64);
            for ((dz, dy), y) in dz.iter_mut().zip(dy).zip(y) {
                *dz += ((f64::from(*dy) - mean - y * along) / scale) as f32;
            }
        }
    });
    Ok(y)
}
