//! A network as data: a graph of layers, its tensors, and the executor that runs it on a device.
//!
//! - [`graph`]: [`Graph`], [`Layer`] and [`Op`], a plain JSON description
//! - [`shapes`]: the shape of every layer's output, and every mistake a graph can hold
//! - [`parameters`]: the parameters a graph has, in order, and what it costs to run
//! - [`model`]: [`Model`], a graph with its tensors and masks on the host
//! - [`initialise`]: fresh weights from a seed
//! - [`weights`]: tensors to and from safetensors; `sparse`: tensors with masks to and from fewer bytes; `masks`: masks as
//!   bits
//! - [`signature`]: [`Signature`], what a network was trained for
//! - `import`: weights of a safetensors file from elsewhere
//! - [`executor`]: [`Executor`], a model on a device: forward, gradients, running statistics
//! - [`arch`]: builders of well-known architectures

pub mod arch;
pub mod executor;
pub mod graph;
pub mod import;
pub mod initialise;
mod masks;
pub mod model;
pub mod parameters;
pub mod pattern;
pub mod shapes;
pub mod signature;
mod sparse;
pub mod weights;

pub use executor::{Draws, Executor, Forward, Mode, Parameter, add_leaves, zero_leaves};
pub use graph::{Graph, Layer, Op};
pub use model::{HostTensor, Model};
pub use parameters::{ParameterSpec, Role};
pub use shapes::Shape;
pub use signature::{ClassOrder, Signature};
