//! Every channel of an image times a number of its own: squeeze and excitation (Hu et al. 2017).
//!
//! With x (B, P, C) and gate (B, C):
//!
//! ```text
//! y[b, p, c] = gate[b, c] x[b, p, c]      dx[b, p, c] = gate[b, c] dy[b, p, c]
//! dgate[b, c] = Σ over p of x[b, p, c] dy[b, p, c]
//! ```
//!
//! With P = 1 both may be the same tensor.

pub(crate) mod cpu;
#[cfg(test)]
mod tests;
