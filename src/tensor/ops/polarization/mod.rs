//! The polarization regularizer (Zhuang et al. 2020) over all values `γ_1 … γ_n` of several tensors:
//! `L = scale · (t Σ |γ_i| − Σ |γ_i − m|)` with `m` their mean.
//!
//! It draws some values to 0 and holds the others up.
//! `dγ_i = scale · (t sign(γ_i) − sign(γ_i − m) + mean_j sign(γ_j − m))`, with 0 for the sign of 0: the mean moves with
//! every value. Summed in `f64`, in order.

pub(crate) mod cpu;
#[cfg(feature = "cuda")]
pub(crate) mod cuda;
#[cfg(test)]
mod tests;
