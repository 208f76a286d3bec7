//! The sum of losses, each with its weight: `L = Σ weight · term`, over terms of length 1. A term may come twice.
//!
//! The result carries the tape and is what backpropagation starts from. Summed in `f64`, in order.

pub(crate) mod cpu;
#[cfg(feature = "cuda")]
pub(crate) mod cuda;
#[cfg(test)]
mod tests;
