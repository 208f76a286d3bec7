//! The network of absolute weights that SynFlow runs: what each layer makes of non-negative values, and how gradients go
//! back through it. Convolutions, linear layers and pooling run on the processor's kernels; the rest is written out.

use super::scaled::{Scaled, common, sum};
use crate::error::{Error, Kind, Result};
use crate::network::{Model, Op, Shape};
use crate::tensor::geometry::{AdaptivePool, ChannelPadding, Convolution, Pool};
use crate::tensor::{self, Backend, Cpu, Flat, Gradients, NoneTape, Tape};

/// What a layer reads: shape and values.
pub(super) type Input<'a> = (Shape, &'a Scaled);

/// The gradients that a layer passes back: of each input, and of its weight if it has one.
pub(super) struct Passed {
    pub(super) inputs: Vec<Scaled>,
    pub(super) weight: Option<Scaled>,
}

/// What the layer with index `layer` makes of `inputs`.
pub(super) fn forward(model: &Model, layer: usize, inputs: &[Input]) -> Result<Scaled> {
    let layer = &model.graph.layers[layer];
    let (shape, x) = inputs[0];
    Ok(match &layer.op {
        Op::BatchNorm { .. } => Scaled::new(times_scale(x, &absolute(model, &layer.name)?), x.exponent),
        Op::Add => sum(x, inputs[1].1),
        Op::Multiply => {
            let (gate, run) = (inputs[1].1, x.values.len() / inputs[1].1.values.len());
            // √(2^e) must be a power of two.
            let odd = (x.exponent + gate.exponent) & 1;
            let values = x.values.iter().enumerate().map(|(index, value)| {
                let factor = gate.values[place_in_gate(index, gate.values.len(), run)];
                (f64::from(*value) * f64::from(factor) * f64::from(1 << odd)).sqrt() as f32
            });
            Scaled::new(values.collect(), (x.exponent + gate.exponent - odd) / 2)
        }
        Op::Concatenate => {
            let exponent = common(inputs.iter().map(|(_, scaled)| *scaled));
            let parts: Vec<(usize, Vec<f32>)> =
                inputs.iter().map(|(shape, scaled)| (shape.channels(), scaled.at(exponent))).collect();
            let rows = x.values.len() / shape.channels();
            let row = |row: usize| parts.iter().flat_map(move |(width, part)| &part[row * width..(row + 1) * width]);
            Scaled::new((0..rows).flat_map(row).copied().collect(), exponent)
        }
        op if passes_on(op) => x.clone(),
        op => {
            let weight = weight(model, &layer.name, op)?;
            let device = Cpu::default();
            let weight = weight.map(|weight| device.upload(&weight)).transpose()?;
            let y = run(op, &device.upload(&x.values)?, weight.as_ref(), shape, true, &mut NoneTape)?;
            Scaled::new(Cpu::download(&y), x.exponent)
        }
    })
}

/// The gradients behind `dy`, that of the layer's output `y`. That of a weight is only there for convolutions and linear
/// layers; that of the image is not worked out by them, and is zero.
pub(super) fn backward(
    model: &Model,
    layer: usize,
    inputs: &[Input],
    first: bool,
    y: &Scaled,
    dy: &Scaled,
) -> Result<Passed> {
    let layer = &model.graph.layers[layer];
    let (shape, x) = inputs[0];
    let only = |dx: Scaled| Ok(Passed { inputs: vec![dx], weight: None });
    match &layer.op {
        Op::BatchNorm { .. } => only(Scaled::new(times_scale(dy, &absolute(model, &layer.name)?), dy.exponent)),
        Op::Add => Ok(Passed { inputs: vec![dy.clone(), dy.clone()], weight: None }),
        Op::Multiply => {
            // y = √(a b): ∂y/∂a = y / 2a.
            let gate = inputs[1].1;
            let run = x.values.len() / gate.values.len();
            let share = |dy: f32, y: f32, factor: f32| {
                if factor > 0.0 { f64::from(dy) * f64::from(y) / (2.0 * f64::from(factor)) } else { 0.0 }
            };
            let terms = dy.values.iter().zip(&y.values);
            let dx = terms.clone().zip(&x.values).map(|((dy, y), x)| share(*dy, *y, *x) as f32).collect();
            let mut dgate = vec![0.0f64; gate.values.len()];
            for (index, (dy, y)) in terms.enumerate() {
                let place = place_in_gate(index, gate.values.len(), run);
                dgate[place] += share(*dy, *y, gate.values[place]);
            }
            let exponent = |input: &Scaled| dy.exponent + y.exponent - input.exponent;
            let dgate = dgate.into_iter().map(|value| value as f32).collect();
            Ok(Passed { inputs: vec![Scaled::new(dx, exponent(x)), Scaled::new(dgate, exponent(gate))], weight: None })
        }
        Op::Concatenate => {
            let width: usize = inputs.iter().map(|(shape, _)| shape.channels()).sum();
            let mut start = 0;
            let mut parts = Vec::new();
            for (shape, _) in inputs {
                let own = start..start + shape.channels();
                let part = dy.values.chunks(width).flat_map(|row| &row[own.clone()]).copied().collect();
                parts.push(Scaled::new(part, dy.exponent));
                start = own.end;
            }
            Ok(Passed { inputs: parts, weight: None })
        }
        op if passes_on(op) => only(dy.clone()),
        op => {
            let device = Cpu::default();
            let weight = weight(model, &layer.name, op)?.map(|weight| device.upload(&weight)).transpose()?;
            let x_tensor = device.upload(&x.values)?;
            let mut tape = tensor::tape(&device, Gradients::leaky())?;
            let y = run(op, &x_tensor, weight.as_ref(), shape, !first, &mut tape)?;
            // Σ dy · y as a linear layer with one row and one output.
            let total = Cpu::linear(&y, &device.upload(&dy.values)?, None, 1, true, &mut tape)?;
            let gradients = tensor::backward(device.weighted_sum(&[(1.0, total)], tape)?)?;
            let dx = if first && weight.is_some() {
                vec![0.0; x.values.len()]
            } else {
                Cpu::gradient(&gradients, &x_tensor)
            };
            let dweight = weight.map(|weight| Cpu::gradient(&gradients, &weight));
            Ok(Passed {
                inputs: vec![Scaled::new(dx, dy.exponent)],
                weight: dweight.map(|dweight| Scaled::new(dweight, dy.exponent + x.exponent)),
            })
        }
    }
}

/// Whether the layer leaves non-negative values as they are: activations in their linear form, random layers.
fn passes_on(op: &Op) -> bool {
    op.is_activation() || matches!(op, Op::Sigmoid | Op::Dropout { .. } | Op::StochasticDepth { .. })
}

/// Where in a gate (one value a channel, or as many as there are) the factor of value `index` is; `run` is how many values
/// share one.
fn place_in_gate(index: usize, length: usize, run: usize) -> usize {
    if run == 1 { index } else { index % length }
}

fn absolute(model: &Model, layer: &str) -> Result<Vec<f32>> {
    Ok(super::slices::tensor(model, &format!("{layer}.weight"))?.data.iter().map(|w| w.abs()).collect())
}

fn weight(model: &Model, layer: &str, op: &Op) -> Result<Option<Vec<f32>>> {
    matches!(op, Op::Convolution { .. } | Op::Linear { .. }).then(|| absolute(model, layer)).transpose()
}

/// Values (positions, channels) times one scale a channel.
fn times_scale(x: &Scaled, scale: &[f32]) -> Vec<f32> {
    x.values.iter().enumerate().map(|(index, value)| value * scale[index % scale.len()]).collect()
}

/// One image through a layer that has a kernel of its own, without bias.
fn run<T: Tape<f32, Cpu>>(
    op: &Op,
    x: &Flat<Cpu>,
    weight: Option<&Flat<Cpu>>,
    shape: Shape,
    input_gradient: bool,
    tape: &mut T,
) -> Result<Flat<Cpu>> {
    let missing = || Error::new(Kind::Internal, "a layer has no weight or no window");
    let input = match shape {
        Shape::Map { height, width, .. } => [height, width],
        Shape::Vector { .. } => [1, 1],
    };
    let (batch, channels) = (1, shape.channels());
    match *op {
        Op::Convolution { in_channels, out_channels, groups, .. } => {
            let window = op.window().ok_or_else(missing)?;
            let geometry = Convolution { batch, input, in_channels, out_channels, window, groups };
            Cpu::convolution(x, weight.ok_or_else(missing)?, None, &geometry, input_gradient, tape)
        }
        Op::Linear { .. } => Cpu::linear(x, weight.ok_or_else(missing)?, None, batch, input_gradient, tape),
        Op::MaxPool { .. } | Op::AveragePool { .. } => {
            let geometry = Pool { batch, input, channels, window: op.window().ok_or_else(missing)? };
            let max = matches!(op, Op::MaxPool { .. });
            if max { Cpu::max_pool(x, &geometry, tape) } else { Cpu::average_pool(x, &geometry, tape) }
        }
        Op::AdaptiveAveragePool { output } => {
            Cpu::adaptive_average_pool(x, &AdaptivePool { batch, input, output, channels }, tape)
        }
        Op::GlobalAveragePool => Cpu::global_average_pool(x, batch, channels, tape),
        Op::Flatten => Cpu::flatten(x, batch, channels, tape),
        Op::PadShortcut { stride, in_channels, out_channels, before } => {
            let before = before.unwrap_or((out_channels - in_channels) / 2);
            let geometry = ChannelPadding { batch, input, in_channels, out_channels, before, stride };
            Cpu::pad_shortcut(x, &geometry, tape)
        }
        _ => Err(Error::new(Kind::Internal, "a layer that SynFlow does not know")),
    }
}
