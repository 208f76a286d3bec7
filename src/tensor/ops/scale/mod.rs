//! Values times constants, one constant for every run of values: `y[i] = factors[i / run] x[i]`, `dx = factors dy`.
//!
//! Dropout (Srivastava et al. 2014) with a factor for every value, stochastic depth (Huang et al. 2016) with one for every
//! image: a factor is 0 with probability p and 1 / (1 − p) otherwise. The factors get no gradient.

pub(crate) mod cpu;
#[cfg(test)]
mod tests;
