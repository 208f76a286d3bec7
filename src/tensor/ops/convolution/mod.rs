//! Two-dimensional convolution: dense, in groups, depthwise, dilated.
//!
//! With x (B, H, W, I), weight (O, I / G, Kh, Kw), stride s, padding p, dilation d, G groups and an optional bias (O), the
//! output (B, H', W', O) is
//!
//! ```text
//! y[b, i, j, o] = bias[o] + Σ over (k, l, c) of x[b, i·s + k·d − p, j·s + l·d − p, g·I/G + c] · weight[o, c, k, l]
//! ```
//!
//! where g = ⌊o / (O/G)⌋ is the output's group and x is zero outside the image. With one group it is a dense convolution,
//! with as many groups as input channels a depthwise one.
//!
//! Written with the patch matrix P of a group, which has a row for each output position and a column for each (k, l, c),
//! and W, the group's weights as a (Kh · Kw · I/G) x O/G matrix:
//!
//! ```text
//! y = P W + bias      dW = Pᵀ dy      dP = dy Wᵀ      dbias = Σ rows of dy
//! ```
//!
//! and dx collects from dP what each pixel gave to P. P is never held as a whole: a share of a few hundred rows is
//! gathered, used and forgotten, and gathered again on the way back.
//!
//! - `cpu`: checks, chooses the kernel, cuts a batch into shares
//! - `products`: dense and grouped, by matrix products; `patches`: the patch matrix
//! - `depthwise`: channel by channel, without a patch matrix
//! - `weights`: from PyTorch's layout to the kernels', and back

pub(crate) mod cpu;
#[cfg(feature = "cuda")]
pub(crate) mod cuda;
mod depthwise;
mod patches;
mod products;
#[cfg(test)]
mod tests;
mod weights;
