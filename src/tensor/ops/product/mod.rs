//! The product of two tensors of one shape, `y = a b`, value by value.
//!
//! `da = b dy` and `db = a dy`. `a` and `b` may be the same tensor; its gradient is then `2 a dy`.

pub(crate) mod cpu;
#[cfg(test)]
mod tests;
