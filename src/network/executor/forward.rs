//! The pass through the layers.

use rand::RngExt;
use rayon::prelude::*;

use super::{Executor, Parameter};
use crate::error::{Error, Kind, Result};
use crate::network::graph::Op;
use crate::network::shapes::Shape;
use crate::tensor::backend::length;
use crate::tensor::geometry::{AdaptivePool, ChannelPadding, Convolution, Pool};
use crate::tensor::ops::activation::Activation;
use crate::tensor::ops::batch_norm::{BatchStatistics, Normalization};
use crate::tensor::{Backend, Flat, NoneTape, Tape};

/// Where normalizations take their statistics from, and what random layers do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode<'a> {
    /// From the batch, and they are handed out for the running averages. Random layers draw from what is given, and
    /// pass everything on when nothing is.
    Train(Option<Draws<'a>>),
    /// From the running averages; random layers pass everything on. Gradients flow all the same if there is a tape.
    Evaluate,
}

/// What decides the draws of random layers: every image has its own, whatever batch it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draws<'a> {
    /// Of the stage.
    pub seed: u64,
    /// From 0.
    pub epoch: u64,
    /// The index of every image of the batch in its set.
    pub samples: &'a [u32],
}

impl Draws<'_> {
    /// For each image `count` factors, 0 with probability `rate` and else `1 / (1 - rate)`.
    pub(super) fn factors(&self, layer: &str, rate: f32, count: usize) -> Vec<f32> {
        let kept = 1.0 / (1.0 - rate);
        let purpose = format!("drop {layer}");
        let of_image = |sample: &u32| {
            let mut random = crate::random::generator(self.seed, &purpose, self.epoch, u64::from(*sample));
            (0..count).map(|_| if random.random::<f32>() < rate { 0.0 } else { kept }).collect::<Vec<f32>>()
        };
        self.samples.par_iter().flat_map_iter(of_image).collect()
    }
}

/// What a pass gave.
#[derive(Debug)]
pub struct Forward<B: Backend> {
    /// The output of the last layer, (batch, classes).
    pub logits: Flat<B>,
    /// The outputs of the layers that were to be kept, in the order asked for. They are on the tape: a loss computed
    /// from one reaches the parameters before it.
    pub kept: Vec<(usize, Flat<B>)>,
    /// In training, the batch's statistics of every normalization, by layer.
    pub statistics: Vec<(usize, BatchStatistics<B>)>,
}

/// The values of one pass, freed once nothing reads them any more.
struct Values<B: Backend> {
    image: Flat<B>,
    layers: Vec<Option<Flat<B>>>,
    readers: Vec<usize>,
}

impl<B: Backend> Executor<B> {
    /// Runs the network on `batch` images, `pixels` (batch, height, width, channels), and records on `tape`.
    ///
    /// The outputs of the layers with the indices `keep` are handed out too. Layers before the first parameter are not
    /// recorded.
    ///
    /// Training with a tape and evaluation without one are done by the device's engine, if it has one for this network.
    ///
    /// # Errors
    /// When sizes are wrong, and when the device has no room.
    pub fn forward<T: Tape<f32, B>>(
        &self,
        pixels: Flat<B>,
        batch: usize,
        mode: Mode<'_>,
        keep: &[usize],
        tape: &mut T,
    ) -> Result<Forward<B>> {
        self.check(&pixels, batch, keep)?;
        if T::OWNS_TAPE == matches!(mode, Mode::Train(_))
            && let Some(forward) = self.run_engine(&pixels, batch, mode, keep, tape)?
        {
            return Ok(forward);
        }
        self.forward_by_operations(pixels, batch, mode, keep, tape)
    }

    /// As [`Executor::forward`], each operation on its own: the reference for engines. A normalization or a sum is
    /// computed in one pass with the ReLU behind it, unless it is in `keep`.
    ///
    /// # Errors
    /// As [`Executor::forward`].
    pub fn forward_by_operations<T: Tape<f32, B>>(
        &self,
        pixels: Flat<B>,
        batch: usize,
        mode: Mode<'_>,
        keep: &[usize],
        tape: &mut T,
    ) -> Result<Forward<B>> {
        self.check(&pixels, batch, keep)?;
        let nodes = &self.plan.nodes;
        let last = nodes.len() - 1;
        let mut readers: Vec<usize> = nodes.iter().map(|node| node.readers).collect();
        keep.iter().chain([&last]).for_each(|index| readers[*index] += 1);
        let mut values = Values { image: pixels, layers: vec![None; nodes.len()], readers };
        let mut statistics = Vec::new();
        for (index, node) in nodes.iter().enumerate() {
            if values.layers[index].is_some() {
                // A ReLU computed with the layer before it.
                continue;
            }
            let relu = node.relu.filter(|_| !keep.contains(&index));
            let inputs: Vec<&Flat<B>> = node.inputs.iter().map(|input| values.get(*input)).collect::<Result<_>>()?;
            let (output, batch_statistics) = if node.needs_gradient {
                self.run_layer(index, &inputs, batch, mode, relu.is_some(), tape)?
            } else {
                self.run_layer(index, &inputs, batch, mode, relu.is_some(), &mut NoneTape)?
            };
            statistics.extend(batch_statistics.map(|statistics| (index, statistics)));
            values.layers[relu.unwrap_or(index)] = Some(output);
            node.inputs.iter().flatten().for_each(|input| values.release(*input));
        }
        let kept = keep.iter().map(|index| Ok((*index, values.get(Some(*index))?.clone()))).collect::<Result<_>>()?;
        Ok(Forward { logits: values.get(Some(last))?.clone(), kept, statistics })
    }

    /// Fails unless the images and the layers asked for are there.
    fn check(&self, pixels: &Flat<B>, batch: usize, keep: &[usize]) -> Result<()> {
        if batch == 0 || batch.checked_mul(self.plan.image.size()) != Some(length(pixels)) {
            let message = format!("{} pixels for {batch} images of {}", length(pixels), self.plan.image);
            return Err(Error::new(Kind::Internal, message));
        }
        if let Some(index) = keep.iter().find(|index| **index >= self.plan.nodes.len()) {
            return Err(Error::new(
                Kind::Internal,
                format!("layer {index} of {} was to be kept", self.plan.nodes.len()),
            ));
        }
        Ok(())
    }

    fn run_layer<T: Tape<f32, B>>(
        &self,
        index: usize,
        inputs: &[&Flat<B>],
        batch: usize,
        mode: Mode<'_>,
        relu: bool,
        tape: &mut T,
    ) -> Result<(Flat<B>, Option<BatchStatistics<B>>)> {
        let (node, op) = (&self.plan.nodes[index], &self.graph.layers[index].op);
        let (x, source) = (inputs[0], node.inputs[0]);
        let input_gradient = source.is_some_and(|input| self.plan.nodes[input].needs_gradient);
        let shape = source.map_or(self.plan.image, |input| self.plan.nodes[input].shape);
        let parameter = |offset: usize| -> &Parameter<B> { &self.parameters[node.first_parameter + offset] };
        let biased = |bias: bool| bias.then(|| &parameter(1).tensor);
        let channels = shape.channels();
        let output = match *op {
            Op::Convolution { in_channels, out_channels, groups, bias, .. } => {
                let (input, window) = (image_size(shape), op.window());
                let window = window.ok_or_else(|| Error::new(Kind::Internal, "a convolution without a window"))?;
                let geometry = Convolution { batch, input, in_channels, out_channels, window, groups };
                B::convolution(x, &parameter(0).tensor, biased(bias), &geometry, input_gradient, tape)?
            }
            Op::Linear { bias, .. } => B::linear(x, &parameter(0).tensor, biased(bias), batch, input_gradient, tape)?,
            Op::BatchNorm { channels, epsilon, .. } => {
                let settings = Normalization { channels, epsilon, relu };
                let [weight, bias, mean, variance] = [0, 1, 2, 3].map(|offset| &parameter(offset).tensor);
                if let Mode::Train(_) = mode {
                    let (y, statistics) = B::batch_norm(x, weight, bias, &settings, tape)?;
                    return Ok((y, Some(statistics)));
                }
                B::batch_norm_frozen(x, weight, bias, mean, variance, &settings, tape)?
            }
            Op::Relu => B::relu(x, tape)?,
            Op::Relu6 => B::activation(x, Activation::Relu6, tape)?,
            Op::Silu => B::activation(x, Activation::Silu, tape)?,
            Op::HardSwish => B::activation(x, Activation::HardSwish, tape)?,
            Op::Sigmoid => B::activation(x, Activation::Sigmoid, tape)?,
            Op::Dropout { rate } | Op::StochasticDepth { rate } => match mode {
                Mode::Train(Some(draws)) if rate > 0.0 => {
                    let whole = matches!(op, Op::StochasticDepth { .. });
                    let run = if whole { shape.size() } else { 1 };
                    let factors = draws.factors(&self.graph.layers[index].name, rate, shape.size() / run);
                    B::scale(x, &self.device.upload(&factors)?, run, tape)?
                }
                _ => x.clone(),
            },
            Op::Multiply if length(x) == length(inputs[1]) => B::product(x, inputs[1], tape)?,
            Op::Multiply => B::gate(x, inputs[1], batch, channels, tape)?,
            Op::Concatenate => {
                let shapes =
                    node.inputs.iter().map(|input| input.map_or(self.plan.image, |i| self.plan.nodes[i].shape));
                let channels: Vec<usize> = shapes.map(|shape| shape.channels()).collect();
                B::concatenate(inputs, &channels, tape)?
            }
            Op::AdaptiveAveragePool { output } => {
                let geometry = AdaptivePool { batch, input: image_size(shape), output, channels };
                B::adaptive_average_pool(x, &geometry, tape)?
            }
            Op::Add => B::add(x, inputs[1], relu, tape)?,
            Op::MaxPool { .. } | Op::AveragePool { .. } => {
                let (input, window) = (image_size(shape), op.window());
                let window = window.ok_or_else(|| Error::new(Kind::Internal, "a pooling without a window"))?;
                let geometry = Pool { batch, input, channels, window };
                let max = matches!(op, Op::MaxPool { .. });
                if max { B::max_pool(x, &geometry, tape)? } else { B::average_pool(x, &geometry, tape)? }
            }
            Op::GlobalAveragePool => B::global_average_pool(x, batch, channels, tape)?,
            Op::Flatten => B::flatten(x, batch, channels, tape)?,
            Op::PadShortcut { stride, in_channels, out_channels, before } => {
                let before = before.unwrap_or((out_channels - in_channels) / 2);
                let input = image_size(shape);
                let geometry = ChannelPadding { batch, input, in_channels, out_channels, before, stride };
                B::pad_shortcut(x, &geometry, tape)?
            }
        };
        Ok((output, None))
    }
}

impl<B: Backend> Values<B> {
    fn get(&self, layer: Option<usize>) -> Result<&Flat<B>> {
        let Some(index) = layer else { return Ok(&self.image) };
        self.layers[index].as_ref().ok_or_else(|| Error::new(Kind::Internal, format!("layer {index} has no value")))
    }

    fn release(&mut self, layer: usize) {
        self.readers[layer] -= 1;
        if self.readers[layer] == 0 {
            self.layers[layer] = None;
        }
    }
}

pub(super) fn image_size(shape: Shape) -> [usize; 2] {
    match shape {
        Shape::Map { height, width, .. } => [height, width],
        Shape::Vector { .. } => [1, 1],
    }
}
