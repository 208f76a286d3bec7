//! Channels of several inputs, beside each other: inputs (rows, C₁), (rows, C₂), … to (rows, C₁ + C₂ + …).
//!
//! Every input's gradient is its part of dy. An input may be given more than once; its gradient is then the sum of its
//! parts.

pub(crate) mod cpu;
#[cfg(test)]
mod tests;
