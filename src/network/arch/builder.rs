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

/// A convolution without bias, padded so that stride 1 keeps the size when `kernel` is odd.
pub(super) fn convolution(in_channels: usize, out_channels: usize, kernel: usize, stride: usize) -> Op {
    Op::Convolution {
        in_channels,
        out_channels,
        kernel: [kernel; 2],
        stride: [stride; 2],
        padding: [kernel / 2; 2],
        dilation: [1, 1],
        groups: 1,
        bias: false,
    }
}

/// A convolution of each channel with a kernel of its own, padded alike.
pub(super) fn depthwise(channels: usize, kernel: usize, stride: usize) -> Op {
    Op::Convolution {
        in_channels: channels,
        out_channels: channels,
        kernel: [kernel; 2],
        stride: [stride; 2],
        padding: [kernel / 2; 2],
        dilation: [1, 1],
        groups: channels,
        bias: false,
    }
}

/// The convolution with a bias.
pub(super) fn biased(mut convolution: Op) -> Op {
    if let Op::Convolution { bias, .. } = &mut convolution {
        *bias = true;
    }
    convolution
}

/// Batch normalization with PyTorch's settings.
pub(super) fn norm(channels: usize) -> Op {
    Op::BatchNorm { channels, epsilon: 1e-5, momentum: 0.1 }
}

/// A max pooling of 3x3 windows, every second one: the end of the stem for ImageNet.
pub(super) fn stem_pool() -> Op {
    Op::MaxPool { kernel: [3, 3], stride: [2, 2], padding: [1, 1] }
}

/// `channels` times `factor`, rounded to the nearest multiple of 8, at least 8, and up where more than a tenth would be
/// lost (MobileNet's rule).
pub(super) fn scaled_to_eights(channels: usize, factor: f64) -> usize {
    let wanted = channels as f64 * factor;
    let rounded = ((wanted + 4.0) as usize / 8 * 8).max(8);
    if (rounded as f64) < 0.9 * wanted { rounded + 8 } else { rounded }
}

/// A multiplier of widths or depths: above 0, at most 16.
pub(super) fn expect_multiplier(what: &str, factor: f64) -> Result<()> {
    if !(factor > 0.0 && factor <= 16.0) {
        let message = format!("{what} is {factor}, but a multiplier is above 0 and at most 16");
        return Err(Error::new(Kind::Manifest, message));
    }
    Ok(())
}

/// Fails if the smaller side of the image is below `least`: poolings would find nothing.
pub(super) fn expect_image(builder: &Builder, what: &str, least: usize) -> Result<()> {
    let [height, width, _] = builder.image();
    if height.min(width) < least {
        let message = format!("an image of {height}x{width} is too small for {what}, which needs {least}x{least}");
        return Err(Error::new(Kind::Manifest, message).hint("choose a network for smaller images, or larger images"));
    }
    Ok(())
}

/// Fails if `width` channels are none, or so many that multiples of them could not be counted.
pub(super) fn expect_width(what: &str, width: usize) -> Result<()> {
    expect_positive(what, &[width])?;
    if width > 1 << 18 {
        return Err(Error::new(Kind::Manifest, format!("{what} is {width}, which is too wide")));
    }
    Ok(())
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
