//! The flow of solution procedure (FSP, Yim et al. 2017): how the channels of two layers go together. Features F of the first
//! layer (B, P, M) and of the second (B, P, N); student and teacher may differ in P.
//!
//! ```text
//! G = (1 / P) Σ_p F_a,p F_b,pᵀ for each image, (M, N)      L = mean over images and entries of (G_s − G_t)²
//! dF_a,p = dG F_b,p / P      dF_b,p = dGᵀ F_a,p / P
//! ```
//!
//! The teacher gets no gradient. Computed in `f64`, images in order.

pub(crate) mod cpu;
#[cfg(feature = "cuda")]
pub(crate) mod cuda;
#[cfg(test)]
mod tests;
