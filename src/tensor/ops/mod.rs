//! The operations of [`super::Backend`], one folder each: `mod.rs` tells the mathematics, `cpu.rs` is the kernel,
//! `tests.rs` holds it against a naive loop and against finite differences.
//!
//! In reading order:
//! - [`linear`], [`convolution`]: the layers with most of the arithmetic
//! - [`batch_norm`]: normalization, with an optional ReLU in the same pass
//! - [`relu`], [`add`]: elementwise
//! - [`pool`], [`flatten`], [`pad_shortcut`]: change the shape of an image
//! - [`cross_entropy`], [`distillation`], [`absolute_sum`]: losses, one number each; [`weighted_sum`] joins them
//! - of logits: [`standardize`], [`decoupled`], [`correlation`]
//! - of features: [`squared_error`], [`attention`], [`flow`], [`similarity`], [`relations`], [`variational`]; `gram` is what
//!   two of them compare images by
//! - [`gradient`]: gradients read and changed in place; [`optimizer`]: steps of SGD and Adam

pub mod absolute_sum;
pub mod activation;
pub mod add;
pub mod attention;
pub mod batch_norm;
pub mod convolution;
pub mod correlation;
pub mod cross_entropy;
pub mod decoupled;
pub mod distillation;
pub mod flatten;
pub mod flow;
pub mod gradient;
mod gram;
pub mod linear;
pub mod optimizer;
pub mod pad_shortcut;
pub mod pool;
pub mod relations;
pub mod relu;
pub mod similarity;
pub mod squared_error;
pub mod standardize;
pub mod variational;
pub mod weighted_sum;
