//! On CUDA.

use dfdx::tensor::Cuda;

use crate::error::{Error, Kind, Result};
use crate::tensor::{Flat, Tape};

pub(crate) fn absolute_sum<T: Tape<f32, Cuda>>(x: &Flat<Cuda>, scale: f32, tape: &mut T) -> Result<Flat<Cuda>> {
    let _ = (x, scale, tape);
    Err(Error::new(Kind::Internal, "not there yet"))
}
