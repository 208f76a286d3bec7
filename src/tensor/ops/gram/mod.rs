//! What losses on the relations between images are made of: the products of every two rows of a matrix x (B, D).
//!
//! ```text
//! G_ij = x_i · x_j      dx = (dG + dGᵀ) x
//! ```

pub(crate) mod cpu;
#[cfg(feature = "cuda")]
pub(crate) mod cuda;
