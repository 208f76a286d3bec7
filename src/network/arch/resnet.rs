//! The residual networks for small images of He et al. 2015, section 4.2, with torchvision's names.
//!
//! A 3x3 convolution, then three stages of n blocks with w, 2w and 4w channels, the second and third starting with
//! stride 2, then global average pooling and a linear layer: 6n + 2 layers. A block is convolution, normalization, ReLU,
//! convolution, normalization, the sum with the shortcut, ReLU.

use serde::{Deserialize, Serialize};

use super::builder::{Builder, expect_positive};
use crate::error::{Error, Kind, Result};
use crate::network::graph::Op;

/// The deepest network of the paper.
const DEEPEST: usize = 1202;

/// What a shortcut does where the shape changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shortcut {
    /// Drops positions and pads channels with zeros: option A, without parameters.
    #[default]
    Pad,
    /// A 1x1 convolution with normalization: option B.
    Projection,
}

pub(super) fn default_width() -> usize {
    16
}

pub(super) fn build(
    builder: &mut Builder,
    depth: usize,
    width: usize,
    shortcut: Shortcut,
    classes: usize,
) -> Result<()> {
    expect_positive("width", &[width])?;
    if !(8..=DEEPEST).contains(&depth) || depth % 6 != 2 {
        let lower = (depth.clamp(8, DEEPEST) - 2) / 6 * 6 + 2;
        let message = format!("a resnet of depth {depth}: the depth is 6n + 2, from 8 to {DEEPEST}");
        return Err(Error::new(Kind::Manifest, message).hint(format!("the nearest below is {lower}")));
    }
    let widest = width.checked_mul(4).filter(|widest| *widest <= 1 << 20);
    widest.ok_or_else(|| Error::new(Kind::Manifest, format!("a resnet of width {width} is too wide")))?;
    let [_, _, image_channels] = builder.image();
    builder.push("conv1", convolution(image_channels, width, 3, 1));
    builder.push("bn1", norm(width));
    builder.push("relu", Op::Relu);
    let mut channels = width;
    for stage in 0..3 {
        let out_channels = width << stage;
        for block in 0..(depth - 2) / 6 {
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            add_block(builder, &format!("layer{}.{block}", stage + 1), [channels, out_channels], stride, shortcut);
            channels = out_channels;
        }
    }
    builder.push("avgpool", Op::GlobalAveragePool);
    builder.push("fc", Op::Linear { in_features: channels, out_features: classes, bias: true });
    Ok(())
}

fn add_block(builder: &mut Builder, name: &str, channels: [usize; 2], stride: usize, shortcut: Shortcut) {
    let input = builder.last();
    let [in_channels, out_channels] = channels;
    let mut kept = input.clone();
    builder.push(format!("{name}.conv1"), convolution(in_channels, out_channels, 3, stride));
    builder.push(format!("{name}.bn1"), norm(out_channels));
    builder.push(format!("{name}.relu1"), Op::Relu);
    builder.push(format!("{name}.conv2"), convolution(out_channels, out_channels, 3, 1));
    builder.push(format!("{name}.bn2"), norm(out_channels));
    let main = builder.last();
    if stride != 1 || in_channels != out_channels {
        match shortcut {
            Shortcut::Pad => {
                let op = Op::PadShortcut { stride, in_channels, out_channels, before: None };
                builder.push_from(format!("{name}.downsample"), op, vec![input]);
            }
            Shortcut::Projection => {
                let op = convolution(in_channels, out_channels, 1, stride);
                builder.push_from(format!("{name}.downsample.0"), op, vec![input]);
                builder.push(format!("{name}.downsample.1"), norm(out_channels));
            }
        }
        kept = builder.last();
    }
    builder.push_from(format!("{name}.add"), Op::Add, vec![main, kept]);
    builder.push(format!("{name}.relu"), Op::Relu);
}

fn convolution(in_channels: usize, out_channels: usize, kernel: usize, stride: usize) -> Op {
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

fn norm(channels: usize) -> Op {
    Op::BatchNorm { channels, epsilon: 1e-5, momentum: 0.1 }
}
