//! Activation functions besides ReLU, value by value, with PyTorch's slopes at their kinks.
//!
//! | function   | y                          | dy / dx                                                       |
//! |------------|----------------------------|---------------------------------------------------------------|
//! | ReLU6      | min(max(x, 0), 6)          | 1 for 0 < x < 6, else 0                                       |
//! | SiLU       | x σ(x)                     | σ(x) (1 + x (1 − σ(x)))                                       |
//! | hard-swish | x min(max(x + 3, 0), 6) / 6 | 0 for x ≤ −3, x / 3 + 1/2 for −3 < x < 3, else 1              |
//! | sigmoid    | σ(x) = 1 / (1 + e^−x)      | σ(x) (1 − σ(x))                                               |
//!
//! ReLU6 is of Krizhevsky 2010, SiLU of Elfwing et al. 2017, hard-swish of Howard et al. 2019 (MobileNetV3). A NaN goes
//! through all of them, so that a network that has diverged is seen to.
//!
//! - `cpu`: the loops; `sigmoid`: σ

pub(crate) mod cpu;
mod sigmoid;
#[cfg(test)]
mod tests;

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
