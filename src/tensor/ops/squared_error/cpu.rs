//! The squared error on the processor.

use crate::error::Result;
use crate::tensor::backend::length;
use crate::tensor::recording::{expect_length, loss, values};
use crate::tensor::{Cpu, Flat, Tape};

pub(crate) fn squared_error<T: Tape<f32, Cpu>>(
    student: &Flat<Cpu>,
    teacher: &Flat<Cpu>,
    tape: &mut T,
) -> Result<Flat<Cpu>> {
    let count = length(student);
    expect_length("the teacher's values", teacher, &[count])?;
    let mut gradient = values(student);
    let mut sum = 0.0;
    for (student, teacher) in gradient.iter_mut().zip(values(teacher)) {
        let difference = f64::from(*student) - f64::from(teacher);
        sum += difference * difference;
        *student = (2.0 * difference / count as f64) as f32;
    }
    loss([student], sum / count as f64, [gradient], tape)
}
