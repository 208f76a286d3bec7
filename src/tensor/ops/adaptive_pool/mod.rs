//! The mean over windows that are chosen so that the output has a set size, as `torch.nn.AdaptiveAvgPool2d`.
//!
//! Along an axis of n inputs and m outputs, output i is the mean of the inputs from `⌊i n / m⌋` to before
//! `⌈(i + 1) n / m⌉`. Windows overlap where m does not divide n; with m > n an input is in several windows, so that VGG
//! reads images smaller than those it was made for.

pub(crate) mod cpu;
#[cfg(test)]
mod tests;
