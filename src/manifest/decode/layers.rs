//! `layers = […]` of `arch = "graph"`: a network written out layer by layer.

use crate::manifest::reader::{Reader, Shape};
use crate::manifest::scalar::{Limits, integer, string, wrong};
use crate::manifest::value::{Content, Value};
use crate::network::Op;
use crate::network::arch::WrittenLayer;
use crate::network::graph::INPUT;

/// The most channels, features, and positions of a window.
const MAXIMUM: u64 = 1 << 20;

/// A layer without what its place in the list decides.
struct Written {
    name: String,
    op: Op,
    inputs: Option<Vec<String>>,
}

/// Reads all layers. A layer reads the one before it unless `inputs` says otherwise.
pub fn layers(reader: &mut Reader) -> Vec<WrittenLayer> {
    if !reader.has("layers") {
        reader.missing("layers", "[{ name = \"conv1\", op = \"convolution\", out-channels = 16, kernel = 3 }, …]");
    }
    let shape = Shape { what: "a layer", example: "{ name = \"relu1\", op = \"relu\" }" };
    let Some(written) = reader.tables("layers", shape, layer) else { return Vec::new() };
    if written.is_empty() && reader.sound("layers") {
        let span = reader.place("layers");
        reader.diagnostics.error(span, "`layers` is empty").hint("the last layer gives the logits");
    }
    let mut before = INPUT.to_owned();
    let place = |Written { name, op, inputs }| {
        let last = std::mem::replace(&mut before, name);
        WrittenLayer::new(before.clone(), op, inputs.unwrap_or_else(|| vec![last]))
    };
    written.into_iter().map(place).collect()
}

fn layer(reader: &mut Reader) -> Written {
    let name = reader.string("name", "conv1").map_or_else(String::new, |(name, _)| name);
    let kind = reader.kind("op", &KINDS);
    let op = op(reader, kind);
    Written { name, inputs: inputs(reader), op }
}

#[derive(Clone, Copy)]
enum Kind {
    Convolution,
    BatchNorm,
    Relu,
    Relu6,
    Silu,
    HardSwish,
    Sigmoid,
    Add,
    Multiply,
    Concatenate,
    Dropout,
    StochasticDepth,
    MaxPool,
    AveragePool,
    GlobalAveragePool,
    AdaptiveAveragePool,
    Flatten,
    Linear,
    PadShortcut,
}

const KINDS: [(&str, Kind); 19] = [
    ("convolution", Kind::Convolution),
    ("batch-norm", Kind::BatchNorm),
    ("relu", Kind::Relu),
    ("relu6", Kind::Relu6),
    ("silu", Kind::Silu),
    ("hard-swish", Kind::HardSwish),
    ("sigmoid", Kind::Sigmoid),
    ("add", Kind::Add),
    ("multiply", Kind::Multiply),
    ("concatenate", Kind::Concatenate),
    ("dropout", Kind::Dropout),
    ("stochastic-depth", Kind::StochasticDepth),
    ("max-pool", Kind::MaxPool),
    ("average-pool", Kind::AveragePool),
    ("global-average-pool", Kind::GlobalAveragePool),
    ("adaptive-average-pool", Kind::AdaptiveAveragePool),
    ("flatten", Kind::Flatten),
    ("linear", Kind::Linear),
    ("pad-shortcut", Kind::PadShortcut),
];

/// The operation; sizes that follow from the input are 0 where they are not written.
fn op(reader: &mut Reader, kind: Kind) -> Op {
    match kind {
        Kind::Convolution => {
            let kernel = pair(reader, "kernel", 1, None);
            let dilation = pair(reader, "dilation", 1, Some([1, 1]));
            // Keeps the size at stride 1 when the kernel is odd.
            let same = [0, 1].map(|axis| dilation[axis] * (kernel[axis] - 1) / 2);
            Op::Convolution {
                in_channels: read(reader, "in-channels"),
                out_channels: count(reader, "out-channels", None),
                kernel,
                stride: pair(reader, "stride", 1, Some([1, 1])),
                padding: pair(reader, "padding", 0, Some(same)),
                dilation,
                groups: count(reader, "groups", Some(1)),
                bias: reader.boolean("bias", true),
            }
        }
        Kind::BatchNorm => Op::BatchNorm {
            channels: read(reader, "channels"),
            epsilon: reader.number("epsilon", Limits::POSITIVE, Some(1e-5)) as f32,
            momentum: reader.number("momentum", Limits::SHARE, Some(0.1)) as f32,
        },
        Kind::Relu => Op::Relu,
        Kind::Relu6 => Op::Relu6,
        Kind::Silu => Op::Silu,
        Kind::HardSwish => Op::HardSwish,
        Kind::Sigmoid => Op::Sigmoid,
        Kind::Add => Op::Add,
        Kind::Multiply => Op::Multiply,
        Kind::Concatenate => Op::Concatenate,
        Kind::Dropout => Op::Dropout { rate: reader.number("rate", Limits::BELOW_ONE, None) as f32 },
        Kind::StochasticDepth => Op::StochasticDepth { rate: reader.number("rate", Limits::BELOW_ONE, None) as f32 },
        Kind::MaxPool | Kind::AveragePool => {
            let kernel = pair(reader, "kernel", 1, None);
            let stride = pair(reader, "stride", 1, Some(kernel));
            let padding = pair(reader, "padding", 0, Some([0, 0]));
            match kind {
                Kind::MaxPool => Op::MaxPool { kernel, stride, padding },
                _ => Op::AveragePool { kernel, stride, padding },
            }
        }
        Kind::GlobalAveragePool => Op::GlobalAveragePool,
        Kind::AdaptiveAveragePool => Op::AdaptiveAveragePool { output: pair(reader, "output", 1, None) },
        Kind::Flatten => Op::Flatten,
        Kind::Linear => Op::Linear {
            in_features: read(reader, "in-features"),
            out_features: count(reader, "out-features", None),
            bias: reader.boolean("bias", true),
        },
        Kind::PadShortcut => Op::PadShortcut {
            stride: count(reader, "stride", Some(1)),
            in_channels: read(reader, "in-channels"),
            out_channels: count(reader, "out-channels", None),
            before: reader.optional_integer("before", 0..=MAXIMUM).map(|before| before as usize),
        },
    }
}

/// A size that follows from the input, and may be written all the same.
fn read(reader: &mut Reader, key: &'static str) -> usize {
    reader.optional_integer(key, 1..=MAXIMUM).map_or(0, |size| size as usize)
}

fn count(reader: &mut Reader, key: &'static str, default: Option<u64>) -> usize {
    reader.integer(key, 1..=MAXIMUM, default) as usize
}

/// A number for both directions, or `[height, width]`.
fn pair(reader: &mut Reader, key: &'static str, least: u64, default: Option<[usize; 2]>) -> [usize; 2] {
    if !reader.has(key) && default.is_none() {
        reader.missing(key, "3");
    }
    let Some(value) = reader.value(key) else { return default.unwrap_or([1, 1]) };
    let range = least..=MAXIMUM;
    match &value.content {
        Content::Integer(_) => [integer(reader.diagnostics, key, value, &range) as usize; 2],
        Content::Array(items) if items.len() == 2 => {
            [0, 1].map(|axis| integer(reader.diagnostics, key, &items[axis], &range) as usize)
        }
        _ => {
            wrong(reader.diagnostics, &format!("`{key}`"), value, "a number, or `[height, width]`");
            [1, 1]
        }
    }
}

fn inputs(reader: &mut Reader) -> Option<Vec<String>> {
    let items = reader.array("inputs")?;
    let name = |item: &Value| string(reader.diagnostics, "a name in `inputs`", item).map(|(name, _)| name);
    Some(items.iter().filter_map(name).collect())
}
