//! Relational knowledge distillation (Park et al. 2019): the distances and angles between the images of a batch. Features x
//! of student (B, D) and teacher (B, D').
//!
//! ```text
//! d_ij = ‖x_i − x_j‖ / mean of those above 0      cos_ijk = (x_j − x_i)/‖x_j − x_i‖ · (x_k − x_i)/‖x_k − x_i‖
//! L = w_d · mean over B² of huber(d_s − d_t) + w_a · mean over B³ of huber(cos_s − cos_t)
//! huber(e) = e² / 2 where |e| < 1, else |e| − 1/2
//! ```
//!
//! Both are functions of G = x xᵀ: ‖x_i − x_j‖² = G_ii + G_jj − 2 G_ij and (x_j − x_i) · (x_k − x_i) = G_jk − G_ij − G_ik +
//! G_ii. Images of the same feature are at distance 0 and at no angle, and get no gradient from that. Two images have one
//! distance, which is its own mean, and no angle: a batch of two says nothing. The teacher gets no gradient.
//! Computed in `f64`; the shares of vertices are fixed.

/// The factors of the two parts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RelationWeights {
    /// Of the distances, w_d.
    pub distance: f64,
    /// Of the angles, w_a.
    pub angle: f64,
}

pub(crate) mod cpu;
#[cfg(feature = "cuda")]
pub(crate) mod cuda;
#[cfg(test)]
mod tests;
