//! Activation functions besides ReLU.

/// Which function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `min(max(x, 0), 6)`.
    Relu6,
    /// `x / (1 + e^-x)`.
    Silu,
    /// `x min(max(x + 3, 0), 6) / 6`.
    HardSwish,
    /// `1 / (1 + e^-x)`.
    Sigmoid,
}
