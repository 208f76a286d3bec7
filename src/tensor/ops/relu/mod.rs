//! The rectifier: `y = max(x, 0)`, `dx = dy` where `x > 0` and 0 elsewhere, 0 at x = 0 too.
//!
//! A NaN goes through, so that a network that has diverged is seen to.

pub(crate) mod cpu;
#[cfg(test)]
mod tests;

/// `max(value, 0)`, but NaN for NaN.
#[inline(always)]
pub(crate) fn rectify(value: f32) -> f32 {
    if value <= 0.0 { 0.0 } else { value }
}
