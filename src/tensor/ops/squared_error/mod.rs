//! The mean squared error of student values x from a teacher's y, N of each.
//!
//! ```text
//! L = mean (x − y)²      dx = 2 (x − y) / N
//! ```
//!
//! Over logits (Ba & Caruana 2014), and over features behind a connector (FitNets, Romero et al. 2015). The teacher gets no
//! gradient. Summed in `f64`, in order.

pub(crate) mod cpu;
#[cfg(feature = "cuda")]
pub(crate) mod cuda;
#[cfg(test)]
mod tests;
