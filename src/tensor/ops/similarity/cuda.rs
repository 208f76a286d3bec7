//! On CUDA.

use dfdx::tensor::Cuda;

use crate::error::{Error, Kind, Result};
use crate::tensor::{Flat, Tape};

pub(crate) fn similarity<T: Tape<f32, Cuda>>(
    student: &Flat<Cuda>,
    teacher: &Flat<Cuda>,
    batch: usize,
    tape: &mut T,
) -> Result<Flat<Cuda>> {
    let _ = (student, teacher, batch, tape);
    Err(Error::new(Kind::Internal, "not there yet"))
}
