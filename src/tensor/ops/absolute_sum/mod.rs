//! The L1 penalty, `L = scale · Σ |x|`, `dx = scale · sign(x)`, with 0 for the sign of 0.
//!
//! On weights, `scale` is the penalty's strength. On the activations of a layer, KDDP's `λ · mean over the batch of
//! Σ_j |a_j|`, it is `λ / B`. Summed in `f64`, in order.

pub(crate) mod cpu;
#[cfg(feature = "cuda")]
pub(crate) mod cuda;
#[cfg(test)]
mod tests;
