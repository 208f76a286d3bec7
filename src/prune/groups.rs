//! Channels that can only go together, and the layers that they are in (dependency groups: DepGraph, Fang 2023).

use super::coupling::Coupling;
use crate::error::Result;
use crate::network::{Graph, Op};

/// Which side of a layer's tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// Rows of a weight, values of a bias or a normalization: what the layer makes.
    Outputs,
    /// Columns of the weight of a convolution or linear layer: what it reads.
    Inputs,
}

/// The part of one layer that belongs to a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The layer, by index. A convolution, linear layer or normalization.
    pub layer: usize,
    /// Which side of it.
    pub side: Side,
    /// For each unit of the group, the rows or columns that belong to it, ascending and never empty. A column of a grouped
    /// convolution is an index into the second dimension of its weight.
    pub channels: Vec<Vec<usize>>,
}

/// Units that have their channels in the same layers. A unit is the smallest set of channels that can be removed: when
/// one of them goes, all do (additions, depthwise convolutions, gates), and in every layer that is a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// In the order of the graph. Those on [`Side::Outputs`] make the units, those on [`Side::Inputs`] read them.
    pub members: Vec<Member>,
    /// How many units there are.
    pub units: usize,
}

impl Group {
    /// The convolutions and linear layers that make the units: those whose channels are counted.
    pub fn makers<'a>(&'a self, graph: &'a Graph) -> impl Iterator<Item = &'a Member> {
        let makes = |op: &Op| matches!(op, Op::Convolution { .. } | Op::Linear { .. });
        self.members.iter().filter(move |member| member.side == Side::Outputs && makes(&graph.layers[member.layer].op))
    }

    /// Whether a normalization is among the members.
    pub fn is_normalized(&self, graph: &Graph) -> bool {
        self.members.iter().any(|member| matches!(graph.layers[member.layer].op, Op::BatchNorm { .. }))
    }
}

/// The groups of `graph`, in the order in which their first channels are made.
///
/// A unit that has a part in the image or the logits is in no group, nor is one that no layer with weights makes (the
/// zeros of a shortcut that nothing is added to).
///
/// # Errors
/// When the graph is not sound.
pub fn groups(graph: &Graph) -> Result<Vec<Group>> {
    Coupling::of(graph).map(|coupling| coupling.groups)
}
