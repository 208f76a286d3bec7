//! From images to rows: (batch, positions, channels) to (batch, channels · positions).
//!
//! The order within a row is channel, height, width: that of `torch.flatten` after a PyTorch convolution, so the weights
//! of a linear layer that follows mean the same in both.

pub(crate) mod cpu;
#[cfg(test)]
mod tests;
