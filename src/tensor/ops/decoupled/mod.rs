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
