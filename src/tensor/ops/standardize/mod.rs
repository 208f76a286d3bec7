//! Standardized logits (Sun et al. 2024): each row of z (B, K) less its mean m and divided by its standard deviation s, so that
//! a student need not match the size of its teacher's logits.
//!
//! ```text
//! y = (z − m) / S,  S = s + ε,  s² = Σ (z − m)² / (K − 1)      dz = (dy − mean dy − y (dy · y) S / (s (K − 1))) / S
//! ```
//!
//! ε is 1e-7. A row of equal logits becomes zeros and gets no gradient. Computed in `f64`.

pub(crate) mod cpu;
#[cfg(feature = "cuda")]
pub(crate) mod cuda;
#[cfg(test)]
mod tests;
