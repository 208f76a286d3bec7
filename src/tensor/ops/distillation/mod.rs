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
