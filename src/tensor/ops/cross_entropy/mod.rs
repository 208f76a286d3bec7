//! Cross entropy of logits z (B, K) with integer labels, averaged over the batch; label smoothing s (Szegedy 2016).
//!
//! ```text
//! q_k = (1 − s) [k = label] + s / K        L = − mean over rows of Σ_k q_k log p_k,  p = softmax(z)
//! dz = (p − q) / B
//! ```
//!
//! For images mixed of two (mixup, Zhang 2018; CutMix, Yun 2019), with share r of the second,
//! q_k = (1 − s) ((1 − r) [k = label] + r [k = second]) + s / K.
//!
//! Computed in `f64`, rows in order; the result is rounded once.

pub(crate) mod cpu;
#[cfg(feature = "cuda")]
pub(crate) mod cuda;
#[cfg(test)]
mod tests;
