//! EfficientNet (Tan & Le 2019) with torchvision's names: `features.0` (a convolution), blocks `features.1.0.block` and
//! so on, `features.8` (a 1x1 convolution), `classifier.1`.
//!
//! A block widens with a 1x1 convolution, filters each channel, weighs the channels by squeeze and excitation (Hu et al.
//! 2018), and narrows again without an activation; where the shape stays, its input is added, and in training whole
//! blocks are left out at random, later ones more often.

use super::Stem;
use super::builder::{Builder, biased, convolution, depthwise, expect_multiplier, norm, scaled_to_eights};
use crate::error::Result;
use crate::network::graph::Op;

/// A stage of equal blocks; only the first has the stride.
pub(super) struct Stage {
    /// How many times wider a block is inside.
    pub(super) expansion: usize,
    pub(super) kernel: usize,
    pub(super) stride: usize,
    pub(super) channels: usize,
    pub(super) blocks: usize,
}

/// The plan of the network.
pub(super) struct Plan {
    /// Channels and stride of the first convolution.
    pub(super) first: [usize; 2],
    pub(super) stages: Vec<Stage>,
    /// Before the classifier.
    pub(super) dropout: f64,
    /// The share of passes from which the last block would be left out; earlier ones proportionally fewer.
    pub(super) stochastic_depth: f64,
}

impl Plan {
    /// Table 1 of the paper, scaled. The CIFAR stem leaves out the first two of the five strides of 2.
    pub(super) fn new(width: f64, depth: f64, dropout: f64, stochastic_depth: f64, stem: Stem) -> Result<Self> {
        expect_multiplier("width", width)?;
        expect_multiplier("depth", depth)?;
        let early = if stem == Stem::Cifar { 1 } else { 2 };
        let rows = [
            [1, 3, 1, 16, 1],
            [6, 3, early, 24, 2],
            [6, 5, 2, 40, 2],
            [6, 3, 2, 80, 3],
            [6, 5, 1, 112, 3],
            [6, 5, 2, 192, 4],
            [6, 3, 1, 320, 1],
        ];
        let stage = |[expansion, kernel, stride, channels, blocks]: [usize; 5]| Stage {
            expansion,
            kernel,
            stride,
            channels: scaled_to_eights(channels, width),
            blocks: (blocks as f64 * depth).ceil() as usize,
        };
        Ok(Self {
            first: [scaled_to_eights(32, width), early],
            stages: rows.into_iter().map(stage).collect(),
            dropout,
            stochastic_depth,
        })
    }

    pub(super) fn build(&self, builder: &mut Builder, classes: usize) {
        let [_, _, image_channels] = builder.image();
        let [mut channels, stride] = self.first;
        push_activated(builder, "features.0", convolution(image_channels, channels, 3, stride), channels);
        let total: usize = self.stages.iter().map(|stage| stage.blocks).sum();
        let mut before = 0;
        for (number, stage) in (1..).zip(&self.stages) {
            for block in 0..stage.blocks {
                let name = format!("features.{number}.{block}");
                let rate = self.stochastic_depth * before as f64 / total as f64;
                add_block(builder, &name, channels, stage, block == 0, rate as f32);
                channels = stage.channels;
                before += 1;
            }
        }
        let name = format!("features.{}", self.stages.len() + 1);
        push_activated(builder, &name, convolution(channels, 4 * channels, 1, 1), 4 * channels);
        builder.push("avgpool", Op::GlobalAveragePool);
        builder.push("classifier.0", Op::Dropout { rate: self.dropout as f32 });
        builder.push("classifier.1", Op::Linear { in_features: 4 * channels, out_features: classes, bias: true });
    }
}

fn add_block(builder: &mut Builder, name: &str, in_channels: usize, stage: &Stage, first: bool, rate: f32) {
    let input = builder.last();
    let Stage { expansion, kernel, channels: out_channels, .. } = *stage;
    let stride = if first { stage.stride } else { 1 };
    let inner = scaled_to_eights(in_channels, expansion as f64);
    let mut part = 0;
    if inner != in_channels {
        push_activated(builder, &format!("{name}.block.0"), convolution(in_channels, inner, 1, 1), inner);
        part += 1;
    }
    push_activated(builder, &format!("{name}.block.{part}"), depthwise(inner, kernel, stride), inner);
    push_gate(builder, &format!("{name}.block.{}", part + 1), inner, (in_channels / 4).max(1));
    builder.push(format!("{name}.block.{}.0", part + 2), convolution(inner, out_channels, 1, 1));
    builder.push(format!("{name}.block.{}.1", part + 2), norm(out_channels));
    if stride == 1 && in_channels == out_channels {
        if rate > 0.0 {
            builder.push(format!("{name}.stochastic_depth"), Op::StochasticDepth { rate });
        }
        let main = builder.last();
        builder.push_from(format!("{name}.add"), Op::Add, vec![main, input]);
    }
}

/// Squeeze and excitation: each channel times a number between 0 and 1 that depends on the means of all.
fn push_gate(builder: &mut Builder, name: &str, channels: usize, squeezed: usize) {
    let input = builder.last();
    builder.push(format!("{name}.avgpool"), Op::AdaptiveAveragePool { output: [1, 1] });
    builder.push(format!("{name}.fc1"), biased(convolution(channels, squeezed, 1, 1)));
    builder.push(format!("{name}.activation"), Op::Silu);
    builder.push(format!("{name}.fc2"), biased(convolution(squeezed, channels, 1, 1)));
    builder.push(format!("{name}.scale_activation"), Op::Sigmoid);
    let gate = builder.last();
    builder.push_from(format!("{name}.scale"), Op::Multiply, vec![input, gate]);
}

fn push_activated(builder: &mut Builder, name: &str, convolution: Op, channels: usize) {
    builder.push(format!("{name}.0"), convolution);
    builder.push(format!("{name}.1"), norm(channels));
    builder.push(format!("{name}.2"), Op::Silu);
}
