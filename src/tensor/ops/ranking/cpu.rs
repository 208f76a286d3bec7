//! How many images are right, on the processor.

use super::rank;
use crate::error::{Error, Kind, Result};
use crate::tensor::recording::{expect_length, tensor, values};
use crate::tensor::{Cpu, Flat};

pub(crate) fn count_right(logits: &Flat<Cpu>, labels: &[u32], classes: usize) -> Result<Flat<Cpu>> {
    expect_length("the logits", logits, &[labels.len(), classes])?;
    if let Some(label) = labels.iter().find(|label| **label as usize >= classes) {
        return Err(Error::new(Kind::Internal, format!("the label {label} of {classes} classes")));
    }
    let logits_of = values(logits);
    let rows = logits_of.chunks(classes).zip(labels);
    let right = rows.filter(|(row, label)| rank(row, **label as usize) == 0).count();
    tensor(&logits.device().clone(), vec![right as f32])
}
