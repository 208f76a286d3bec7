//! What is worked out about a graph once, before it runs.

use std::collections::BTreeMap;

use crate::error::{Error, Kind, Result};
use crate::network::graph::{Graph, INPUT, Op};
use crate::network::shapes::Shape;

/// A graph with its references resolved.
#[derive(Debug)]
pub(super) struct Plan {
    /// The shape of the image.
    pub(super) image: Shape,
    /// One node a layer.
    pub(super) nodes: Vec<Node>,
}

/// What the executor knows of a layer.
#[derive(Debug)]
pub(super) struct Node {
    /// The layers it reads; none for the image.
    pub(super) inputs: Vec<Option<usize>>,
    /// How many times its output is read.
    pub(super) readers: usize,
    /// The shape of its output.
    pub(super) shape: Shape,
    /// Where its parameters start among all.
    pub(super) first_parameter: usize,
    /// The ReLU that can be computed in the same pass: the only reader of a normalization or a sum.
    pub(super) relu: Option<usize>,
    /// Whether there is a parameter at it or before it, so that its output needs a gradient.
    pub(super) needs_gradient: bool,
}

impl Plan {
    pub(super) fn new(graph: &Graph) -> Result<Self> {
        let shapes = graph.shapes()?;
        let [height, width, channels] = graph.input;
        let indices: BTreeMap<&str, usize> =
            graph.layers.iter().enumerate().map(|(index, layer)| (layer.name.as_str(), index)).collect();
        let mut nodes: Vec<Node> = Vec::with_capacity(shapes.len());
        let mut first_parameter = 0;
        for (index, (layer, shape)) in graph.layers.iter().zip(shapes).enumerate() {
            let mut inputs = Vec::with_capacity(layer.inputs.len());
            for name in layer.inputs.iter().map(String::as_str) {
                // `shapes` has checked that every name is of an earlier layer.
                let input = indices.get(name).copied().filter(|input| *input < index);
                if input.is_none() && name != INPUT {
                    return Err(Error::new(Kind::Internal, format!("layer `{}` reads `{name}`", layer.name)));
                }
                inputs.push(input);
            }
            let parameters = layer.op.parameters().len();
            let mut needs_gradient = parameters > 0;
            for input in inputs.iter().flatten() {
                nodes[*input].readers += 1;
                needs_gradient |= nodes[*input].needs_gradient;
            }
            nodes.push(Node { inputs, readers: 0, shape, first_parameter, relu: None, needs_gradient });
            first_parameter += parameters;
        }
        for (index, layer) in graph.layers.iter().enumerate() {
            if let (Op::Relu, [Some(input)]) = (&layer.op, &nodes[index].inputs[..]) {
                let input = *input;
                let fusible = matches!(graph.layers[input].op, Op::BatchNorm { .. } | Op::Add);
                nodes[input].relu = (fusible && nodes[input].readers == 1).then_some(index);
            }
        }
        Ok(Self { image: Shape::Map { height, width, channels }, nodes })
    }
}
