//! The operations of [`super::Backend`], one folder each: `mod.rs` tells the mathematics, `cpu.rs` is the kernel,
//! `tests.rs` holds it against a naive loop and against finite differences.
//!
//! In reading order:
//! - [`linear`], [`convolution`]: the layers with most of the arithmetic
//! - [`batch_norm`]: normalization, with an optional ReLU in the same pass
//! - [`relu`], [`activation`]: functions of each value alone
//! - [`add`], [`product`]: two tensors of one shape; [`gate`], [`scale`]: every channel, or run of values, times a number
//! - [`pool`], [`adaptive_pool`], [`flatten`], [`pad_shortcut`], [`concatenate`]: change the shape of an image
//! - [`cross_entropy`], [`distillation`], [`absolute_sum`]: losses, one number each; [`weighted_sum`] joins them
//! - [`rows`], [`polarization`]: penalties on parameters, and a proximal step
//! - of logits: [`standardize`], [`decoupled`], [`correlation`]
//! - of features: [`squared_error`], [`attention`], [`flow`], [`similarity`], [`relations`], [`variational`]; `gram` is what
//!   two of them compare images by
//! - [`ranking`]: how many answers are right
//! - [`gradient`]: gradients read and changed in place; [`optimizer`]: steps of SGD and Adam

pub mod absolute_sum;
pub mod activation;
pub mod adaptive_pool;
pub mod add;
pub mod attention;
pub mod batch_norm;
pub mod concatenate;
pub mod convolution;
pub mod correlation;
pub mod cross_entropy;
pub mod decoupled;
pub mod distillation;
pub mod flatten;
pub mod flow;
pub mod gate;
pub mod gradient;
mod gram;
pub mod linear;
pub mod optimizer;
pub mod pad_shortcut;
pub mod polarization;
pub mod pool;
pub mod product;
pub mod ranking;
pub mod relations;
pub mod relu;
pub mod rows;
pub mod scale;
pub mod similarity;
pub mod squared_error;
pub mod standardize;
pub mod variational;
pub mod weighted_sum;
