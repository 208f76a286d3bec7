//! Decoupled knowledge distillation (Zhao et al. 2022): the divergence of [`super::distillation`] in two parts, the right
//! class against all others, and the others among themselves, each with a factor of its own. Logits z (B, K), labels y.
//!
//! ```text
//! p = softmax(z / T)      q = softmax of the same without class y
//! TCKD = KL((p_y, 1 − p_y)_t ‖ (p_y, 1 − p_y)_s)      NCKD = KL(q_t ‖ q_s)
//! L = T² · mean over rows of α TCKD + β NCKD
//! dz_y = α T (p_s − p_t)_y / B      dz_k = T (β (q_s − q_t)_k − α (p_s − p_t)_y q_s,k) / B
//! ```
//!
//! The teacher gets no gradient. Computed in `f64`, rows in order.

use crate::error::{Error, Kind, Result};
use crate::tensor::backend::length;
use crate::tensor::ops::cross_entropy::check_labels;
use crate::tensor::recording::expect_length;
use crate::tensor::{Backend, Flat};

/// The settings of the loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decoupled {
    /// T.
    pub temperature: f64,
    /// α, of the right class against the others.
    pub alpha: f64,
    /// β, of the others among themselves.
    pub beta: f64,
}

pub(crate) mod cpu;
#[cfg(feature = "cuda")]
pub(crate) mod cuda;
#[cfg(test)]
mod tests;

/// How many images and classes there are.
///
/// # Errors
/// When sizes or labels do not fit.
fn checked<B: Backend>(student: &Flat<B>, teacher: &Flat<B>, labels: &[u32]) -> Result<(usize, usize)> {
    let (batch, classes) = (labels.len(), length(student) / labels.len().max(1));
    expect_length("the student's logits", student, &[batch, classes])?;
    expect_length("the teacher's logits", teacher, &[batch, classes])?;
    if classes < 2 {
        return Err(Error::new(Kind::Input, "decoupled distillation needs two classes or more"));
    }
    check_labels(labels, classes)?;
    Ok((batch, classes))
}
