//! Pooling over windows of (batch, height, width, channel), each channel alone.
//!
//! - Max pooling: the largest value of the window; the padding never wins. Among equals the first in reading order wins,
//!   and it alone gets the gradient, as in PyTorch. A NaN wins.
//! - Average pooling: the sum over the window divided by its size, padding counted as zeros (PyTorch's default).
//! - Global average pooling: the mean over all positions, (batch, positions, channels) to (batch, channels).

pub(crate) mod cpu;
#[cfg(test)]
mod tests;
