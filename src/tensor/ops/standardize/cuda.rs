//! On CUDA.

use dfdx::tensor::Cuda;

use crate::error::{Error, Kind, Result};
use crate::tensor::{Flat, Tape};

pub(crate) fn standardize<T: Tape<f32, Cuda>>(logits: &Flat<Cuda>, classes: usize, tape: &mut T) -> Result<Flat<Cuda>> {
    let _ = (logits, classes, tape);
    Err(Error::new(Kind::Internal, "not there yet"))
}
