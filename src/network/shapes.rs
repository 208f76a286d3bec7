//! The shape of every layer's output. Working them out is also what finds a graph's mistakes.

use std::collections::BTreeMap;
use std::fmt;

use super::graph::{Graph, INPUT, Layer, Op};
use crate::error::{Error, Kind, Result};

/// The shape of one image's value, without the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// An image of features.
    Map {
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
        /// Channels.
        channels: usize,
    },
    /// A run of features.
    Vector {
        /// Its length.
        features: usize,
    },
}

impl Shape {
    /// How many values one image has.
    pub fn size(&self) -> usize {
        match *self {
            Shape::Map { height, width, channels } => height * width * channels,
            Shape::Vector { features } => features,
        }
    }

    /// Channels of a map, features of a vector: the innermost dimension.
    pub fn channels(&self) -> usize {
        match *self {
            Shape::Map { channels, .. } => channels,
            Shape::Vector { features } => features,
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shape::Map { height, width, channels } => write!(f, "{height}x{width}x{channels}"),
            Shape::Vector { features } => write!(f, "a vector of {features}"),
        }
    }
}

/// The most values that one image's layer, or one tensor, may have: far above use, far below overflow.
const MOST_VALUES: usize = 1 << 40;

impl Graph {
    /// The shape of each layer's output, or everything that is wrong with the first layer that cannot be. Fails with
    /// `Kind::Manifest`; the text does not say where the graph came from.
    ///
    /// Checked are: names, references, numbers of inputs, sizes that do not meet, windows that do not fit, settings
    /// outside their range, products that overflow, layers that nothing reads.
    pub fn shapes(&self) -> Result<Vec<Shape>> {
        self.located_shapes().map_err(|(_, message)| Error::new(Kind::Manifest, message))
    }

    /// As [`Graph::shapes`], but the error is the index of the layer concerned and the text.
    pub(super) fn located_shapes(&self) -> Result<Vec<Shape>, (usize, String)> {
        let [height, width, channels] = self.input;
        if !counts_below_limit(&[height, width, channels]) {
            return Err((0, format!("an image of {height}x{width}x{channels} is empty or too large")));
        }
        let last = self.layers.last().ok_or_else(|| (0, "a network without layers".into()))?;
        let mut known = BTreeMap::from([(INPUT, Shape::Map { height, width, channels })]);
        let mut shapes = Vec::with_capacity(self.layers.len());
        for (index, layer) in self.layers.iter().enumerate() {
            let fail = |problem: &str| (index, format!("layer `{}`: {problem}", layer.name));
            let shape = layer_shape(layer, &known).map_err(|problem| fail(&problem))?;
            if known.insert(&layer.name, shape).is_some() {
                return Err(fail("the name is taken"));
            }
            shapes.push(shape);
        }
        for layer in self.layers.iter().flat_map(|layer| &layer.inputs) {
            known.remove(layer.as_str());
        }
        known.remove(last.name.as_str());
        if let Some(unread) = known.keys().next() {
            let message = format!("nothing reads `{unread}`, and it is not the last layer");
            return Err((self.index(unread).unwrap_or(0), message));
        }
        match shapes.last() {
            Some(Shape::Vector { .. }) => Ok(shapes),
            _ => Err((shapes.len() - 1, format!("the last layer, `{}`, gives no vector of logits", last.name))),
        }
    }

    /// The first normalization that has one position, so that over one image it sees one value a channel: that value is
    /// its own mean, and the output is the shift whatever comes in. None in a graph that [`Graph::shapes`] refuses.
    pub fn normalization_of_one_value(&self) -> Option<&str> {
        let shapes = self.shapes().ok()?;
        let one = |(layer, shape): &(&Layer, &Shape)| {
            matches!(layer.op, Op::BatchNorm { .. }) && shape.size() == shape.channels()
        };
        self.layers.iter().zip(&shapes).find(one).map(|(layer, _)| layer.name.as_str())
    }

    /// How many classes the network tells apart: the size of its last layer. 0 for a graph that [`Graph::shapes`] refuses.
    pub fn classes(&self) -> usize {
        self.shapes().ok().and_then(|shapes| shapes.last().map(Shape::size)).unwrap_or(0)
    }
}

fn counts_below_limit(counts: &[usize]) -> bool {
    let product = counts.iter().try_fold(1_usize, |product, count| product.checked_mul(*count));
    product.is_some_and(|product| (1..=MOST_VALUES).contains(&product))
}

/// The shape of the output of `layer`, which reads some of `known`, or what is wrong with it.
pub(super) fn layer_shape(layer: &Layer, known: &BTreeMap<&str, Shape>) -> Result<Shape, String> {
    let valid = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if !(1..=64).contains(&layer.name.len()) || !layer.name.chars().all(valid) {
        return Err("a name is 1 to 64 letters, digits, `_`, `.` and `-`".into());
    }
    let arity = layer.op.arity();
    if !arity.contains(&layer.inputs.len()) {
        return Err(format!("reads {} inputs, but needs {}", layer.inputs.len(), arity.start()));
    }
    let read =
        |name: &String| known.get(name.as_str()).copied().ok_or(format!("reads `{name}`, which is no earlier layer"));
    let inputs = layer.inputs.iter().map(read).collect::<Result<Vec<Shape>, String>>()?;
    let shape = output_shape(&layer.op, &inputs)?;
    let counts = match shape {
        Shape::Map { height, width, channels } => vec![height, width, channels],
        Shape::Vector { features } => vec![features],
    };
    let tensors = layer.op.parameters();
    if !counts_below_limit(&counts) || !tensors.iter().all(|(_, dims, _)| counts_below_limit(dims)) {
        return Err("its output, or a tensor of it, is empty or too large".into());
    }
    Ok(shape)
}

fn output_shape(op: &Op, inputs: &[Shape]) -> Result<Shape, String> {
    let input = inputs[0];
    let expect = |what: &str, expected: usize| {
        let found = input.channels();
        if found == expected { Ok(()) } else { Err(format!("expects {expected} {what}, but its input has {found}")) }
    };
    let map = || match input {
        Shape::Map { height, width, channels } => Ok((height, width, channels)),
        Shape::Vector { .. } => Err(format!("reads a feature map, but its input is {input}")),
    };
    match *op {
        Op::Convolution { in_channels, out_channels, groups, .. } => {
            let positions = window_positions(op, map()?)?;
            expect("channels", in_channels)?;
            if groups == 0 || in_channels % groups != 0 || out_channels % groups != 0 {
                return Err(format!("{groups} groups do not divide {in_channels} and {out_channels} channels"));
            }
            Ok(Shape::Map { height: positions[0], width: positions[1], channels: out_channels })
        }
        Op::BatchNorm { channels, epsilon, momentum } => {
            expect("channels", channels)?;
            if !epsilon.is_finite() || epsilon <= 0.0 {
                return Err(format!("epsilon is {epsilon}, but must be above 0"));
            }
            if !(0.0..=1.0).contains(&momentum) {
                return Err(format!("momentum is {momentum}, but must be from 0 to 1"));
            }
            Ok(input)
        }
        Op::Relu | Op::Relu6 | Op::Silu | Op::HardSwish | Op::Sigmoid => Ok(input),
        Op::Dropout { rate } | Op::StochasticDepth { rate } => {
            if !(0.0..1.0).contains(&rate) {
                return Err(format!("the rate is {rate}, but must be from 0 to below 1"));
            }
            Ok(input)
        }
        Op::Multiply => {
            let gate = inputs[1];
            let one_a_channel = gate.size() == gate.channels() && gate.channels() == input.channels();
            if gate == input || one_a_channel { Ok(input) } else { Err(format!("multiplies {input} by {gate}")) }
        }
        Op::Concatenate => {
            let sum = inputs.iter().try_fold(0_usize, |sum, shape| sum.checked_add(shape.channels()));
            let sum = sum.ok_or("has more channels than can be counted")?;
            for other in inputs {
                let fits = match (input, *other) {
                    (Shape::Map { height, width, .. }, Shape::Map { height: h, width: w, .. }) => {
                        (height, width) == (h, w)
                    }
                    (Shape::Vector { .. }, Shape::Vector { .. }) => true,
                    _ => false,
                };
                if !fits {
                    return Err(format!("concatenates {input} and {other}"));
                }
            }
            Ok(match input {
                Shape::Map { height, width, .. } => Shape::Map { height, width, channels: sum },
                Shape::Vector { .. } => Shape::Vector { features: sum },
            })
        }
        Op::Add if inputs[1] == input => Ok(input),
        Op::Add => Err(format!("adds {input} and {}", inputs[1])),
        Op::MaxPool { kernel, padding, .. } | Op::AveragePool { kernel, padding, .. } => {
            if (0..2).any(|axis| padding[axis] > kernel[axis] / 2) {
                return Err(format!("a padding of {padding:?} is more than half the kernel of {kernel:?}"));
            }
            let (_, _, channels) = map()?;
            let [height, width] = window_positions(op, map()?)?;
            Ok(Shape::Map { height, width, channels })
        }
        Op::GlobalAveragePool => map().map(|(_, _, channels)| Shape::Vector { features: channels }),
        Op::AdaptiveAveragePool { output: [height, width] } => {
            map().map(|(_, _, channels)| Shape::Map { height, width, channels })
        }
        Op::Flatten => map().map(|_| Shape::Vector { features: input.size() }),
        Op::Linear { in_features, out_features, .. } => {
            if let Shape::Map { .. } = input {
                return Err(format!("reads a vector, but its input is {input}; flatten or pool it first"));
            }
            expect("features", in_features)?;
            Ok(Shape::Vector { features: out_features })
        }
        Op::PadShortcut { stride, in_channels, out_channels, before } => {
            let (height, width, _) = map()?;
            expect("channels", in_channels)?;
            let room = out_channels.checked_sub(in_channels);
            if stride == 0 || room.is_none_or(|room| before.is_some_and(|before| before > room)) {
                return Err(format!("cannot go from {in_channels} to {out_channels} channels with stride {stride}"));
            }
            Ok(Shape::Map { height: height.div_ceil(stride), width: width.div_ceil(stride), channels: out_channels })
        }
    }
}

fn window_positions(op: &Op, (height, width, _): (usize, usize, usize)) -> Result<[usize; 2], String> {
    let window = op.window().ok_or("has no window")?;
    window.positions([height, width]).ok_or_else(|| {
        let [kernel, stride, padding, dilation] =
            [window.kernel, window.stride, window.padding, window.dilation].map(|[h, w]| format!("{h}x{w}"));
        let dilated = if window.dilation == [1, 1] { String::new() } else { format!(", dilation {dilation}") };
        format!(
            "a kernel of {kernel} with stride {stride}{dilated} and padding {padding} does not fit {height}x{width}"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Layers as `name op-and-settings <- inputs`, with the rest of the JSON filled in by hand.
    fn graph(layers: &[&str]) -> Graph {
        let layers = layers.iter().map(|layer| serde_json::from_str(layer).unwrap()).collect();
        Graph { input: [8, 8, 3], layers }
    }

    fn error(layers: &[&str]) -> String {
        graph(layers).shapes().unwrap_err().to_string()
    }

    const POOL: &str = r#"{"name":"pool","op":"global-average-pool","inputs":["input"]}"#;

    fn convolution(in_channels: u64, out_channels: u64, kernel: u64, stride: u64, padding: u64) -> String {
        format!(
            r#"{{"name":"c","op":"convolution","in-channels":{in_channels},"out-channels":{out_channels},
            "kernel":[{kernel},{kernel}],"stride":[{stride},{stride}],"padding":[{padding},{padding}],"bias":false,
            "inputs":["input"]}}"#
        )
    }

    #[test]
    fn shapes_follow_the_layers() {
        let flat = r#"{"name":"f","op":"flatten","inputs":["c"]}"#;
        let linear = r#"{"name":"l","op":"linear","in-features":64,"out-features":5,"bias":true,"inputs":["f"]}"#;
        let graph = graph(&[&convolution(3, 4, 3, 2, 1), flat, linear]);
        let shapes: Vec<String> = graph.shapes().unwrap().iter().map(Shape::to_string).collect();
        assert_eq!(shapes, ["4x4x4", "a vector of 64", "a vector of 5"]);
        assert_eq!((graph.classes(), graph.macs()), (5, 4 * 4 * 4 * 27 + 64 * 5));
    }

    #[test]
    fn a_normalization_of_one_value_has_one_position() {
        let norm = |name: &str, input: &str, channels: usize| {
            format!(
                r#"{{"name":"{name}","op":"batch-norm","channels":{channels},"epsilon":0.1,"momentum":0.1,"inputs":["{input}"]}}"#
            )
        };
        let flat = r#"{"name":"f","op":"flatten","inputs":["b"]}"#;
        let linear = r#"{"name":"l","op":"linear","in-features":64,"out-features":5,"bias":true,"inputs":["f"]}"#;
        let (convolved, normalized) = (convolution(3, 4, 3, 2, 1), norm("b", "c", 4));
        let first = [&convolved[..], &normalized, flat, linear];
        assert_eq!(graph(&first).normalization_of_one_value(), None, "4x4 positions");
        let vector = &*norm("v", "l", 5);
        let more = [first.as_slice(), &[vector]].concat();
        assert_eq!(graph(&more).normalization_of_one_value(), Some("v"));
        let flat = flat.replace("\"b\"", "\"n\"");
        let (convolved, normalized) = (convolution(3, 4, 8, 1, 0), norm("n", "c", 4));
        let map = [&convolved[..], &normalized, &flat];
        assert_eq!(graph(&map).normalization_of_one_value(), Some("n"), "a map of 1x1");
    }

    #[test]
    fn every_mistake_is_told() {
        let max = u64::MAX;
        let cases = [
            error(&[]),
            error(&[&convolution(4, 4, 3, 1, 1)]),
            error(&[&convolution(3, 4, 9, 1, 0)]),
            error(&[&convolution(3, 4, 3, 0, 1)]),
            error(&[&convolution(3, 0, 3, 1, 1)]),
            error(&[&convolution(3, max, 3, 1, 1)]),
            error(&[&convolution(3, 4, 3, 1, max)]),
            error(&[&convolution(3, 4, 3, 1, 1)]),
            error(&[POOL, POOL]),
            error(&[POOL, &POOL.replace("\"pool\"", "\"other\"")]),
            error(&[&POOL.replace("\"pool\"", "\"input\"")]),
            error(&[&POOL.replace("\"pool\"", "\"a b\"")]),
            error(&[&POOL.replace("[\"input\"]", "[\"later\"]")]),
            error(&[&POOL.replace("[\"input\"]", "[]")]),
            error(&[POOL, r#"{"name":"f","op":"flatten","inputs":["pool"]}"#]),
            error(&[r#"{"name":"l","op":"linear","in-features":192,"out-features":5,"bias":true,"inputs":["input"]}"#]),
            error(&[POOL, r#"{"name":"a","op":"add","inputs":["pool","input"]}"#]),
            error(&[r#"{"name":"b","op":"batch-norm","channels":3,"epsilon":0,"momentum":0.1,"inputs":["input"]}"#]),
            error(&[r#"{"name":"b","op":"batch-norm","channels":3,"epsilon":1,"momentum":2,"inputs":["input"]}"#]),
            error(&[
                r#"{"name":"p","op":"max-pool","kernel":[2,2],"stride":[2,2],"padding":[2,0],"inputs":["input"]}"#,
            ]),
            error(&[
                r#"{"name":"s","op":"pad-shortcut","stride":2,"in-channels":3,"out-channels":2,"inputs":["input"]}"#,
            ]),
        ];
        insta::assert_snapshot!(cases.join("\n"), @r#"
        a network without layers
        layer `c`: expects 4 channels, but its input has 3
        layer `c`: a kernel of 9x9 with stride 1x1 and padding 0x0 does not fit 8x8
        layer `c`: a kernel of 3x3 with stride 0x0 and padding 1x1 does not fit 8x8
        layer `c`: its output, or a tensor of it, is empty or too large
        layer `c`: its output, or a tensor of it, is empty or too large
        layer `c`: a kernel of 3x3 with stride 1x1 and padding 18446744073709551615x18446744073709551615 does not fit 8x8
        the last layer, `c`, gives no vector of logits
        layer `pool`: the name is taken
        nothing reads `pool`, and it is not the last layer
        layer `input`: the name is taken
        layer `a b`: a name is 1 to 64 letters, digits, `_`, `.` and `-`
        layer `pool`: reads `later`, which is no earlier layer
        layer `pool`: reads 0 inputs, but needs 1
        layer `f`: reads a feature map, but its input is a vector of 3
        layer `l`: reads a vector, but its input is 8x8x3; flatten or pool it first
        layer `a`: adds a vector of 3 and 8x8x3
        layer `b`: epsilon is 0, but must be above 0
        layer `b`: momentum is 2, but must be from 0 to 1
        layer `p`: a padding of [2, 0] is more than half the kernel of [2, 2]
        layer `s`: cannot go from 3 to 2 channels with stride 2
        "#);
        let empty = Graph { input: [0, 8, 3], ..graph(&[POOL]) };
        insta::assert_snapshot!(empty.shapes().unwrap_err(), @"an image of 0x8x3 is empty or too large");
        assert_eq!((empty.classes(), empty.macs()), (0, 0));
    }
}
