//! Which channels of a layer graph can only go together.
//!
//! Every output channel of every layer stands for a node; layers that pass channels on share the nodes of what they read,
//! and layers that need two channels to be the same one unite their nodes. What is united at the end is one unit.

use std::collections::HashMap;

use super::groups::{Group, Member, Side};
use crate::error::{Error, Kind, Result};
use crate::network::graph::INPUT;
use crate::network::{Graph, Op};

/// One unit of one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    /// The group, by index.
    pub group: usize,
    /// The unit in it.
    pub unit: usize,
}

/// The channels of a graph, sorted into units and groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coupling {
    /// See [`super::groups::groups`].
    pub groups: Vec<Group>,
    /// For each layer, the unit of each channel (or feature) of its output; `None` for one that has to stay.
    pub outputs: Vec<Vec<Option<Unit>>>,
    /// For each layer, the layer that it reads first; `None` for the image.
    pub sources: Vec<Option<usize>>,
}

impl Coupling {
    /// Works out what is coupled.
    ///
    /// # Errors
    /// When the graph is not sound.
    pub fn of(graph: &Graph) -> Result<Self> {
        let shapes = graph.shapes()?;
        let mut nodes = Nodes::default();
        let image = nodes.fresh(graph.input[2]);
        let mut index: HashMap<&str, usize> = HashMap::new();
        let mut outputs: Vec<Vec<u32>> = Vec::with_capacity(graph.layers.len());
        let mut sources = Vec::with_capacity(graph.layers.len());
        for (number, layer) in graph.layers.iter().enumerate() {
            let read = |name: &String| match index.get(name.as_str()) {
                Some(earlier) => &outputs[*earlier],
                None => &image,
            };
            let inputs: Vec<&Vec<u32>> = layer.inputs.iter().map(read).collect();
            let made = pass(&layer.op, &inputs, shapes[number].channels(), &mut nodes);
            if made.len() != shapes[number].channels() {
                let message = format!("`{}` makes {} channels, not {}", layer.name, shapes[number], made.len());
                return Err(Error::new(Kind::Internal, message));
            }
            sources.push(layer.inputs.first().and_then(|name| index.get(name.as_str()).copied()));
            debug_assert!(layer.name != INPUT);
            outputs.push(made);
            index.insert(&layer.name, number);
        }
        let logits = outputs.last().cloned().unwrap_or_default();
        let mut frozen = vec![false; nodes.parents.len()];
        for node in image.iter().chain(&logits) {
            frozen[nodes.find(*node) as usize] = true;
        }
        for node in outputs.iter_mut().flatten() {
            *node = nodes.find(*node);
        }
        let image: Vec<u32> = image.iter().map(|node| nodes.find(*node)).collect();
        let read = |layer: usize| sources[layer].map_or(&image, |source: usize| &outputs[source]);
        let (groups, units) = sort(graph, &outputs, &read, &frozen);
        let outputs = outputs.iter().map(|nodes| nodes.iter().map(|node| units[*node as usize]).collect()).collect();
        Ok(Self { groups, outputs, sources })
    }

    /// Why no channel of `layer` can be removed; `None` when some can.
    pub fn refusal(&self, graph: &Graph, layer: &str) -> Option<String> {
        let Some(index) = graph.index(layer) else { return Some(format!("there is no layer `{layer}`")) };
        if !matches!(graph.layers[index].op, Op::Linear { .. } | Op::Convolution { .. }) {
            return Some("only linear and convolution layers have units".to_owned());
        }
        if self.outputs[index].iter().any(Option::is_some) {
            return None;
        }
        let last = self.reaches_the_end(graph, index);
        Some(
            if last { "they are the network's output" } else { "they are tied to the channels of the image" }
                .to_owned(),
        )
    }

    /// Whether `layer` makes the network's output: logits, not channels.
    pub fn is_output(&self, graph: &Graph, layer: &str) -> bool {
        graph.index(layer).is_some_and(|index| self.reaches_the_end(graph, index))
    }

    /// Whether the output of `layer` is the network's without another layer with weights between them.
    fn reaches_the_end(&self, graph: &Graph, layer: usize) -> bool {
        let mut reached = vec![false; graph.layers.len()];
        reached[layer] = true;
        for next in layer + 1..graph.layers.len() {
            let makes = matches!(graph.layers[next].op, Op::Convolution { .. } | Op::Linear { .. });
            let reads = |name: &String| graph.index(name).is_some_and(|read| reached[read]);
            reached[next] = !makes && graph.layers[next].inputs.iter().any(reads);
        }
        reached.last() == Some(&true)
    }
}

/// How many runs a convolution's channels are cut into, where that couples them.
pub fn runs(op: &Op) -> Runs {
    match *op {
        Op::Convolution { groups: 1, .. } => Runs::One,
        Op::Convolution { groups, in_channels, .. } if groups == in_channels => Runs::Depthwise,
        Op::Convolution { groups, .. } => Runs::Several(groups),
        _ => Runs::One,
    }
}

/// How the outputs of a convolution depend on its inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runs {
    /// Every output reads every input.
    One,
    /// Every output reads one input.
    Depthwise,
    /// Every run of outputs reads one run of inputs.
    Several(usize),
}

/// The nodes of a layer's output, of which it has `channels`.
fn pass(op: &Op, inputs: &[&Vec<u32>], channels: usize, nodes: &mut Nodes) -> Vec<u32> {
    let first = inputs[0];
    match *op {
        Op::Convolution { out_channels, .. } => match runs(op) {
            Runs::One => nodes.fresh(out_channels),
            Runs::Depthwise => {
                let multiplier = out_channels / first.len();
                first.iter().flat_map(|node| std::iter::repeat_n(*node, multiplier)).collect()
            }
            Runs::Several(groups) => {
                let made = nodes.fresh(out_channels);
                // The runs stay of equal length when the same channel goes from all of them.
                nodes.tie(first, groups);
                nodes.tie(&made, groups);
                made
            }
        },
        Op::Linear { out_features, .. } => nodes.fresh(out_features),
        Op::Add | Op::Multiply => {
            for (a, b) in first.iter().zip(inputs[1]) {
                nodes.unite(*a, *b);
            }
            first.clone()
        }
        Op::Concatenate => inputs.iter().flat_map(|nodes| nodes.iter().copied()).collect(),
        Op::Flatten => {
            let positions = channels / first.len();
            first.iter().flat_map(|node| std::iter::repeat_n(*node, positions)).collect()
        }
        Op::PadShortcut { in_channels, out_channels, before, .. } => {
            let room = out_channels - in_channels;
            let before = before.unwrap_or(room / 2);
            let mut made = nodes.fresh(before);
            made.extend(first);
            made.extend(nodes.fresh(room - before));
            made
        }
        Op::BatchNorm { .. }
        | Op::Relu
        | Op::Relu6
        | Op::Silu
        | Op::HardSwish
        | Op::Sigmoid
        | Op::Dropout { .. }
        | Op::StochasticDepth { .. }
        | Op::MaxPool { .. }
        | Op::AveragePool { .. }
        | Op::GlobalAveragePool
        | Op::AdaptiveAveragePool { .. } => first.clone(),
    }
}

/// Sorts what is united into units, and units into groups. Also the unit of every node.
fn sort<'a>(
    graph: &Graph,
    outputs: &'a [Vec<u32>],
    read: &dyn Fn(usize) -> &'a Vec<u32>,
    frozen: &[bool],
) -> (Vec<Group>, Vec<Option<Unit>>) {
    // What each unit, known by its first node, has in which layers.
    let mut parts: Vec<Vec<Member>> = vec![Vec::new(); frozen.len()];
    let mut add = |layer: usize, side: Side, nodes: &[u32]| {
        for (channel, node) in nodes.iter().enumerate().filter(|(_, node)| !frozen[**node as usize]) {
            let parts = &mut parts[*node as usize];
            match parts.last_mut() {
                Some(last) if (last.layer, last.side) == (layer, side) => last.channels[0].push(channel),
                _ => parts.push(Member { layer, side, channels: vec![vec![channel]] }),
            }
        }
    };
    for (number, layer) in graph.layers.iter().enumerate() {
        match layer.op {
            Op::Convolution { .. } | Op::Linear { .. } => {
                add(number, Side::Outputs, &outputs[number]);
                let inputs = read(number);
                match runs(&layer.op) {
                    Runs::One => add(number, Side::Inputs, inputs),
                    Runs::Depthwise => {}
                    Runs::Several(groups) => add(number, Side::Inputs, &inputs[..inputs.len() / groups]),
                }
            }
            Op::BatchNorm { .. } => add(number, Side::Outputs, &outputs[number]),
            _ => {}
        }
    }
    let mut groups: Vec<Group> = Vec::new();
    let mut known: HashMap<Vec<(usize, Side)>, usize> = HashMap::new();
    let mut units = vec![None; frozen.len()];
    for (node, members) in parts.into_iter().enumerate() {
        let one = Group { members, units: 1 };
        if one.makers(graph).next().is_none() {
            continue;
        }
        let key: Vec<(usize, Side)> = one.members.iter().map(|member| (member.layer, member.side)).collect();
        let group = *known.entry(key).or_insert(groups.len());
        units[node] = Some(Unit { group, unit: groups.get(group).map_or(0, |group| group.units) });
        match groups.get_mut(group) {
            None => groups.push(one),
            Some(group) => {
                group.units += 1;
                for (member, more) in group.members.iter_mut().zip(one.members) {
                    member.channels.extend(more.channels);
                }
            }
        }
    }
    (groups, units)
}

/// Union-find. The first node of a set stands for it, so that the order of units is that of the graph.
#[derive(Default)]
struct Nodes {
    parents: Vec<u32>,
}

impl Nodes {
    fn fresh(&mut self, count: usize) -> Vec<u32> {
        let start = self.parents.len() as u32;
        self.parents.extend(start..start + count as u32);
        (start..start + count as u32).collect()
    }

    fn find(&mut self, mut node: u32) -> u32 {
        while self.parents[node as usize] != node {
            let above = self.parents[self.parents[node as usize] as usize];
            self.parents[node as usize] = above;
            node = above;
        }
        node
    }

    fn unite(&mut self, a: u32, b: u32) {
        let (a, b) = (self.find(a), self.find(b));
        self.parents[a.max(b) as usize] = a.min(b);
    }

    /// Unites channel i of every run.
    fn tie(&mut self, channels: &[u32], runs: usize) {
        let length = channels.len() / runs;
        for (place, node) in channels.iter().enumerate() {
            self.unite(channels[place % length], *node);
        }
    }
}
