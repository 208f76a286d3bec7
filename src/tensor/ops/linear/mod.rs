//! The fully connected layer: x (B, I), weight (O, I), an optional bias (O), and y (B, O).
//!
//! ```text
//! y = x Wᵀ + bias      dx = dy W      dW = dyᵀ x      dbias = Σ rows of dy
//! ```

pub(crate) mod cpu;
#[cfg(test)]
mod tests;
