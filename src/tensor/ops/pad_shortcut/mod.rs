//! ResNet's shortcut without parameters, option A of He et al. 2015, section 4.2.
//!
//! Every `stride`-th row and column is kept, from the first on, and the channels are extended with zeros:
//! as many before the input's channels as asked, (O − I) / 2 in the paper, the rest behind.

pub(crate) mod cpu;
#[cfg(test)]
mod tests;
