//! On CUDA.

use dfdx::tensor::Cuda;

use crate::error::{Error, Kind, Result};
use crate::tensor::{Flat, Tape};

pub(crate) fn flow<T: Tape<f32, Cuda>>(
    student: [&Flat<Cuda>; 2],
    teacher: [&Flat<Cuda>; 2],
    batch: usize,
    channels: [usize; 2],
    tape: &mut T,
) -> Result<Flat<Cuda>> {
    let _ = (student, teacher, batch, channels, tape);
    Err(Error::new(Kind::Internal, "not there yet"))
}
