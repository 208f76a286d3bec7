//! A model on a device.
//!
//! - this file: parameters up and down, gradients, masks, running statistics
//! - `plan`: what is worked out about a graph once, before it runs
//! - [`forward`]: the pass through the layers, operation by operation
//! - `engines`: the same pass as one operation, where the device has an engine for it; `lower`: from layers to its program

mod engines;
pub mod forward;
mod lower;
mod plan;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use dfdx::optim::UnusedTensors;

use super::graph::{Graph, Op};
use super::model::{HostTensor, Model};
use super::parameters::Role;
use super::shapes::Shape;
use crate::error::{Error, Kind, Result};
use crate::tensor::engine::Precision;
use crate::tensor::{Backend, Flat, Gradients};
use engines::Engines;
pub use forward::{Draws, Forward, Mode};
use plan::Plan;

/// A tensor of the network on its device.
#[derive(Debug, Clone)]
pub struct Parameter<B: Backend> {
    /// The layer's name, a dot, and PyTorch's name of the tensor.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// PyTorch's dimensions.
    pub dims: Vec<usize>,
    /// The values. Optimizers change them in place; another tensor put here would be unknown to allocated gradients.
    pub tensor: Flat<B>,
    /// 0 where a weight is held at zero and 1 elsewhere; none if nothing is held.
    pub mask: Option<Flat<B>>,
}

/// A network on a device: runs forward on a tape, and holds the parameters that gradients are for.
#[derive(Debug)]
pub struct Executor<B: Backend> {
    graph: Graph,
    plan: Plan,
    parameters: Vec<Parameter<B>>,
    engines: Engines<B>,
    device: B,
    /// Of products of matrices in training.
    precision: Precision,
}

impl<B: Backend> Executor<B> {
    /// Puts a model's tensors and masks on `device`. Fails if the graph is not sound, a tensor is missing or has other
    /// dimensions than the graph asks for (`Kind::Internal`), or the device has no room.
    pub fn new(model: &Model, device: &B) -> Result<Self> {
        let graph = model.graph.clone();
        let plan = Plan::new(&graph)?;
        let mut parameters = Vec::new();
        for spec in graph.parameters() {
            let tensor = model.tensors.get(&spec.name);
            let tensor = tensor
                .filter(|tensor| tensor.dims == spec.dims && tensor.data.len() == spec.dims.iter().product::<usize>())
                .ok_or_else(|| Error::new(Kind::Internal, format!("tensor `{}` does not fit its layer", spec.name)))?;
            let mask =
                model.masks.get(&spec.name).map(|mask| upload_mask(mask, tensor, &spec.name, device)).transpose()?;
            let tensor = device.upload(&tensor.data)?;
            parameters.push(Parameter { name: spec.name, role: spec.role, dims: spec.dims, tensor, mask });
        }
        Ok(Self {
            graph,
            plan,
            parameters,
            engines: Engines::default(),
            device: device.clone(),
            precision: Precision::F32,
        })
    }

    /// The same, with products of matrices computed in `precision` when it trains, where the device can; evaluation is
    /// always in `f32`.
    pub fn with_precision(self, precision: Precision) -> Self {
        Self { precision, engines: Engines::default(), ..self }
    }

    /// The network as it is now, on the host.
    pub fn download(&self) -> Model {
        let mut model = Model { graph: self.graph.clone(), tensors: BTreeMap::new(), masks: BTreeMap::new() };
        for parameter in &self.parameters {
            let data = B::download(&parameter.tensor);
            model.tensors.insert(parameter.name.clone(), HostTensor { dims: parameter.dims.clone(), data });
            if let Some(mask) = &parameter.mask {
                let mask = B::download(mask).iter().map(|value| *value != 0.0).collect();
                model.masks.insert(parameter.name.clone(), mask);
            }
        }
        model
    }

    /// The layers.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The shape of a layer's output, by the layer's index.
    pub fn shape(&self, layer: usize) -> Shape {
        self.plan.nodes[layer].shape
    }

    /// The device.
    pub fn device(&self) -> &B {
        &self.device
    }

    /// All parameters, in the order of [`Graph::parameters`].
    pub fn parameters(&self) -> &[Parameter<B>] {
        &self.parameters
    }

    /// All parameters, for optimizers and masks.
    pub fn parameters_mut(&mut self) -> &mut [Parameter<B>] {
        &mut self.parameters
    }

    /// The parameters that training changes.
    pub fn trainable(&self) -> impl Iterator<Item = &Parameter<B>> {
        self.parameters.iter().filter(|parameter| parameter.role.trainable())
    }

    /// Zero gradients for all trainable parameters. Backpropagation adds to these and drops all others.
    pub fn alloc_gradients(&self) -> Result<Gradients<f32, B>> {
        let mut gradients = Gradients::leaky();
        add_leaves(&mut gradients, &self.parameters)?;
        Ok(gradients)
    }

    /// Sets the gradients of all trainable parameters to zero, in place.
    pub fn zero_gradients(&self, gradients: &mut Gradients<f32, B>) -> Result<()> {
        zero_leaves(gradients, &self.parameters, &self.device)
    }

    /// Sets the gradients of masked weights to zero.
    pub fn mask_gradients(&self, gradients: &mut Gradients<f32, B>) -> Result<()> {
        for parameter in &self.parameters {
            if let Some(mask) = &parameter.mask {
                B::mask_gradient(gradients, &parameter.tensor, mask)?;
            }
        }
        Ok(())
    }

    /// Sets masked weights to zero.
    pub fn apply_masks(&mut self) -> Result<()> {
        for parameter in &mut self.parameters {
            if let Some(mask) = &parameter.mask {
                B::multiply(&mut parameter.tensor, mask)?;
            }
        }
        Ok(())
    }

    /// Moves the running statistics of every normalization towards the batch that `forward` saw in training, as PyTorch
    /// does (the variance unbiased). Does nothing after an evaluation.
    pub fn update_statistics(&mut self, forward: &Forward<B>) -> Result<()> {
        for (layer, statistics) in &forward.statistics {
            let Op::BatchNorm { momentum, .. } = self.graph.layers[*layer].op else { continue };
            let first = self.plan.nodes[*layer].first_parameter;
            let [_, _, mean, variance] = &mut self.parameters[first..first + 4] else { continue };
            B::update_statistics(&mut mean.tensor, &mut variance.tensor, statistics, momentum)?;
        }
        Ok(())
    }
}

/// Adds zero gradients for the trainable ones of `parameters` to those that backpropagation adds to and keeps.
pub fn add_leaves<B: Backend>(gradients: &mut Gradients<f32, B>, parameters: &[Parameter<B>]) -> Result<()> {
    // The way to a tensor's identity that dfdx leaves open.
    let mut leaves = UnusedTensors::default();
    for parameter in parameters.iter().filter(|parameter| parameter.role.trainable()) {
        gradients.try_alloc_for(&parameter.tensor).map_err(B::error)?;
        leaves.add(&parameter.tensor);
    }
    gradients.retain_leafs(&leaves.ids);
    Ok(())
}

/// Sets the gradients of the trainable ones of `parameters` to zero, in place.
pub fn zero_leaves<B: Backend>(
    gradients: &mut Gradients<f32, B>,
    parameters: &[Parameter<B>],
    device: &B,
) -> Result<()> {
    for parameter in parameters.iter().filter(|parameter| parameter.role.trainable()) {
        let values = gradients.get_or_alloc_mut(&parameter.tensor).map_err(B::error)?;
        device.try_fill_with_zeros(values).map_err(B::error)?;
    }
    Ok(())
}

fn upload_mask<B: Backend>(mask: &[bool], tensor: &HostTensor, name: &str, device: &B) -> Result<Flat<B>> {
    if mask.len() != tensor.data.len() {
        return Err(Error::new(Kind::Internal, format!("the mask of tensor `{name}` has another size")));
    }
    device.upload(&mask.iter().map(|kept| f32::from(u8::from(*kept))).collect::<Vec<_>>())
}
