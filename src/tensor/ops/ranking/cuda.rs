//! On CUDA.

use dfdx::tensor::Cuda;

use crate::error::{Error, Kind, Result};
use crate::tensor::Flat;

pub(crate) fn count_right(logits: &Flat<Cuda>, labels: &[u32], classes: usize) -> Result<Flat<Cuda>> {
    let _ = (logits, labels, classes);
    Err(Error::new(Kind::Internal, "not there yet"))
}
