//! Variational information distillation (Ahn et al. 2019): the negative log likelihood, up to a constant, of the teacher's
//! feature t under a normal distribution with mean m = μ(student's feature), both (N, C), and a variance a channel.
//!
//! ```text
//! σ²_c = softplus(s_c) + ε      L = mean of ½ ((t − m)² / σ² + log σ²)
//! dm = (m − t) / (σ² N C)       dσ²_c = Σ ½ (1 / σ² − (t − m)² / σ⁴) / (N C)      ds = dσ² sigmoid(s)
//! ```
//!
//! ε is [`EPSILON`]. The teacher gets no gradient. Computed in `f64`, rows in order.

/// Added to every variance.
pub const EPSILON: f64 = 1e-5;

pub(crate) mod cpu;
#[cfg(feature = "cuda")]
pub(crate) mod cuda;
#[cfg(test)]
mod tests;
