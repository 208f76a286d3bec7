//! Dynamic network surgery (Guo 2016): a weight is masked when it is small and comes back when it has grown. All weights
//! go on learning, so the dense ones are kept beside the network, which is their product with the masks.

use std::collections::BTreeMap;

use rand::RngExt;

use crate::error::{Error, Kind, Result};
use crate::network::{Executor, Graph, HostTensor, Model, ParameterSpec, Role, pattern};
use crate::random;
use crate::tensor::{Backend, Gradients};
use crate::train::optimizer::Tensors;

/// Masks that come and go.
pub struct Surgery {
    gamma: f64,
    power: f64,
    seed: u64,
    /// By the tensor's name.
    layers: BTreeMap<String, Layer>,
}

struct Layer {
    threshold: f64,
    dense: HostTensor,
}

impl Surgery {
    /// `dense` are the weights of a checkpoint; those of `start` when there is none. `settings` are c, γ and the power.
    pub(super) fn new(
        start: &Model,
        dense: Option<Tensors>,
        [c, gamma, power]: [f64; 3],
        ignore: &[String],
        own: &BTreeMap<String, f64>,
        seed: u64,
    ) -> Self {
        let mut layers = BTreeMap::new();
        let mut dense = dense.unwrap_or_default();
        for ParameterSpec { name, .. } in masked(&start.graph, ignore) {
            let layer = name.rsplit_once('.').map_or("", |(layer, _)| layer);
            let matching = own.iter().filter(|(own, _)| pattern::matches(own, layer));
            let c = matching.map(|(_, c)| *c).min_by(f64::total_cmp).unwrap_or(c);
            let tensor = &start.tensors[&name];
            let mask = start.masks.get(&name);
            let kept = tensor.data.iter().enumerate().filter(|(index, _)| mask.is_none_or(|mask| mask[*index]));
            let threshold = threshold(kept.map(|(_, weight)| *weight), c);
            let dense = dense.remove(&name).unwrap_or_else(|| tensor.clone());
            layers.insert(name, Layer { threshold, dense });
        }
        Self { gamma, power, seed, layers }
    }

    /// Gives every layer a mask; those of an earlier stage stay for now, but their weights may come back.
    pub(super) fn begin(&self, model: &mut Model) {
        for (name, layer) in &self.layers {
            model.masks.entry(name.clone()).or_insert_with(|| vec![true; layer.dense.data.len()]);
        }
    }

    /// Puts the dense weights in the place of the masked ones, for the optimizer to change by all of the gradient.
    pub(super) fn after_backward<B: Backend>(
        &self,
        network: &mut Executor<B>,
        gradients: &mut Gradients<f32, B>,
    ) -> Result<()> {
        for parameter in network.parameters_mut() {
            match (self.layers.get(&parameter.name), &parameter.mask) {
                (Some(layer), _) => B::overwrite(&mut parameter.tensor, &layer.dense.data)?,
                (None, Some(mask)) => B::mask_gradient(gradients, &parameter.tensor, mask)?,
                (None, None) => {}
            }
        }
        Ok(())
    }

    /// Takes the dense weights back, and changes masks if it is their turn.
    pub(super) fn after_step<B: Backend>(&mut self, step: u64, network: &mut Executor<B>) -> Result<()> {
        let probability = crate::math::powf(1.0 + self.gamma * step as f64, -self.power);
        for parameter in network.parameters_mut() {
            let Some(layer) = self.layers.get_mut(&parameter.name) else { continue };
            layer.dense.data = B::download(&parameter.tensor);
            let draw = random::generator(self.seed, &format!("surgery {}", parameter.name), 0, step).random::<f64>();
            if draw < probability {
                let on_device = parameter
                    .mask
                    .as_mut()
                    .ok_or_else(|| Error::new(Kind::Internal, format!("`{}` lost its mask", parameter.name)))?;
                let mut mask: Vec<bool> = B::download(on_device).iter().map(|kept| *kept != 0.0).collect();
                update(&layer.dense.data, &mut mask, layer.threshold);
                B::overwrite(on_device, &mask.iter().map(|kept| f32::from(u8::from(*kept))).collect::<Vec<_>>())?;
            }
        }
        Ok(())
    }

    pub(super) fn dense(&self) -> Tensors {
        self.layers.iter().map(|(name, layer)| (name.clone(), layer.dense.clone())).collect()
    }

    pub(super) fn check_finite(&self) -> Result<()> {
        for (name, layer) in &self.layers {
            if let Some(index) = layer.dense.data.iter().position(|value| !value.is_finite()) {
                let message = format!("tensor `{name}` holds {} at {index}", layer.dense.data[index]);
                return Err(Error::new(Kind::Diverged, message));
            }
        }
        Ok(())
    }
}

/// The tensors that surgery masks.
pub(super) fn masked(graph: &Graph, ignore: &[String]) -> impl Iterator<Item = ParameterSpec> {
    let ignored = |spec: &ParameterSpec| {
        let layer = spec.name.rsplit_once('.').map_or("", |(layer, _)| layer);
        ignore.iter().any(|ignored| pattern::matches(ignored, layer))
    };
    graph.parameters().into_iter().filter(move |spec| spec.role == Role::Weight && !ignored(spec))
}

/// t = max(μ + cσ, 0) of |w|, with the deviation of the whole population; 0 when there is no weight.
pub(super) fn threshold(weights: impl Iterator<Item = f32> + Clone, c: f64) -> f64 {
    let count = weights.clone().count().max(1) as f64;
    let mean = weights.clone().map(|weight| f64::from(weight.abs())).sum::<f64>() / count;
    let variance = weights.map(|weight| (f64::from(weight.abs()) - mean).powi(2)).sum::<f64>() / count;
    (mean + c * variance.sqrt()).max(0.0)
}

/// Masks weights with |w| ≤ 0.9 t and lets those with |w| > 1.1 t back; others stay as they are. The largest weight stays
/// where all would go.
pub(super) fn update(weights: &[f32], mask: &mut [bool], threshold: f64) {
    for (weight, kept) in weights.iter().zip(mask.iter_mut()) {
        let size = f64::from(weight.abs());
        if size <= 0.9 * threshold {
            *kept = false;
        } else if size > 1.1 * threshold {
            *kept = true;
        }
    }
    if !mask.contains(&true) {
        let largest = (0..weights.len()).rev().max_by(|a, b| weights[*a].abs().total_cmp(&weights[*b].abs()));
        largest.into_iter().for_each(|index| mask[index] = true);
    }
}
