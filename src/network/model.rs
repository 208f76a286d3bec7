//! A graph with its tensors and masks on the host. Pruning, counting and saving work on this.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::graph::Graph;
use super::parameters::Role;
use crate::error::{Error, Kind, Result};

/// A tensor's values in memory of the host, in PyTorch's layout.
#[derive(Debug, Clone, PartialEq)]
pub struct HostTensor {
    /// PyTorch's dimensions.
    pub dims: Vec<usize>,
    /// As many values as the dimensions' product, the last dimension innermost.
    pub data: Vec<f32>,
}

/// A network with its weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// The layers.
    pub graph: Graph,
    /// Every tensor of [`Graph::parameters`], by name.
    pub tensors: BTreeMap<String, HostTensor>,
    /// Masks of weight pruning by the tensor's name: false where a weight is held at zero.
    pub masks: BTreeMap<String, Vec<bool>>,
}

impl Model {
    /// The graph as JSON; the same graph gives the same bytes.
    pub fn description(&self) -> Result<Vec<u8>> {
        serde_json::to_vec_pretty(&self.graph)
            .map_err(|error| Error::new(Kind::Internal, format!("a graph could not be written as JSON: {error}")))
    }

    /// The tensors and masks as they are stored: safetensors, or without the masked weights (`sparse`) if there are
    /// masks. The same model gives the same bytes.
    pub fn weights(&self) -> Result<Vec<u8>> {
        if self.masks.is_empty() { self.safetensors() } else { super::sparse::encode(&self.tensors, &self.masks) }
    }

    /// The tensors as safetensors, masked weights as the zeros that they are; the same tensors give the same bytes.
    pub fn safetensors(&self) -> Result<Vec<u8>> {
        super::weights::encode(&self.tensors)
    }

    /// Puts together what [`Model::description`] and [`Model::weights`] or [`Model::safetensors`] gave. `masks` is a file
    /// of masks, which earlier versions wrote beside the weights.
    ///
    /// Whatever the bytes hold, the answer is a sound model or an error of `Kind::Input` that lists every tensor that
    /// is missing, too much, of the wrong shape or type, or not finite. Memory is bounded by the size of the bytes and
    /// of the network that is described.
    pub fn from_parts(description: &[u8], weights: &[u8], masks: Option<&[u8]>) -> Result<Model> {
        // The belt to the braces: a panic in a parser of foreign bytes must not take the process down.
        catch_unwind(AssertUnwindSafe(|| Self::checked_from_parts(description, weights, masks)))
            .unwrap_or_else(|_| Err(Error::new(Kind::Input, "the model file could not be read: a parser panicked")))
    }

    fn checked_from_parts(description: &[u8], weights: &[u8], masks: Option<&[u8]>) -> Result<Model> {
        let graph = Graph::from_json(description)?;
        let (tensors, inside) = if super::sparse::is_sparse(weights) {
            super::sparse::decode(weights, &graph.parameters())?
        } else {
            (super::weights::decode(weights, &graph.parameters())?, BTreeMap::new())
        };
        let masks = match masks {
            Some(bytes) => super::masks::decode(bytes, &tensors)?,
            None => inside,
        };
        Ok(Model { graph, tensors, masks })
    }

    /// Trainable values that are not zero; a masked one counts as zero.
    pub fn nonzero_count(&self) -> u64 {
        let trainable = self.graph.parameters().into_iter().filter(|spec| spec.role.trainable());
        let count = |name: &str| {
            let mask = self.masks.get(name);
            let kept = |index: usize| mask.is_none_or(|mask| mask.get(index) != Some(&false));
            let data = self.tensors.get(name).map_or(&[][..], |tensor| &tensor.data);
            data.iter().enumerate().filter(|(index, value)| **value != 0.0 && kept(*index)).count() as u64
        };
        trainable.map(|spec| count(&spec.name)).sum()
    }

    /// The share of the weights of convolutions and linear layers that are masked, from 0 to 1. Masks of biases do not count.
    pub fn masked_share(&self) -> f64 {
        let weights = self.graph.parameters().into_iter().filter(|spec| spec.role == Role::Weight);
        let (mut all, mut masked) = (0, 0);
        for spec in weights {
            all += spec.dims.iter().product::<usize>();
            masked += self.masks.get(&spec.name).map_or(0, |mask| mask.iter().filter(|kept| !**kept).count());
        }
        masked as f64 / all.max(1) as f64
    }

    /// Fails with `Kind::Diverged` if a value is NaN or infinite, and says where the first one is.
    pub fn check_finite(&self) -> Result<()> {
        for (name, tensor) in &self.tensors {
            if let Some(index) = tensor.data.iter().position(|value| !value.is_finite()) {
                let message = format!("tensor `{name}` holds {} at {index}", tensor.data[index]);
                return Err(Error::new(Kind::Diverged, message));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
