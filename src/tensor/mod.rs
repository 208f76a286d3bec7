//! What pleach adds to dfdx: one bound for every device, and the differentiable operations dfdx lacks on stable Rust.
//!
//! dfdx brings tensors, the tape and gradients. Every value here is a [`Flat`] tensor, one run of `f32`; its logical
//! dimensions are kept beside it by the caller. Activations are laid out (batch, height, width, channel), parameters
//! as PyTorch has them. The tape travels apart from the values: an operation reads its inputs, makes its output, and
//! records on the tape how gradients flow back.
//!
//! - [`backend`]: the trait [`Backend`], one method an operation
//! - `cpu`: [`Backend`] for the processor, which calls the kernels under `ops`
//! - `cuda`: the same for NVIDIA GPUs, with the feature `cuda`
//! - [`device`]: which devices there are; [`memory`]: how much memory; `processor`: what the processor is called
//! - [`engine`]: a whole network as one operation
//! - [`geometry`]: windows that slide over images, and the sizes that operations are told
//! - [`ops`]: one folder an operation, each with its mathematics, its kernel and its gradient test
//! - `recording`: reading a tensor, making one, and recording a backward step safely
//! - `matrix`: matrix multiplication on one thread; `partition`: the fixed shares that threads work on
//! - `simd`: loops for the widest vectors of the processor
//! - `check`: finite differences and bit-equality under threads, for the tests
//!
//! Results are the same bits for any number of threads: work is cut into shares that depend on sizes only, and sums
//! over shares run in order.

pub mod backend;
#[cfg(test)]
pub(crate) mod check;
mod cpu;
#[cfg(feature = "cuda")]
pub mod cuda;
pub mod device;
pub mod engine;
pub mod geometry;
pub(crate) mod matrix;
pub mod memory;
pub mod ops;
pub(crate) mod partition;
mod processor;
mod recording;
pub(crate) mod simd;

pub use backend::{Backend, backward, numbers, refill, tape, value};
pub use dfdx::tensor::{Cpu, Gradients, NoneTape, OwnedTape, Tape};
pub use processor::processor;
pub use simd::{lanes, limit_vectors};

/// A run of `f32` on device `B`, without a tape. Its logical dimensions are kept beside it.
pub type Flat<B> = dfdx::tensor::Tensor<(usize,), f32, B>;

/// A single number on device `B` that carries the tape `T`; what backpropagation starts from.
pub type Scalar<B, T> = dfdx::tensor::Tensor<dfdx::shapes::Rank0, f32, B, T>;
