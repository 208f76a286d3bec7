//! On CUDA.

use dfdx::tensor::Cuda;

use crate::error::{Error, Kind, Result};
use crate::tensor::{Flat, Scalar, Tape};

pub(crate) fn weighted_sum<T: Tape<f32, Cuda>>(
    device: &Cuda,
    terms: &[(f32, Flat<Cuda>)],
    mut tape: T,
) -> Result<Scalar<Cuda, T>> {
    let _ = (device, terms, tape);
    Err(Error::new(Kind::Internal, "not there yet"))
}
