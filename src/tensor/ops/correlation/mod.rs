//! Distillation from a stronger teacher (DIST, Huang et al. 2022): the probabilities of student and teacher need not be equal,
//! only go up and down together, from class to class within an image and from image to image within a class. Logits (B, K).
//!
//! ```text
//! p = softmax(z / T)      r(x, y) = x̃ · ỹ / (‖x̃‖ ‖ỹ‖ + ε),  x̃ = x − mean x  (Pearson's correlation)
//! L = T² (β (1 − mean over rows of r(p_s, p_t)) + γ (1 − mean over columns of r(p_s, p_t)))
//! dr/dx = ỹ / (‖x̃‖ ‖ỹ‖ + ε) − x̃ (x̃ · ỹ) ‖ỹ‖ / (‖x̃‖ (‖x̃‖ ‖ỹ‖ + ε)²)
//! ```
//!
//! ε is 1e-8. What does not vary has correlation 0 and gets no gradient; so a batch of one image has no columns to speak of.
//! Columns of two images correlate by 1 or −1 whatever they are, and get no gradient either. Nor does the teacher. Computed
//! in `f64`, in order.

/// The settings of the loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Correlation {
    /// T.
    pub temperature: f64,
    /// β, of the rows.
    pub beta: f64,
    /// γ, of the columns.
    pub gamma: f64,
}

pub(crate) mod cpu;
#[cfg(feature = "cuda")]
pub(crate) mod cuda;
#[cfg(test)]
mod tests;
