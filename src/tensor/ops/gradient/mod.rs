//! Gradients added to, scaled and masked in place, and their sums of squares. Not differentiable.

pub(crate) mod cpu;
#[cfg(feature = "cuda")]
pub(crate) mod cuda;
#[cfg(test)]
mod tests;
