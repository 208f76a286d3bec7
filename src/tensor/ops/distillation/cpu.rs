//! The distillation loss on the processor.

use super::checked;
use crate::error::Result;
use crate::math;
use crate::tensor::ops::cross_entropy::cpu::log_softmax;
use crate::tensor::recording::{record, tensor, values};
use crate::tensor::{Cpu, Flat, Tape};

pub(crate) fn distillation<T: Tape<f32, Cpu>>(
    student: &Flat<Cpu>,
    teacher: &Flat<Cpu>,
    classes: usize,
    temperature: f32,
    tape: &mut T,
) -> Result<Flat<Cpu>> {
    let batch = checked(student, teacher, classes, temperature)?;
    let temperature = f64::from(temperature);
    let mut gradient = Vec::with_capacity(batch * classes);
    let mut loss = 0.0;
    for (student, teacher) in values(student).chunks_exact(classes).zip(values(teacher).chunks_exact(classes)) {
        for (student, teacher) in log_softmax(student, temperature).iter().zip(log_softmax(teacher, temperature)) {
            let probability = math::exp(teacher);
            if probability != 0.0 {
                loss += probability * (teacher - student);
            }
            gradient.push((temperature * (math::exp(*student) - probability) / batch as f64) as f32);
        }
    }
    let loss = tensor(&student.device().clone(), vec![(loss * temperature * temperature / batch as f64) as f32])?;
    record(tape, [Some(student)], &loss, move |dloss, [dstudent]| {
        dstudent.iter_mut().zip(gradient).for_each(|(total, gradient)| *total += dloss[0] * gradient);
    });
    Ok(loss)
}
