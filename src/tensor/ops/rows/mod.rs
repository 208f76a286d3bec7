//! Sums over the rows of a weight. A row is everything that makes one output channel: a tensor (O, …) has O of them.
//!
//! - `row_norm_sum`: `L = scale · Σ_g ‖x_g‖₂` (group lasso, Yuan & Lin 2006), `dx_g = scale · x_g / ‖x_g‖₂`, and 0 for a
//!   row of zeros, which is one of its subgradients
//! - `row_square_sum`: `L = ½ Σ_g λ_g ‖x_g‖²`, `dx_g = λ_g x_g`
//! - `shrink_rows`: `x_g ← x_g · max(0, 1 − threshold / ‖x_g‖₂)`, the proximal step of `threshold · Σ_g ‖x_g‖₂`; in
//!   place, without a gradient. A row whose norm is at most the threshold becomes exact zeros.
//!
//! Summed in `f64`, in order.

pub(crate) mod cpu;
#[cfg(feature = "cuda")]
pub(crate) mod cuda;
#[cfg(test)]
mod tests;
