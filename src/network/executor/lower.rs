//! From a layer graph to the program of an engine: what is computed together, and in which order.

use super::plan::Plan;
use crate::error::Result;
use crate::network::graph::{Graph, Op};
use crate::network::shapes::Shape;
use crate::tensor::engine::{After, Operation, Precision, Program, Step, Value};
use crate::tensor::geometry::{AdaptivePool, ChannelPadding, Convolution, Pool};
use crate::tensor::ops::activation::Activation;

/// A program, and which layers its steps are of.
#[derive(Debug)]
pub(super) struct Lowered {
    pub(super) program: Program,
    /// The layer of each normalization, by step.
    pub(super) normalizations: Vec<Option<usize>>,
    /// The layer of each random scaling, by step.
    pub(super) random: Vec<Option<usize>>,
}

/// Lowers `graph` for runs that hand out the layers `keep` besides the logits. Without `training`, random layers are left
/// out.
pub(super) fn lower(
    graph: &Graph,
    plan: &Plan,
    keep: &[usize],
    training: bool,
    precision: Precision,
) -> Result<Lowered> {
    let count = plan.nodes.len();
    let head = heads(graph, plan, keep);
    let mut lowering =
        Lowering { graph, plan, values: vec![0; count], steps: Vec::new(), sizes: vec![plan.image.size()] };
    let (mut normalizations, mut random) = (Vec::new(), Vec::new());
    for layer in 0..count {
        if head[layer] != layer {
            // Computed with the layer that is its head.
            continue;
        }
        let is_random = matches!(graph.layers[layer].op, Op::Dropout { .. } | Op::StochasticDepth { .. });
        if is_random && !training {
            lowering.values[layer] = lowering.input(layer, 0);
            continue;
        }
        let normalization = lowering.emit(layer, &head);
        normalizations.push(normalization);
        random.push(is_random.then_some(layer));
    }
    let outputs = std::iter::once(count - 1).chain(keep.iter().copied()).map(|layer| lowering.values[layer]).collect();
    let parameters = graph.parameters().iter().map(|spec| spec.dims.iter().product()).collect();
    let program = Program { sizes: lowering.sizes, steps: lowering.steps, parameters, outputs, precision };
    Ok(Lowered { program, normalizations, random })
}

/// For each layer the one that it is computed with: itself, or a later one that is its only reader. A normalization is
/// computed with the sum and the function behind it, a sum with the ReLU behind it.
fn heads(graph: &Graph, plan: &Plan, keep: &[usize]) -> Vec<usize> {
    let mut head: Vec<usize> = (0..plan.nodes.len()).collect();
    let alone = |layer: usize| plan.nodes[layer].readers == 1 && !keep.contains(&layer);
    let is_normalization = |layer: usize| matches!(graph.layers[layer].op, Op::BatchNorm { .. });
    for (layer, node) in plan.nodes.iter().enumerate() {
        let absorbed = match graph.layers[layer].op {
            Op::Add => node.inputs.iter().flatten().find(|input| is_normalization(**input) && alone(**input)),
            _ if activation(&graph.layers[layer].op).is_some() => node.inputs.iter().flatten().find(|input| {
                let relu = graph.layers[layer].op == Op::Relu;
                alone(**input) && (is_normalization(**input) || (relu && graph.layers[**input].op == Op::Add))
            }),
            _ => None,
        };
        if let Some(absorbed) = absorbed {
            head[*absorbed] = layer;
        }
    }
    head
}

fn activation(op: &Op) -> Option<After> {
    Some(match op {
        Op::Relu => After::Relu,
        Op::Relu6 => After::Activation(Activation::Relu6),
        Op::Silu => After::Activation(Activation::Silu),
        Op::HardSwish => After::Activation(Activation::HardSwish),
        Op::Sigmoid => After::Activation(Activation::Sigmoid),
        _ => return None,
    })
}

struct Lowering<'a> {
    graph: &'a Graph,
    plan: &'a Plan,
    /// The value of each layer's output.
    values: Vec<Value>,
    steps: Vec<Step>,
    sizes: Vec<usize>,
}

impl Lowering<'_> {
    /// The value of an input of a layer.
    fn input(&self, layer: usize, place: usize) -> Value {
        self.plan.nodes[layer].inputs[place].map_or(0, |input| self.values[input])
    }

    fn shape(&self, layer: usize, place: usize) -> Shape {
        self.plan.nodes[layer].inputs[place].map_or(self.plan.image, |input| self.plan.nodes[input].shape)
    }

    /// Adds the step of a layer and of those that are computed with it. Returns the normalization among them.
    fn emit(&mut self, layer: usize, head: &[usize]) -> Option<usize> {
        let absorbed = |layer: usize| {
            let inputs = self.plan.nodes[layer].inputs.iter().enumerate();
            inputs.filter_map(|(place, input)| Some((place, (*input)?))).find(|(_, input)| head[*input] == layer)
        };
        let op = |layer: usize| &self.graph.layers[layer].op;
        let is_normalization = |layer: &usize| matches!(op(*layer), Op::BatchNorm { .. });
        let after = activation(op(layer)).unwrap_or(After::Nothing);
        // From the last layer of the group inwards: a function, a sum, a normalization.
        let sum = match op(layer) {
            Op::Add => Some(layer),
            _ => absorbed(layer).map(|(_, input)| input).filter(|input| *op(*input) == Op::Add),
        };
        let (normalization, other) = match sum.map(|sum| (sum, absorbed(sum))) {
            Some((sum, Some((place, input)))) => (Some(input), Some(self.input(sum, 1 - place))),
            Some((_, None)) => (None, None),
            None if is_normalization(&layer) => (Some(layer), None),
            None => (absorbed(layer).map(|(_, input)| input).filter(is_normalization), None),
        };
        if let Some(normalization) = normalization
            && let Op::BatchNorm { channels, epsilon, .. } = *op(normalization)
        {
            let first = self.plan.nodes[normalization].first_parameter;
            let parameters = std::array::from_fn(|offset| first + offset);
            let operation = Operation::Normalize { channels, epsilon, parameters, after };
            let inputs = std::iter::once(self.input(normalization, 0)).chain(other).collect();
            self.push(layer, operation, inputs);
            return Some(normalization);
        }
        if let Some(sum) = sum {
            self.push(layer, Operation::Add(after), vec![self.input(sum, 0), self.input(sum, 1)]);
            return None;
        }
        let operation = self.operation(layer, after);
        let inputs = (0..self.plan.nodes[layer].inputs.len()).map(|place| self.input(layer, place)).collect();
        self.push(layer, operation, inputs);
        None
    }

    fn push(&mut self, layer: usize, operation: Operation, inputs: Vec<Value>) {
        let node = &self.plan.nodes[layer];
        self.steps.push(Step { operation, inputs, needs_gradient: node.needs_gradient });
        self.sizes.push(node.shape.size());
        self.values[layer] = self.steps.len();
    }

    /// A layer that is computed alone.
    fn operation(&self, layer: usize, after: After) -> Operation {
        let node = &self.plan.nodes[layer];
        let shape = self.shape(layer, 0);
        let channels = shape.channels();
        let input = super::forward::image_size(shape);
        let op = &self.graph.layers[layer].op;
        let weight = node.first_parameter;
        let biased = |bias: bool| bias.then_some(weight + 1);
        match *op {
            Op::Convolution { in_channels, out_channels, groups, bias, kernel, stride, padding, dilation } => {
                let window = crate::tensor::geometry::Window { kernel, stride, padding, dilation };
                let geometry = Convolution { batch: 1, input, in_channels, out_channels, window, groups };
                Operation::Convolution { geometry, weight, bias: biased(bias) }
            }
            Op::Linear { in_features, out_features, bias } => {
                Operation::Linear { features: [in_features, out_features], weight, bias: biased(bias) }
            }
            Op::Multiply if shape.size() == self.shape(layer, 1).size() => Operation::Product,
            Op::Multiply => Operation::Gate { channels },
            Op::Concatenate => {
                let channels = (0..node.inputs.len()).map(|place| self.shape(layer, place).channels()).collect();
                Operation::Concatenate { channels }
            }
            Op::MaxPool { kernel, stride, padding } | Op::AveragePool { kernel, stride, padding } => {
                let window = crate::tensor::geometry::Window { kernel, stride, padding, dilation: [1, 1] };
                let pool = Pool { batch: 1, input, channels, window };
                if matches!(op, Op::MaxPool { .. }) { Operation::MaxPool(pool) } else { Operation::AveragePool(pool) }
            }
            Op::AdaptiveAveragePool { output } => {
                Operation::AdaptiveAveragePool(AdaptivePool { batch: 1, input, output, channels })
            }
            Op::GlobalAveragePool => Operation::GlobalAveragePool { channels },
            Op::Flatten => Operation::Flatten { channels },
            Op::PadShortcut { stride, in_channels, out_channels, before } => {
                let before = before.unwrap_or((out_channels - in_channels) / 2);
                Operation::PadShortcut(ChannelPadding { batch: 1, input, in_channels, out_channels, before, stride })
            }
            Op::Dropout { .. } => Operation::Scale { run: 1 },
            Op::StochasticDepth { .. } => Operation::Scale { run: shape.size() },
            // The others are computed above.
            Op::Add => Operation::Add(after),
            Op::BatchNorm { .. } | Op::Relu | Op::Relu6 | Op::Silu | Op::HardSwish | Op::Sigmoid => {
                Operation::Apply(after)
            }
        }
    }
}
