//! The one bound that all of pleach's numerical code is written against.

use dfdx::prelude::{Backward, Device, HasShape, NoneTape, ReshapeTo, SplitTape, Trace};

use super::engine::{Outcome, Program, Run};
use super::geometry::{AdaptivePool, ChannelPadding, Convolution, Pool};
use super::memory::Memory;
use super::ops::activation::Activation;
use super::ops::batch_norm::{BatchStatistics, Normalization};
use super::ops::correlation::Correlation;
use super::ops::decoupled::Decoupled;
use super::ops::optimizer::{AdamUpdate, SgdUpdate};
use super::ops::relations::RelationWeights;
use super::{Flat, Gradients, OwnedTape, Scalar, Tape};
use crate::error::{Error, Result};

/// A device that networks run on: dfdx's own operations and ours.
///
/// Operations with a `tape` are differentiable. They record how the gradient of their output adds to the gradients of
/// their inputs; with a [`super::NoneTape`] nothing is recorded or kept. The gradient of an intermediate value is freed
/// as soon as it has been passed on, so after [`backward`] only leaves (parameters, inputs) have one.
///
/// Every operation fails with `Kind::DeviceMemory` when the device has no room, and with `Kind::Internal` when a tensor
/// has not the length that its geometry says. The mathematics of each is told in its module under [`super::ops`].
pub trait Backend: Device<f32> {
    /// What the device is called in records and messages.
    const NAME: &'static str;

    /// Training looks at losses every so many steps. A device that computes while the host goes on has more than 1, so that
    /// the host does not wait for it in every step.
    const LOOK_EVERY: usize;

    /// What runs whole networks; see [`super::engine`].
    type Engine: std::fmt::Debug + 'static;

    /// The engine for a program; none if the device has none for some of its operations.
    fn engine(program: Program) -> Option<Self::Engine>;

    /// Runs a program and records on `tape`, in training, how gradients flow back to parameters.
    fn run<T: Tape<f32, Self>>(engine: &Self::Engine, run: Run<Self>, tape: &mut T) -> Result<Outcome<Self>>;

    /// How much memory it has; `None` if it does not say.
    fn memory(&self) -> Option<Memory>;

    /// Gives back the memory that it keeps for tensors to come.
    fn release(&self) -> Result<()>;

    /// A device's error in pleach's terms.
    fn error(error: Self::Err) -> Error;

    /// Copies host values onto the device.
    fn upload(&self, values: &[f32]) -> Result<Flat<Self>>;
    /// Copies a tensor's values to the host.
    fn download(tensor: &Flat<Self>) -> Vec<f32>;
    /// Overwrites a tensor's values in place; it stays the same tensor for tape, gradients and optimizer.
    fn overwrite(tensor: &mut Flat<Self>, values: &[f32]) -> Result<()>;
    /// As [`overwrite`](Self::overwrite), while the device still works on what it was given before: it sees the old values
    /// there, and the new ones in all that it is given from now on. Other handles of the same tensor may show either, so
    /// nobody else is to have one.
    fn stream_in(tensor: &mut Flat<Self>, values: &[f32]) -> Result<()>;
    /// `tensor *= factors`, value by value and in place; how a mask is laid over weights. A factor of 0 gives +0 whatever
    /// the value.
    fn multiply(tensor: &mut Flat<Self>, factors: &Flat<Self>) -> Result<()>;

    /// Convolution, also grouped, depthwise and dilated; see [`super::ops::convolution`]. `input_gradient` is false for a
    /// network's first layer.
    fn convolution<T: Tape<f32, Self>>(
        x: &Flat<Self>,
        weight: &Flat<Self>,
        bias: Option<&Flat<Self>>,
        geometry: &Convolution,
        input_gradient: bool,
        tape: &mut T,
    ) -> Result<Flat<Self>>;

    /// `y = x Wᵀ + b`, x (B, I), weight (O, I), bias (O); see [`super::ops::linear`].
    fn linear<T: Tape<f32, Self>>(
        x: &Flat<Self>,
        weight: &Flat<Self>,
        bias: Option<&Flat<Self>>,
        batch: usize,
        input_gradient: bool,
        tape: &mut T,
    ) -> Result<Flat<Self>>;

    /// Batch normalization with the batch's own statistics; see [`super::ops::batch_norm`].
    fn batch_norm<T: Tape<f32, Self>>(
        x: &Flat<Self>,
        weight: &Flat<Self>,
        bias: &Flat<Self>,
        settings: &Normalization,
        tape: &mut T,
    ) -> Result<(Flat<Self>, BatchStatistics<Self>)>;

    /// Moves running averages towards a batch; see [`super::ops::batch_norm`].
    fn update_statistics(
        running_mean: &mut Flat<Self>,
        running_variance: &mut Flat<Self>,
        batch: &BatchStatistics<Self>,
        momentum: f32,
    ) -> Result<()>;

    /// Batch normalization with given running statistics, which are constants to the gradient.
    fn batch_norm_frozen<T: Tape<f32, Self>>(
        x: &Flat<Self>,
        weight: &Flat<Self>,
        bias: &Flat<Self>,
        mean: &Flat<Self>,
        variance: &Flat<Self>,
        settings: &Normalization,
        tape: &mut T,
    ) -> Result<Flat<Self>>;

    /// `max(x, 0)`; see [`super::ops::relu`].
    fn relu<T: Tape<f32, Self>>(x: &Flat<Self>, tape: &mut T) -> Result<Flat<Self>>;

    /// One of the other activation functions; see [`super::ops::activation`].
    fn activation<T: Tape<f32, Self>>(x: &Flat<Self>, function: Activation, tape: &mut T) -> Result<Flat<Self>>;

    /// `a · b`, value by value; the same tensor may be given twice. See [`super::ops::product`].
    fn product<T: Tape<f32, Self>>(a: &Flat<Self>, b: &Flat<Self>, tape: &mut T) -> Result<Flat<Self>>;

    /// `x` (batch, positions, channels) times `gate` (batch, channels); see [`super::ops::gate`].
    fn gate<T: Tape<f32, Self>>(
        x: &Flat<Self>,
        gate: &Flat<Self>,
        batch: usize,
        channels: usize,
        tape: &mut T,
    ) -> Result<Flat<Self>>;

    /// Value i times the constant `factors[i / run]`: dropout (`run` 1) and stochastic depth (`run` an image); see
    /// [`super::ops::scale`].
    fn scale<T: Tape<f32, Self>>(x: &Flat<Self>, factors: &Flat<Self>, run: usize, tape: &mut T) -> Result<Flat<Self>>;

    /// Inputs (rows, channels of each), beside each other: (rows, all channels); see [`super::ops::concatenate`].
    fn concatenate<T: Tape<f32, Self>>(inputs: &[&Flat<Self>], channels: &[usize], tape: &mut T) -> Result<Flat<Self>>;

    /// The mean over windows that give an output of a set size; see [`super::ops::adaptive_pool`].
    fn adaptive_average_pool<T: Tape<f32, Self>>(
        x: &Flat<Self>,
        geometry: &AdaptivePool,
        tape: &mut T,
    ) -> Result<Flat<Self>>;

    /// `a + b`, then `max(·, 0)` if `relu`; the same tensor may be given twice. See [`super::ops::add`].
    fn add<T: Tape<f32, Self>>(a: &Flat<Self>, b: &Flat<Self>, relu: bool, tape: &mut T) -> Result<Flat<Self>>;

    /// The largest value in each window; see [`super::ops::pool`].
    fn max_pool<T: Tape<f32, Self>>(x: &Flat<Self>, geometry: &Pool, tape: &mut T) -> Result<Flat<Self>>;

    /// The mean of each window, padding counted as zeros; see [`super::ops::pool`].
    fn average_pool<T: Tape<f32, Self>>(x: &Flat<Self>, geometry: &Pool, tape: &mut T) -> Result<Flat<Self>>;

    /// The mean over all positions: (batch, positions, channels) to (batch, channels); see [`super::ops::pool`].
    fn global_average_pool<T: Tape<f32, Self>>(
        x: &Flat<Self>,
        batch: usize,
        channels: usize,
        tape: &mut T,
    ) -> Result<Flat<Self>>;

    /// (batch, positions, channels) to (batch, channels · positions), PyTorch's order; see [`super::ops::flatten`].
    fn flatten<T: Tape<f32, Self>>(x: &Flat<Self>, batch: usize, channels: usize, tape: &mut T) -> Result<Flat<Self>>;

    /// ResNet's shortcut without parameters; see [`super::ops::pad_shortcut`].
    fn pad_shortcut<T: Tape<f32, Self>>(x: &Flat<Self>, geometry: &ChannelPadding, tape: &mut T) -> Result<Flat<Self>>;

    /// Mean cross entropy with label smoothing, one number; see [`super::ops::cross_entropy`].
    fn cross_entropy<T: Tape<f32, Self>>(
        logits: &Flat<Self>,
        labels: &[u32],
        smoothing: f32,
        tape: &mut T,
    ) -> Result<Flat<Self>>;

    /// As [`cross_entropy`](Self::cross_entropy) for images that are mixed of two: `second` has the class of the other
    /// image, `shares` (0 to 1) how much of it there is.
    fn mixed_cross_entropy<T: Tape<f32, Self>>(
        logits: &Flat<Self>,
        labels: &[u32],
        second: &[u32],
        shares: &[f32],
        smoothing: f32,
        tape: &mut T,
    ) -> Result<Flat<Self>>;

    /// `T² KL(p_t^T ‖ p_s^T)` averaged over the batch, one number; see [`super::ops::distillation`].
    fn distillation<T: Tape<f32, Self>>(
        student: &Flat<Self>,
        teacher: &Flat<Self>,
        classes: usize,
        temperature: f32,
        tape: &mut T,
    ) -> Result<Flat<Self>>;

    /// Each row less its mean and divided by its standard deviation; see [`super::ops::standardize`].
    fn standardize<T: Tape<f32, Self>>(logits: &Flat<Self>, classes: usize, tape: &mut T) -> Result<Flat<Self>>;

    /// The mean of `(student − teacher)²`, one number; see [`super::ops::squared_error`].
    fn squared_error<T: Tape<f32, Self>>(
        student: &Flat<Self>,
        teacher: &Flat<Self>,
        tape: &mut T,
    ) -> Result<Flat<Self>>;

    /// How far two attention maps are apart, for features (batch, positions, channels) of any two numbers of channels; one
    /// number. See [`super::ops::attention`].
    fn attention<T: Tape<f32, Self>>(
        student: &Flat<Self>,
        teacher: &Flat<Self>,
        batch: usize,
        positions: usize,
        tape: &mut T,
    ) -> Result<Flat<Self>>;

    /// How far the flow from one layer to another differs, for features (batch, positions, `channels`) of two layers on each
    /// side; one number. See [`super::ops::flow`].
    fn flow<T: Tape<f32, Self>>(
        student: [&Flat<Self>; 2],
        teacher: [&Flat<Self>; 2],
        batch: usize,
        channels: [usize; 2],
        tape: &mut T,
    ) -> Result<Flat<Self>>;

    /// How far the similarities between the images of a batch differ, for features (batch, anything); one number. See
    /// [`super::ops::similarity`].
    fn similarity<T: Tape<f32, Self>>(
        student: &Flat<Self>,
        teacher: &Flat<Self>,
        batch: usize,
        tape: &mut T,
    ) -> Result<Flat<Self>>;

    /// The negative log likelihood of the teacher's feature under a normal distribution, one number: `mean` and `teacher`
    /// (anything, channels), `scale` (channels). See [`super::ops::variational`].
    fn variational<T: Tape<f32, Self>>(
        mean: &Flat<Self>,
        scale: &Flat<Self>,
        teacher: &Flat<Self>,
        tape: &mut T,
    ) -> Result<Flat<Self>>;

    /// How far the distances and angles between the images of a batch differ, for features (batch, anything), weighted;
    /// one number. See [`super::ops::relations`].
    fn relations<T: Tape<f32, Self>>(
        student: &Flat<Self>,
        teacher: &Flat<Self>,
        batch: usize,
        weights: &RelationWeights,
        tape: &mut T,
    ) -> Result<Flat<Self>>;

    /// Distillation with the right class apart from the others, one number; see [`super::ops::decoupled`].
    fn decoupled<T: Tape<f32, Self>>(
        student: &Flat<Self>,
        teacher: &Flat<Self>,
        labels: &[u32],
        settings: &Decoupled,
        tape: &mut T,
    ) -> Result<Flat<Self>>;

    /// Distillation by correlation within images and within classes, one number; see [`super::ops::correlation`].
    fn correlation<T: Tape<f32, Self>>(
        student: &Flat<Self>,
        teacher: &Flat<Self>,
        classes: usize,
        settings: &Correlation,
        tape: &mut T,
    ) -> Result<Flat<Self>>;

    /// `scale · Σ |x|`, one number; see [`super::ops::absolute_sum`].
    fn absolute_sum<T: Tape<f32, Self>>(x: &Flat<Self>, scale: f32, tape: &mut T) -> Result<Flat<Self>>;

    /// `scale · Σ_g ‖x_g‖₂` over the rows of `x`, one number; see [`super::ops::rows`].
    fn row_norm_sum<T: Tape<f32, Self>>(x: &Flat<Self>, rows: usize, scale: f32, tape: &mut T) -> Result<Flat<Self>>;

    /// `½ Σ_g strengths[g] ‖x_g‖²` over the rows of `x`, one number; see [`super::ops::rows`].
    fn row_square_sum<T: Tape<f32, Self>>(x: &Flat<Self>, strengths: &[f32], tape: &mut T) -> Result<Flat<Self>>;

    /// `x_g ← x_g · max(0, 1 − threshold / ‖x_g‖₂)` for every row of `x`, in place; see [`super::ops::rows`].
    fn shrink_rows(x: &mut Flat<Self>, rows: usize, threshold: f32) -> Result<()>;

    /// `scale · (t Σ |γ| − Σ |γ − mean γ|)` over all values of `inputs`, one number; see [`super::ops::polarization`].
    fn polarization<T: Tape<f32, Self>>(inputs: &[&Flat<Self>], scale: f32, t: f32, tape: &mut T)
    -> Result<Flat<Self>>;

    /// `Σ weight · term` over terms of length 1, with the tape put on; see [`super::ops::weighted_sum`].
    fn weighted_sum<T: Tape<f32, Self>>(&self, terms: &[(f32, Flat<Self>)], tape: T) -> Result<Scalar<Self, T>>;

    /// The gradient of `tensor`, which must be a leaf that `gradients` was allocated for, or that took part in
    /// [`backward`] without being an operation's output.
    fn gradient(gradients: &Gradients<f32, Self>, tensor: &Flat<Self>) -> Vec<f32>;
    /// Adds `values` to the gradient of `tensor`.
    fn add_to_gradient(gradients: &mut Gradients<f32, Self>, tensor: &Flat<Self>, values: &[f32]) -> Result<()>;
    /// Multiplies the gradient of `tensor` by `factor`.
    fn scale_gradient(gradients: &mut Gradients<f32, Self>, tensor: &Flat<Self>, factor: f32) -> Result<()>;
    /// Multiplies the gradient of `tensor` by `mask`, value by value.
    fn mask_gradient(gradients: &mut Gradients<f32, Self>, tensor: &Flat<Self>, mask: &Flat<Self>) -> Result<()>;
    /// The sum of squares of the gradients of all `tensors`, in `f64` and in order: one number is read from the device.
    fn gradients_square_sum(gradients: &mut Gradients<f32, Self>, tensors: &[&Flat<Self>]) -> Result<f64>;

    /// One step of stochastic gradient descent as `torch.optim.SGD`, for many parameters; see [`super::ops::optimizer`].
    fn sgd_steps(updates: &mut [SgdUpdate<Self>], gradients: &mut Gradients<f32, Self>) -> Result<()>;

    /// One step of `torch.optim.Adam` or `AdamW`, for many parameters; see [`super::ops::optimizer`].
    fn adam_steps(updates: &mut [AdamUpdate<Self>], gradients: &mut Gradients<f32, Self>) -> Result<()>;

    /// How many rows of `logits` (labels, `classes`) have the highest logit at their label, one number; see
    /// [`super::ops::ranking`].
    fn count_right(logits: &Flat<Self>, labels: &[u32], classes: usize) -> Result<Flat<Self>>;
}

/// A tape that adds to `gradients`, such as those of an executor's `alloc_gradients`.
pub fn tape<B: Backend>(device: &B, gradients: Gradients<f32, B>) -> Result<OwnedTape<f32, B>> {
    // dfdx builds a tape over existing gradients only by tracing a tensor.
    let (_, tape) = device.upload(&[0.0])?.traced(gradients).split_tape();
    Ok(tape)
}

/// A tensor of `values`, in the memory of `slot` if that has as many; what was in it before is overwritten.
pub fn refill<B: Backend>(device: &B, slot: &mut Option<Flat<B>>, values: &[f32]) -> Result<Flat<B>> {
    match slot {
        Some(tensor) if length(tensor) == values.len() => B::stream_in(tensor, values)?,
        _ => *slot = Some(device.upload(values)?),
    }
    Ok(slot.clone().expect("it was just filled"))
}

/// Runs the tape backwards from `loss` and returns the gradients of the leaves.
pub fn backward<B: Backend>(loss: Scalar<B, OwnedTape<f32, B>>) -> Result<Gradients<f32, B>> {
    loss.try_backward().map_err(B::error)
}

/// A loss as a tensor of length 1, without its tape; nothing is copied.
pub fn value<B: Backend, T: Tape<f32, B>>(loss: &Scalar<B, T>) -> Result<Flat<B>> {
    loss.retaped::<NoneTape>().try_reshape_like(&(1,)).map_err(B::error)
}

/// The values of tensors of length 1, read from the device together.
pub fn numbers<B: Backend>(tensors: &[&Flat<B>]) -> Result<Vec<f32>> {
    match tensors {
        [] => Ok(Vec::new()),
        [one] => Ok(B::download(one)),
        many => Ok(B::download(&B::concatenate(many, &vec![1; many.len()], &mut NoneTape)?)),
    }
}

/// How many values a flat tensor holds.
pub(crate) fn length<B: Backend>(tensor: &Flat<B>) -> usize {
    tensor.shape().0
}
