//! What a manifest says about the tensors of a file: names, layers with fresh weights, zeros.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::network::{Graph, Op, pattern};

/// How a file's tensors become a network's. Its serialized form is part of cache keys; what is absent is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Rules {
    /// Taken off the names that begin with it. When absent, a first part that all names have in common is taken off if
    /// everything fits then and not before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// What the last layer with weights gets; as in the file when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<Head>,
    /// Patterns of layers that get fresh weights.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fresh: Vec<String>,
    /// Patterns of tensors of the file that may be there though the network has no use for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore_extra: Vec<String>,
    /// Which weights are held at zero from now on; those that the file itself has masks of when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<Mask>,
}

/// What the last layer with weights gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Head {
    /// Fresh weights, for as many classes as the data has.
    Fresh,
}

/// Which weights are held at zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mask {
    /// Those of convolutions and linear layers that are exactly zero.
    Zeros,
}

impl Rules {
    /// Whether weights are drawn, so that the result depends on a seed.
    pub fn draws(&self) -> bool {
        self.head.is_some() || !self.fresh.is_empty()
    }

    /// The layers of `graph` that get fresh weights.
    pub fn fresh_layers<'g>(&self, graph: &'g Graph) -> BTreeSet<&'g str> {
        let head = self.head.and_then(|Head::Fresh| head(graph));
        let is_fresh =
            |name: &&str| head == Some(*name) || self.fresh.iter().any(|pattern| pattern::matches(pattern, name));
        layers(graph).filter(is_fresh).collect()
    }

    /// Whether the layer that makes the logits gets fresh weights, by `head` or by a pattern of `fresh`: then the classes that
    /// the file's network had mean nothing.
    pub fn head_is_fresh(&self, graph: &Graph) -> bool {
        head(graph).is_some_and(|head| self.fresh_layers(graph).contains(head))
    }
}

/// The layers that have tensors: convolutions, linear layers, normalizations.
pub fn layers(graph: &Graph) -> impl Iterator<Item = &str> {
    graph.layers.iter().filter(|layer| !layer.op.parameters().is_empty()).map(|layer| layer.name.as_str())
}

/// The last convolution or linear layer, which makes the logits.
pub(super) fn head(graph: &Graph) -> Option<&str> {
    let with_weights = |op: &Op| matches!(op, Op::Convolution { .. } | Op::Linear { .. });
    graph.layers.iter().rfind(|layer| with_weights(&layer.op)).map(|layer| layer.name.as_str())
}
