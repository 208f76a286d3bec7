//! Two-dimensional convolution: dense, in groups, depthwise, dilated.
//!
//! With x (B, H, W, I), weight (O, I, Kh, Kw), stride s, padding p and an optional bias (O), the output (B, H', W', O) is
//!
//! ```text
//! y[b, i, j, o] = bias[o] + Σ over (k, l, c) of x[b, i·s + k − p, j·s + l − p, c] · weight[o, c, k, l]
//! ```
//!
//! where x is zero outside the image. Written with the patch matrix P, which has a row for each output position and a
//! column for each (k, l, c), and W, the weights as a (Kh · Kw · I) x O matrix:
//!
//! ```text
//! y = P W + bias      dW = Pᵀ dy      dP = dy Wᵀ      dbias = Σ rows of dy
//! ```
//!
//! and dx collects from dP what each pixel gave to P. P is never held as a whole: a share of a few hundred rows is
//! gathered, used and forgotten, and gathered again on the way back.

pub(crate) mod cpu;
mod patches;
#[cfg(test)]
mod tests;
mod weights;
