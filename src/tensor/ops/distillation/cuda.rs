//! On CUDA.

use dfdx::tensor::Cuda;

use crate::error::{Error, Kind, Result};
use crate::tensor::{Flat, Tape};

pub(crate) fn distillation<T: Tape<f32, Cuda>>(
    student: &Flat<Cuda>,
    teacher: &Flat<Cuda>,
    classes: usize,
    temperature: f32,
    tape: &mut T,
) -> Result<Flat<Cuda>> {
    let _ = (student, teacher, classes, temperature, tape);
    Err(Error::new(Kind::Internal, "not there yet"))
}
