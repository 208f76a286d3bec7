//! The distillation loss on the processor.

use crate::error::{Error, Kind, Result};
use crate::tensor::backend::length;
use crate::tensor::ops::cross_entropy::cpu::log_softmax;
use crate::tensor::recording::{expect_length, record, tensor, values};
use crate::tensor::{Cpu, Flat, Tape};

pub(crate) fn distillation<T: Tape<f32, Cpu>>(
    student: &Flat<Cpu>,
    teacher: &Flat<Cpu>,
    classes: usize,
    temperature: f32,
    tape: &mut T,
) -> Result<Flat<Cpu>> {
    let batch = length(student) / classes.max(1);
    expect_length("the student's logits", student, &[batch, classes])?;
    expect_length("the teacher's logits", teacher, &[batch, classes])?;
    if temperature.is_nan() || temperature <= 0.0 {
        return Err(Error::new(Kind::Internal, format!("a distillation at temperature {temperature}")));
    }
    let temperature = f64::from(temperature);
    let mut gradient = Vec::with_capacity(batch * classes);
    let mut loss = 0.0;
    for (student, teacher) in values(student).chunks_exact(classes).zip(values(teacher).chunks_exact(classes)) {
        for (student, teacher) in log_softmax(student, temperature).iter().zip(log_softmax(teacher, temperature)) {
            let probability = teacher.exp();
            if probability != 0.0 {
                loss += probability * (teacher - student);
            }
            gradient.push((temperature * (student.exp() - probability) / batch as f64) as f32);
        }
    }
    let loss = tensor(&student.device().clone(), vec![(loss * temperature * temperature / batch as f64) as f32])?;
    record(tape, [Some(student)], &loss, move |dloss, [dstudent]| {
        dstudent.iter_mut().zip(gradient).for_each(|(total, gradient)| *total += dloss[0] * gradient);
    });
    Ok(loss)
}
