//! The sum of two tensors of one shape, `y = a + b`, or `y = max(a + b, 0)` in the same pass.
//!
//! `da = db = dy` (where `a + b > 0`, for the second). `a` and `b` may be the same tensor; its gradient is then `2 dy`.

pub(crate) mod cpu;
#[cfg(test)]
mod tests;
