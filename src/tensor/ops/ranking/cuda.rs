//! How many images are right, on CUDA.

use dfdx::tensor::Cuda;

use crate::error::{Error, Kind, Result};
use crate::tensor::cuda::launch::{THREADS, launch};
use crate::tensor::cuda::recording::{device, expect_length, pointer};
use crate::tensor::cuda::sums::{Doubles, label_bits, row_blocks};
use crate::tensor::{Backend, Flat};

pub(crate) fn count_right(logits: &Flat<Cuda>, labels: &[u32], classes: usize) -> Result<Flat<Cuda>> {
    let batch = labels.len();
    expect_length("the logits", logits, &[batch, classes])?;
    if let Some(label) = labels.iter().find(|label| **label as usize >= classes) {
        return Err(Error::new(Kind::Internal, format!("the label {label} of {classes} classes")));
    }
    let device = device(logits);
    let (labels, right) = (device.upload(&label_bits(labels).collect::<Vec<_>>())?, Doubles::new(&device, batch)?);
    let (z, labels, to) = (pointer(logits)?, pointer(&labels)?, right.pointer()?);
    launch!("ranking", row_blocks(batch), THREADS, z, labels, batch as i64, classes as i64, to)?;
    right.sum(1.0)
}
