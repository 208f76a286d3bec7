//! On CUDA.

use dfdx::tensor::Cuda;

use crate::error::{Error, Kind, Result};
use crate::tensor::{Flat, Tape};

pub(crate) fn cross_entropy<T: Tape<f32, Cuda>>(
    logits: &Flat<Cuda>,
    labels: &[u32],
    mixed: Option<(&[u32], &[f32])>,
    smoothing: f32,
    tape: &mut T,
) -> Result<Flat<Cuda>> {
    let _ = (logits, labels, mixed, smoothing, tape);
    Err(Error::new(Kind::Internal, "not there yet"))
}
