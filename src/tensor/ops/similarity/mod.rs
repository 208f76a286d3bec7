//! Similarity preserving distillation (Tung & Mori 2019): which images of a batch are alike, whatever the feature's shape.
//! Features F of student (B, D) and teacher (B, D').
//!
//! ```text
//! G = F Fᵀ      g_i = G_i / ‖G_i‖₂ for each row      L = (1 / B²) Σ (g_s − g_t)²
//! dG_i = (dg_i − g_i (g_i · dg_i)) / ‖G_i‖₂          dF = (dG + dGᵀ) F
//! ```
//!
//! A row of zeros stays one and gets no gradient. The teacher gets none either. Computed in `f64`, rows in order.

pub(crate) mod cpu;
#[cfg(feature = "cuda")]
pub(crate) mod cuda;
#[cfg(test)]
mod tests;
