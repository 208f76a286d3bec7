//! A whole network as one operation, with buffers of its own.
//!
//! A [`Program`] is a network as a list of steps over numbered values. An engine runs it forwards, records one operation on
//! the tape, and runs it backwards when the tape does. It knows the whole network before the first step, so values are not
//! copied between operations, memory is used again in every step, and neighbours are computed together: a normalization
//! with what follows it, its statistics with the convolution before it, its gradient with that convolution's.
//!
//! What it computes is told in the modules of [`super::ops`], one by one; those are the reference it is tested against.
//!
//! - this file: what a program is
//! - [`cpu`]: the engine of the processor
//! - `cuda`: that of a GPU, with the feature `cuda`

pub mod cpu;
#[cfg(feature = "cuda")]
pub mod cuda;

use serde::{Deserialize, Serialize};

use super::Flat;
use super::backend::Backend;
use super::geometry::{AdaptivePool, ChannelPadding, Convolution, Pool};
use super::ops::activation::Activation;
use super::ops::batch_norm::BatchStatistics;

/// The number of a value: 0 is the image, n the output of step n − 1.
pub type Value = usize;

/// A network as steps, in the order in which they run. Sizes of geometries are of one image, their `batch` is ignored.
#[derive(Debug, Clone)]
pub struct Program {
    /// How many numbers each value has for one image.
    pub sizes: Vec<usize>,
    /// The steps.
    pub steps: Vec<Step>,
    /// How many numbers each parameter has.
    pub parameters: Vec<usize>,
    /// The values that are asked for.
    pub outputs: Vec<Value>,
    /// How a GPU computes products of matrices, forwards and backwards; the processor always as [`Precision::F32`].
    pub precision: Precision,
}

/// How products of matrices are computed: convolutions, linear layers and their gradients. Values are kept in `f32` and
/// sums are in `f32` in any case; factors may be rounded before they are multiplied, so that a GPU's matrix units take
/// them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// Factors as they are: 24 significant bits.
    #[default]
    F32,
    /// Factors rounded to 11 significant bits, with the range of `f32`.
    Tf32,
    /// Factors rounded to 8 significant bits, with the range of `f32`.
    Bf16,
}

impl Precision {
    /// All of them, as manifests and commands call them.
    pub const WORDS: [(&str, Self); 3] = [("f32", Self::F32), ("tf32", Self::Tf32), ("bf16", Self::Bf16)];

    /// What a manifest calls it.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, precision)| *precision == self).map_or("f32", |(word, _)| word)
    }

    /// Whether nothing is rounded.
    pub fn is_f32(&self) -> bool {
        *self == Self::F32
    }
}

/// One step: its output is the value with the step's number plus one.
#[derive(Debug, Clone)]
pub struct Step {
    /// What is computed.
    pub operation: Operation,
    /// From what.
    pub inputs: Vec<Value>,
    /// Whether a parameter is read at it or before it, so that its output needs a gradient.
    pub needs_gradient: bool,
}

/// What a step computes. Parameters are told by their numbers.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "see the operations")]
pub enum Operation {
    /// [`super::ops::convolution`].
    Convolution { geometry: Convolution, weight: usize, bias: Option<usize> },
    /// [`super::ops::linear`].
    Linear { features: [usize; 2], weight: usize, bias: Option<usize> },
    /// [`super::ops::batch_norm`], then the sum with a second input if there is one, then a function. `parameters` are
    /// weight, bias, running mean and running variance.
    Normalize { channels: usize, epsilon: f32, parameters: [usize; 4], after: After },
    /// A function of each value.
    Apply(After),
    /// The sum of two inputs, and a function of it.
    Add(After),
    /// [`super::ops::product`].
    Product,
    /// [`super::ops::gate`].
    Gate { channels: usize },
    /// [`super::ops::concatenate`], with the channels of each input.
    Concatenate { channels: Vec<usize> },
    /// Largest values of windows.
    MaxPool(Pool),
    /// Means of windows.
    AveragePool(Pool),
    /// Means over all positions.
    GlobalAveragePool { channels: usize },
    /// Means over windows that adapt.
    AdaptiveAveragePool(AdaptivePool),
    /// From (positions, channels) to (channels, positions).
    Flatten { channels: usize },
    /// [`super::ops::pad_shortcut`].
    PadShortcut(ChannelPadding),
    /// [`super::ops::scale`] by factors drawn for each batch; nothing in evaluation.
    Scale { run: usize },
}

/// A function computed together with what is before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// Nothing follows.
    Nothing,
    /// `max(x, 0)`.
    Relu,
    /// Another activation function.
    Activation(Activation),
}

/// What one run is given.
pub struct Run<'a, B: Backend> {
    /// The images, (batch, height, width, channels).
    pub pixels: &'a Flat<B>,
    /// How many.
    pub batch: usize,
    /// All parameters, in their order.
    pub parameters: &'a [&'a Flat<B>],
    /// Whether normalizations use the batch's own statistics; with a tape they must.
    pub training: bool,
    /// The factors of every [`Operation::Scale`] that scales in this run, by step.
    pub factors: Vec<(usize, Vec<f32>)>,
}

/// What one run gave.
pub struct Outcome<B: Backend> {
    /// The values that were asked for.
    pub outputs: Vec<Flat<B>>,
    /// In training, the batch's statistics of every normalization, by step.
    pub statistics: Vec<(usize, BatchStatistics<B>)>,
}
