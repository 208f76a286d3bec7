//! Attention transfer (Zagoruyko & Komodakis 2017): where a layer looks, whatever its channels. Features F of student
//! (B, P, C) and teacher (B, P, C').
//!
//! ```text
//! A_p = mean over channels of F_pc²      a = A / ‖A‖₂ for each image      L = mean over images and positions of (a_s − a_t)²
//! dA = (da − a (a · da)) / ‖A‖₂          dF_pc = 2 F_pc dA_p / C
//! ```
//!
//! An image whose feature is zero everywhere has attention 0 and gets no gradient. The teacher gets none either. Computed in
//! `f64`, images in order.

pub(crate) mod cpu;
#[cfg(feature = "cuda")]
pub(crate) mod cuda;
#[cfg(test)]
mod tests;
