//! Distillation of soft probabilities (Hinton, Vinyals & Dean 2015) from teacher logits to student logits, both (B, K).
//!
//! ```text
//! p = softmax(z / T)      L = T² · mean over rows of Σ_k p_teacher log(p_teacher / p_student)
//! dz_student = T (p_student − p_teacher) / B
//! ```
//!
//! The teacher gets no gradient. A class that the teacher gives probability 0 adds 0, the limit of p log p. Computed in
//! `f64`, rows in order; the result is rounded once.

pub(crate) mod cpu;
#[cfg(feature = "cuda")]
pub(crate) mod cuda;
#[cfg(test)]
mod tests;

use crate::error::{Error, Kind, Result};
use crate::tensor::backend::length;
use crate::tensor::recording::expect_length;
use crate::tensor::{Backend, Flat};

/// How many images there are.
///
/// # Errors
/// When sizes or the temperature cannot be.
fn checked<B: Backend>(student: &Flat<B>, teacher: &Flat<B>, classes: usize, temperature: f32) -> Result<usize> {
    let batch = length(student) / classes.max(1);
    expect_length("the student's logits", student, &[batch, classes])?;
    expect_length("the teacher's logits", teacher, &[batch, classes])?;
    if temperature.is_nan() || temperature <= 0.0 {
        return Err(Error::new(Kind::Internal, format!("a distillation at temperature {temperature}")));
    }
    Ok(batch)
}
