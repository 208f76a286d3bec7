//! The layer graph: what a network is, apart from its weights.

use std::ops::RangeInclusive;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Error, Kind, Result};
use crate::tensor::geometry::Window;

/// The name by which layers refer to the image.
pub const INPUT: &str = "input";

/// A network as data. Layers are in topological order; the last is the output, the logits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Graph {
    /// Height, width and channels of the image.
    pub input: [usize; 3],
    /// The layers, each after those it reads.
    pub layers: Vec<Layer>,
}

/// A graph in a file. One that was exported may say beside it what the network was trained for, which is read elsewhere.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    input: [usize; 3],
    layers: Vec<Layer>,
    #[serde(default, rename = "signature")]
    _signature: IgnoredAny,
}

/// One layer: an operation, its name, and what it reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub struct Layer {
    /// Unique in the graph; its tensors are named after it, `NAME.weight` and so on.
    pub name: String,
    /// What the layer computes.
    #[serde(flatten)]
    pub op: Op,
    /// Names of earlier layers, or `input` for the image.
    pub inputs: Vec<String>,
}

/// What a layer computes. Pairs are (height, width).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Op {
    /// Convolution: dense, grouped, or with as many groups as channels (depthwise).
    Convolution {
        /// Channels read.
        in_channels: usize,
        /// Channels made.
        out_channels: usize,
        /// Size of the window.
        kernel: [usize; 2],
        /// Step between windows.
        stride: [usize; 2],
        /// Rows and columns of zeros on each side.
        padding: [usize; 2],
        /// Step between the taps of a window; 1 for a window without gaps.
        #[serde(default = "dense", skip_serializing_if = "is_dense")]
        dilation: [usize; 2],
        /// Channels are cut into so many runs, and each run of the output reads one run of the input.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        groups: usize,
        /// Whether a bias is added.
        bias: bool,
    },
    /// Batch normalization over all but the channels.
    BatchNorm {
        /// Channels, or features.
        channels: usize,
        /// Added to the variance before its root.
        epsilon: f32,
        /// How far running averages move towards each batch.
        momentum: f32,
    },
    /// `max(x, 0)`.
    Relu,
    /// `min(max(x, 0), 6)` (MobileNetV2).
    Relu6,
    /// `x / (1 + e^-x)`, also called swish.
    Silu,
    /// `x min(max(x + 3, 0), 6) / 6` (MobileNetV3).
    HardSwish,
    /// `1 / (1 + e^-x)`.
    Sigmoid,
    /// The sum of two inputs of one shape.
    Add,
    /// The first input times the second. The second has the first one's shape, or is one value a channel: a map of 1x1,
    /// or a vector (squeeze and excitation).
    Multiply,
    /// The channels of all inputs, one after another; heights and widths are equal.
    Concatenate,
    /// In training, sets each value to 0 with probability `rate` and divides the others by `1 - rate`.
    Dropout {
        /// In [0, 1).
        rate: f32,
    },
    /// In training, sets a whole image's values to 0 with probability `rate` and divides the others by `1 - rate`: a
    /// residual block that is left out (Huang et al. 2016).
    StochasticDepth {
        /// In [0, 1).
        rate: f32,
    },
    /// The largest value of each window.
    MaxPool {
        /// Size of the window.
        kernel: [usize; 2],
        /// Step between windows.
        stride: [usize; 2],
        /// Rows and columns on each side that never win.
        padding: [usize; 2],
    },
    /// The mean of each window, padding counted as zeros.
    AveragePool {
        /// Size of the window.
        kernel: [usize; 2],
        /// Step between windows.
        stride: [usize; 2],
        /// Rows and columns of zeros on each side.
        padding: [usize; 2],
    },
    /// The mean over all positions, as a vector.
    GlobalAveragePool,
    /// The mean over windows that are chosen so that the output has this size, as `torch.nn.AdaptiveAvgPool2d`: output i
    /// of m reads the inputs from `⌊i n / m⌋` to before `⌈(i + 1) n / m⌉`.
    AdaptiveAveragePool {
        /// Height and width of the output.
        output: [usize; 2],
    },
    /// From an image to a vector, in the order channel, height, width.
    Flatten,
    /// Fully connected.
    Linear {
        /// Features read.
        in_features: usize,
        /// Features made.
        out_features: usize,
        /// Whether a bias is added.
        bias: bool,
    },
    /// ResNet's shortcut without parameters: every `stride`-th position, channels padded with zeros.
    PadShortcut {
        /// Every how many rows and columns one is kept.
        stride: usize,
        /// Channels read.
        in_channels: usize,
        /// Channels made, at least as many.
        out_channels: usize,
        /// Channels of zeros before those read; (made - read) / 2 when absent. Pruning makes it other.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<usize>,
    },
}

fn dense() -> [usize; 2] {
    [1, 1]
}

fn is_dense(dilation: &[usize; 2]) -> bool {
    *dilation == [1, 1]
}

fn one() -> usize {
    1
}

fn is_one(groups: &usize) -> bool {
    *groups == 1
}

impl Op {
    /// The sliding window, of an operation that has one.
    pub fn window(&self) -> Option<Window> {
        match *self {
            Op::Convolution { kernel, stride, padding, dilation, .. } => {
                Some(Window { kernel, stride, padding, dilation })
            }
            Op::MaxPool { kernel, stride, padding } | Op::AveragePool { kernel, stride, padding } => {
                Some(Window { kernel, stride, padding, dilation: [1, 1] })
            }
            _ => None,
        }
    }

    /// How many inputs the operation reads, at least and at most.
    pub fn arity(&self) -> RangeInclusive<usize> {
        match self {
            Op::Add | Op::Multiply => 2..=2,
            Op::Concatenate => 1..=usize::MAX,
            _ => 1..=1,
        }
    }

    /// Whether it is a function of each value alone that keeps zero at zero.
    pub fn is_activation(&self) -> bool {
        matches!(self, Op::Relu | Op::Relu6 | Op::Silu | Op::HardSwish)
    }
}

impl TryFrom<Map<String, Value>> for Layer {
    type Error = String;

    // Derived, a flattened operation would let unknown keys pass; taking out the known ones first does not.
    fn try_from(mut map: Map<String, Value>) -> Result<Self, String> {
        let mut take = |key: &str| map.remove(key).ok_or_else(|| format!("missing field `{key}`"));
        let name = String::deserialize(take("name")?).map_err(|error| format!("name: {error}"))?;
        let inputs = Vec::deserialize(take("inputs")?).map_err(|error| format!("inputs of `{name}`: {error}"))?;
        let op = Op::deserialize(Value::Object(map)).map_err(|error| format!("layer `{name}`: {error}"))?;
        Ok(Self { name, op, inputs })
    }
}

impl Graph {
    /// Reads a description. Fails with `Kind::Input` if it is not a sound graph.
    pub fn from_json(description: &[u8]) -> Result<Self> {
        let invalid = |error: &dyn std::fmt::Display| {
            Error::new(Kind::Input, format!("the description of the network is not valid: {error}"))
        };
        let File { input, layers, .. } = serde_json::from_slice(description).map_err(|error| invalid(&error))?;
        let graph = Graph { input, layers };
        graph.shapes().map_err(|error| invalid(&error))?;
        Ok(graph)
    }

    /// The index of the layer called `name`.
    pub fn index(&self, name: &str) -> Option<usize> {
        self.layers.iter().position(|layer| layer.name == name)
    }

    /// The layer called `name`.
    pub fn layer(&self, name: &str) -> Option<&Layer> {
        self.layers.iter().find(|layer| layer.name == name)
    }

    /// The indices of the layers that read the layer called `name` (or the image, for `input`), in order. A layer that
    /// reads it twice is there twice.
    pub fn consumers(&self, name: &str) -> Vec<usize> {
        let reads = |layer: &Layer| layer.inputs.iter().filter(|input| *input == name).count();
        self.layers.iter().enumerate().flat_map(|(index, layer)| std::iter::repeat_n(index, reads(layer))).collect()
    }

    /// The index of the layer whose output is the activation of the convolution or linear layer `name`: the end of the
    /// chain of a normalization and an activation behind it, as far as each is the only reader of the one before; else the
    /// layer itself. None if there is no such layer, or it is of another kind.
    pub fn activation_of(&self, name: &str) -> Option<usize> {
        let mut index = self.index(name)?;
        if !matches!(self.layers[index].op, Op::Convolution { .. } | Op::Linear { .. }) {
            return None;
        }
        while let [next] = self.consumers(&self.layers[index].name)[..] {
            match self.layers[next].op {
                Op::BatchNorm { .. } => index = next,
                ref op if op.is_activation() => return Some(next),
                _ => break,
            }
        }
        Some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::arch::Architecture;

    fn resnet() -> Graph {
        serde_json::from_str::<Architecture>(r#"{"arch":"resnet","depth":8}"#).unwrap().build([8, 8, 1], 10).unwrap()
    }

    #[test]
    fn a_graph_is_the_same_after_json() {
        let graph = resnet();
        let json = serde_json::to_string(&graph).unwrap();
        assert_eq!(serde_json::from_str::<Graph>(&json).unwrap(), graph);
    }

    #[test]
    fn a_layer_in_json_is_flat_and_strict() {
        let json = r#"{"name":"c","op":"batch-norm","channels":3,"epsilon":0.00001,"momentum":0.1,"inputs":["input"]}"#;
        let layer: Layer = serde_json::from_str(json).unwrap();
        assert_eq!(layer.op, Op::BatchNorm { channels: 3, epsilon: 1e-5, momentum: 0.1 });
        let error = |json: &str| serde_json::from_str::<Layer>(json).unwrap_err().to_string();
        insta::assert_snapshot!(error(&json.replace("momentum", "momentun")), @"layer `c`: unknown field `momentun`, expected one of `channels`, `epsilon`, `momentum`");
        insta::assert_snapshot!(error(&json.replace("inputs", "input")), @"missing field `inputs`");
        insta::assert_snapshot!(error(&json.replace("batch-norm", "group-norm")), @"layer `c`: unknown variant `group-norm`, expected one of `convolution`, `batch-norm`, `relu`, `relu6`, `silu`, `hard-swish`, `sigmoid`, `add`, `multiply`, `concatenate`, `dropout`, `stochastic-depth`, `max-pool`, `average-pool`, `global-average-pool`, `adaptive-average-pool`, `flatten`, `linear`, `pad-shortcut`");
        insta::assert_snapshot!(error(&json.replace(r#"["input"]"#, "[1]")), @"inputs of `c`: invalid type: integer `1`, expected a string");
    }

    #[test]
    fn activations_are_followed_through_sole_readers() {
        let graph = resnet();
        let activation = |name: &str| graph.activation_of(name).map(|index| graph.layers[index].name.as_str());
        assert_eq!(activation("layer1.0.conv1"), Some("layer1.0.relu1"));
        assert_eq!(activation("layer1.0.conv2"), Some("layer1.0.bn2"));
        assert_eq!(activation("fc"), Some("fc"));
        assert_eq!(activation("bn1"), None);
        assert_eq!(activation("nowhere"), None);
    }

    #[test]
    fn consumers_count_a_layer_for_every_time_it_reads() {
        let layer = |name: &str, op, inputs: &[&str]| Layer {
            name: name.into(),
            op,
            inputs: inputs.iter().map(|input| input.to_string()).collect(),
        };
        let graph = Graph {
            input: [1, 1, 1],
            layers: vec![layer("a", Op::Relu, &["input"]), layer("b", Op::Add, &["a", "a"])],
        };
        assert_eq!(
            (graph.consumers("a"), graph.consumers("input"), graph.consumers("b")),
            (vec![1, 1], vec![0], vec![])
        );
    }
}
