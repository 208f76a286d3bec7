//! Gradients added to, scaled and masked in place, and their sums of squares. Not differentiable.

pub(crate) mod cpu;
#[cfg(test)]
mod tests;
