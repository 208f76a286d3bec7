//! Layers appended one after another.

use crate::error::{Error, Kind, Result};
use crate::network::graph::{Graph, INPUT, Layer, Op};
use crate::network::shapes::Shape;

/// A graph under construction. Unless told otherwise, a layer reads the one before it.
pub(super) struct Builder {
    graph: Graph,
}

impl Builder {
    pub(super) fn new(input: [usize; 3]) -> Self {
        Self { graph: Graph { input, layers: Vec::new() } }
    }

    pub(super) fn finish(self) -> Graph {
        self.graph
    }

    /// Height, width and channels of the image.
    pub(super) fn image(&self) -> [usize; 3] {
        self.graph.input
    }

    /// The name of the last layer.
    pub(super) fn last(&self) -> String {
        self.graph.layers.last().map_or(INPUT.into(), |layer| layer.name.clone())
    }

    /// Appends a layer that reads the last one.
    pub(super) fn push(&mut self, name: impl Into<String>, op: Op) {
        let inputs = vec![self.last()];
        self.push_from(name, op, inputs);
    }

    /// Appends a layer that reads `inputs`.
    pub(super) fn push_from(&mut self, name: impl Into<String>, op: Op, inputs: Vec<String>) {
        self.graph.layers.push(Layer { name: name.into(), op, inputs });
    }

    /// Appends flatten, the hidden layers and the classifier.
    pub(super) fn classifier(&mut self, hidden: &[usize], features: usize, classes: usize) {
        self.push("flatten", Op::Flatten);
        let mut in_features = features;
        for (index, out_features) in hidden.iter().enumerate() {
            let name = format!("hidden{}", index + 1);
            self.push(&name, Op::Linear { in_features, out_features: *out_features, bias: true });
            self.push(format!("{name}.relu"), Op::Relu);
            in_features = *out_features;
        }
        self.push("classifier", Op::Linear { in_features, out_features: classes, bias: true });
    }
}

/// The size of a `kind` of settings that must not be zero.
pub(super) fn expect_positive(what: &str, sizes: &[usize]) -> Result<()> {
    if sizes.contains(&0) {
        return Err(Error::new(Kind::Manifest, format!("{what} is {sizes:?}, but no size may be 0")));
    }
    Ok(())
}

/// How many values a map of this shape has, or an error if they cannot be counted.
pub(super) fn count(shape: [usize; 3]) -> Result<usize> {
    let [height, width, channels] = shape;
    let count = height.checked_mul(width).and_then(|count| count.checked_mul(channels));
    let shape = |height, width, channels| Shape::Map { height, width, channels };
    count.ok_or_else(|| Error::new(Kind::Manifest, format!("{} is too large", shape(height, width, channels))))
}
