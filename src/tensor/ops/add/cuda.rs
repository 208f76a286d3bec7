//! On CUDA.

use dfdx::tensor::Cuda;

use crate::error::{Error, Kind, Result};
use crate::tensor::{Flat, Tape};

pub(crate) fn add<T: Tape<f32, Cuda>>(a: &Flat<Cuda>, b: &Flat<Cuda>, relu: bool, tape: &mut T) -> Result<Flat<Cuda>> {
    let _ = (a, b, relu, tape);
    Err(Error::new(Kind::Internal, "not there yet"))
}
