//! Channels that can only go together, and the layers that they are in.

/// Which side of a layer's tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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
