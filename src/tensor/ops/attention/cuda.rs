//! On CUDA.

use dfdx::tensor::Cuda;

use crate::error::{Error, Kind, Result};
use crate::tensor::{Flat, Tape};

pub(crate) fn attention<T: Tape<f32, Cuda>>(
    student: &Flat<Cuda>,
    teacher: &Flat<Cuda>,
    batch: usize,
    positions: usize,
    tape: &mut T,
) -> Result<Flat<Cuda>> {
    let _ = (student, teacher, batch, positions, tape);
    Err(Error::new(Kind::Internal, "not there yet"))
}
