//! Synaptic flow (Tanaka et al. 2020, "Pruning neural networks without any data by iteratively conserving synaptic flow"):
//! `w ∂R/∂w` with `R = 1ᵀ Π |W_l| 1`, the sum of the logits of an image of ones in the network of absolute weights.
//! No data is looked at.
//!
//! What the paper leaves open for networks that are more than weights and ReLU:
//!
//! - a batch normalization has running mean 0, variance 1, scale |γ| and shift 0; biases are 0;
//! - activations are the identity, as ReLU is on non-negative values; dropout and stochastic depth pass everything on;
//! - a product of two values (squeeze and excitation) is √(a b), which shares the flow through it equally between the
//!   two. A true product would double the degree of R with every gate, and a sigmoid would be flat at the values here, so
//!   that the gates would lose all of their weights first;
//! - max pooling is max pooling.
//!
//! So R is homogeneous of degree 1 in the weights of any layer that all paths cross, and their flows sum to R.
//!
//! In a deep network R leaves the range of `f32` and of `f64`. Scaling weights layer by layer would change the order of
//! scores where branches are added, so every value carries an exponent of its own ([`super::scaled`]), and scores are
//! divided by R: `w ∂ ln R / ∂w`, the weight's share of the flow, in [0, 1]. All scores are divided by the same number,
//! so their order is the paper's. When nothing flows (R = 0) all scores are 0.
//!
//! The paper scores and prunes in 100 rounds with an exponential schedule; rounds are the caller's.

use std::collections::BTreeMap;

use super::flow::{self, Input};
use super::scaled::{Scaled, sum};
use super::slices;
use crate::error::{Error, Kind, Result};
use crate::network::{Model, Shape};
use crate::prune::groups::Group;

/// The share of the flow of every weight of every convolution and linear layer, by the tensor's name.
pub(super) fn weights(model: &Model) -> Result<BTreeMap<String, Vec<f64>>> {
    let graph = &model.graph;
    let shapes = graph.shapes()?;
    let [height, width, channels] = graph.input;
    let image = (Shape::Map { height, width, channels }, Scaled::new(vec![1.0; height * width * channels], 0));
    let sources: Vec<Vec<Option<usize>>> =
        graph.layers.iter().map(|layer| layer.inputs.iter().map(|name| graph.index(name)).collect()).collect();
    let mut values: Vec<Scaled> = Vec::with_capacity(shapes.len());
    let inputs = |layer: usize, values: &[Scaled]| -> Vec<(Shape, Scaled)> {
        let input = |source: &Option<usize>| source.map_or_else(|| image.clone(), |i| (shapes[i], values[i].clone()));
        sources[layer].iter().map(input).collect()
    };
    for layer in 0..shapes.len() {
        let read = inputs(layer, &values);
        let read: Vec<Input> = read.iter().map(|(shape, value)| (*shape, value)).collect();
        values.push(flow::forward(model, layer, &read)?);
    }
    let logits = values.last().ok_or_else(|| Error::new(Kind::Internal, "a network without layers"))?;
    let total: f64 = logits.values.iter().map(|value| f64::from(*value)).sum();
    let total_exponent = logits.exponent;

    let mut gradients: Vec<Option<Scaled>> = vec![None; shapes.len()];
    gradients[shapes.len() - 1] = Some(Scaled::new(vec![1.0; logits.values.len()], 0));
    let mut scores = BTreeMap::new();
    for layer in (0..shapes.len()).rev() {
        // Every layer but the last is read by a later one.
        let Some(dy) = gradients[layer].take() else { continue };
        let read = inputs(layer, &values);
        let read: Vec<Input> = read.iter().map(|(shape, value)| (*shape, value)).collect();
        let first = sources[layer][0].is_none();
        let passed = flow::backward(model, layer, &read, first, &values[layer], &dy)?;
        for (source, gradient) in sources[layer].iter().zip(passed.inputs) {
            let Some(source) = source else { continue };
            let together = gradients[*source].take().map_or(gradient.clone(), |earlier| sum(&earlier, &gradient));
            gradients[*source] = Some(together);
        }
        if let Some(gradient) = passed.weight {
            let name = format!("{}.weight", graph.layers[layer].name);
            // The flow through one weight is at most R, so this exponent is only ever far below 0.
            let factor = 2f64.powi((gradient.exponent - total_exponent).clamp(-1000, 1000));
            let share = |(w, g): (&f32, &f32)| {
                if total > 0.0 { f64::from(w.abs()) * f64::from(*g) / total * factor } else { 0.0 }
            };
            let data = &slices::tensor(model, &name)?.data;
            scores.insert(name, data.iter().zip(&gradient.values).map(share).collect());
        }
    }
    Ok(scores)
}

/// The sum over the channel's rows in every layer that makes it.
pub(super) fn channels(model: &Model, groups: &[Group]) -> Result<Vec<Vec<f64>>> {
    let flows = weights(model)?;
    let score = |group: &Group| {
        let mut sums = vec![0.0; group.units];
        for member in group.makers(&model.graph) {
            let rows = slices::weight(model, member)?.dims[0];
            let flow = &flows[&format!("{}.weight", model.graph.layers[member.layer].name)];
            for (sum, channels) in sums.iter_mut().zip(&member.channels) {
                *sum += slices::rows(flow, rows, channels).sum::<f64>();
            }
        }
        Ok(sums)
    };
    groups.iter().map(score).collect()
}
