//! MobileNetV2 (Sandler et al. 2018) with torchvision's names: `features.0` (a convolution), inverted residuals
//! `features.1.conv` to `features.17.conv`, `features.18` (a 1x1 convolution), `classifier.1`.
//!
//! An inverted residual widens with a 1x1 convolution, filters each channel, and narrows again without an activation; where
//! the shape stays, its input is added.

use super::Stem;
use super::builder::{Builder, convolution, depthwise, expect_multiplier, norm, scaled_to_eights};
use crate::error::Result;
use crate::network::graph::Op;

/// A stage of equal blocks; only the first has the stride.
pub(super) struct Stage {
    /// How many times wider a block is inside.
    pub(super) expansion: usize,
    pub(super) channels: usize,
    pub(super) blocks: usize,
    pub(super) stride: usize,
}

/// The plan of the network.
pub(super) struct Plan {
    /// Channels and stride of the first convolution.
    pub(super) first: [usize; 2],
    pub(super) stages: Vec<Stage>,
    /// Channels of the last convolution.
    pub(super) last: usize,
    /// Before the classifier.
    pub(super) dropout: f64,
}

impl Plan {
    /// Table 2 of the paper. The CIFAR stem leaves out the first two of the five strides of 2.
    pub(super) fn new(width: f64, dropout: f64, stem: Stem) -> Result<Self> {
        expect_multiplier("width", width)?;
        let early = if stem == Stem::Cifar { 1 } else { 2 };
        let rows = [
            [1, 16, 1, 1],
            [6, 24, 2, early],
            [6, 32, 3, 2],
            [6, 64, 4, 2],
            [6, 96, 3, 1],
            [6, 160, 3, 2],
            [6, 320, 1, 1],
        ];
        let stage = |[expansion, channels, blocks, stride]: [usize; 4]| Stage {
            expansion,
            channels: scaled_to_eights(channels, width),
            blocks,
            stride,
        };
        Ok(Self {
            first: [scaled_to_eights(32, width), early],
            stages: rows.into_iter().map(stage).collect(),
            last: scaled_to_eights(1280, width.max(1.0)),
            dropout,
        })
    }

    pub(super) fn build(&self, builder: &mut Builder, classes: usize) {
        let [_, _, image_channels] = builder.image();
        let [mut channels, stride] = self.first;
        push_activated(builder, "features.0", convolution(image_channels, channels, 3, stride), channels);
        let mut number = 1;
        for stage in &self.stages {
            for block in 0..stage.blocks {
                let stride = if block == 0 { stage.stride } else { 1 };
                add_block(builder, number, [channels, stage.channels], stage.expansion, stride);
                channels = stage.channels;
                number += 1;
            }
        }
        let name = format!("features.{number}");
        push_activated(builder, &name, convolution(channels, self.last, 1, 1), self.last);
        builder.push("avgpool", Op::GlobalAveragePool);
        builder.push("classifier.0", Op::Dropout { rate: self.dropout as f32 });
        builder.push("classifier.1", Op::Linear { in_features: self.last, out_features: classes, bias: true });
    }
}

fn add_block(builder: &mut Builder, number: usize, channels: [usize; 2], expansion: usize, stride: usize) {
    let input = builder.last();
    let [in_channels, out_channels] = channels;
    let inner = in_channels * expansion;
    let name = format!("features.{number}.conv");
    let mut part = 0;
    if expansion != 1 {
        push_activated(builder, &format!("{name}.0"), convolution(in_channels, inner, 1, 1), inner);
        part += 1;
    }
    push_activated(builder, &format!("{name}.{part}"), depthwise(inner, 3, stride), inner);
    builder.push(format!("{name}.{}", part + 1), convolution(inner, out_channels, 1, 1));
    builder.push(format!("{name}.{}", part + 2), norm(out_channels));
    if stride == 1 && in_channels == out_channels {
        let main = builder.last();
        builder.push_from(format!("features.{number}.add"), Op::Add, vec![input, main]);
    }
}

fn push_activated(builder: &mut Builder, name: &str, convolution: Op, channels: usize) {
    builder.push(format!("{name}.0"), convolution);
    builder.push(format!("{name}.1"), norm(channels));
    builder.push(format!("{name}.2"), Op::Relu6);
}
