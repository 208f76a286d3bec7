//! On CUDA.

use dfdx::tensor::Cuda;

use crate::error::{Error, Kind, Result};
use crate::tensor::{Flat, Tape};

pub(crate) fn relu<T: Tape<f32, Cuda>>(x: &Flat<Cuda>, tape: &mut T) -> Result<Flat<Cuda>> {
    let _ = (x, tape);
    Err(Error::new(Kind::Internal, "not there yet"))
}
